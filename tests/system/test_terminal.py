"""What a command shows, on whatever its standard streams are."""

import io
import os
import subprocess
import sys

import pytest

from pclhd_jax.system.terminal import SafeStream, as_is, safe_terminal

PROGRAM = """
import sys
from pclhd_jax.system.command import command
@command
def main(argv=None):
    for i in range(20_000):
        stream = sys.stderr if i % 2 else sys.stdout
        print("gr\\u00fcn \\u65e5 \\x1b]0;title\\x07 \\u202e \\udc80", file=stream)
    print("read:", sys.stdin.read(), open("/dev/null").fileno() > 2)
    raise SystemExit(3)
main()
"""


def shell(line, **environment):
    return subprocess.run(
        ["bash", "-c", line, PROGRAM, sys.executable],
        capture_output=True,
        env=os.environ | environment,
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_terminal_shows_every_text_without_a_control_character(encoding):
    told = shell('"$1" -c "$0" </dev/null', PYTHONIOENCODING=encoding)
    assert told.returncode == 3
    for stream in (told.stdout, told.stderr):
        assert b"\\x1b]0;title\\x07" in stream and b"\\u202e" in stream and b"\\udc80" in stream
        assert b"\x1b" not in stream and b"Traceback" not in stream


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_end_no_command_and_take_no_files_place(closed):
    told = shell(f'"$1" -c "$0" </dev/null {closed}')
    assert told.returncode == 3 and b"Traceback" not in told.stdout + told.stderr


def test_a_pipe_that_is_cut_short_ends_no_command():
    told = shell('set -o pipefail; "$1" -c "$0" </dev/null 2>/dev/null | head -1')
    assert told.returncode == 3 and told.stdout.count(b"\n") == 1
    assert told.stderr == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_work_that_shows_on_a_full_disk_is_done_and_ends_with_an_error(unbuffered, tmp_path):
    done = tmp_path / "done"
    work = f"    sys.stdout.flush()\n    open({str(done)!r}, 'w').close()"
    program = PROGRAM.replace("    raise SystemExit(3)", work)
    line = [sys.executable, "-c", program]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        told = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, env=environment, input=b"")
    last = told.stderr.splitlines()[-1]
    assert told.returncode == 1 and done.exists() and b"Traceback" not in told.stderr
    assert last.startswith(b"OSError: stdout: No space left on device; the work is done")


def test_what_draws_on_a_terminal_reaches_it_as_it_is(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with safe_terminal():
        assert isinstance(sys.stdout, SafeStream)
        print("\x1b[A", file=as_is(sys.stdout), end="")
        print("\r", end="")
    assert stream.getvalue() == "\x1b[A\\r"
    assert sys.stdout is stream and as_is(stream) is stream
