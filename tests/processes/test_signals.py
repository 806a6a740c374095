import os
import signal
import subprocess
import sys
import threading

import pytest

from pclhd_jax.processes.signals import Interrupted, Interrupts


@pytest.mark.parametrize("signum, exit_code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_first_signal_asks_and_the_next_check_stops(signum, exit_code):
    before = signal.getsignal(signum)
    with Interrupts() as interrupts:
        interrupts.check()
        os.kill(os.getpid(), signum)
        with pytest.raises(Interrupted) as stop:
            interrupts.check()
    assert stop.value.exit_code == exit_code
    assert signal.getsignal(signum) is before


def test_a_second_signal_ends_the_process_at_once():
    program = (
        "import os, signal, time; from pclhd_jax.processes.signals import Interrupts\n"
        "with Interrupts():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == -signal.SIGINT  # 130 in a shell
    assert "a second signal ends the run at once" in ended.stderr


def test_in_another_thread_nothing_is_caught_and_nothing_breaks():
    handlers = []

    def run():
        with Interrupts() as interrupts:
            interrupts.check()
            handlers.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [before]
