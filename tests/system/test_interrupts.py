"""ctrl-C during an import: the import is ended first, and then the command."""

import signal
import subprocess
import sys

import pytest

from pclhd_jax.system import interrupts
from pclhd_jax.system.interrupts import imports_first

SLOW = """
import signal, time
signal.raise_signal(signal.SIGINT)
time.sleep({seconds})
done = True
"""


@pytest.fixture(autouse=True)
def python_s_own_handler():
    """A shell starts programs in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """Imports a module that takes a while, and is interrupted at its first line."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def slow(seconds):
        (tmp_path / "slow_module.py").write_text(SLOW.format(seconds=seconds))
        sys.modules.pop("slow_module", None)
        import slow_module

        return slow_module

    return slow


def test_ctrl_c_waits_for_an_import(slow):
    with pytest.raises(KeyboardInterrupt), imports_first():
        assert slow(0.05).done
        interrupts.time.sleep(5)
    assert sys.modules["slow_module"].done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_ends_an_import_that_hangs(slow, monkeypatch):
    monkeypatch.setattr(interrupts, "LONGEST_S", 0.05)
    with pytest.raises(KeyboardInterrupt), imports_first():
        slow(5)


def test_ctrl_c_ends_everything_else_at_once():
    with pytest.raises(KeyboardInterrupt), imports_first():
        signal.raise_signal(signal.SIGINT)


def test_a_command_that_another_started_and_a_thread_leave_the_handler_alone():
    program = "signal.signal(signal.SIGINT, signal.SIG_IGN)\nwith imports_first(): pass\n"
    program += "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN"
    program = f"import signal\nfrom pclhd_jax.system.interrupts import imports_first\n{program}"
    subprocess.run([sys.executable, "-c", program], check=True)
