"""Several processes that train as one, here on one machine over its loopback."""

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from pclhd_jax.processes import exchange
from pclhd_jax.processes.agreement import check_same_device_count
from pclhd_jax.processes.launch import (
    joined,
    lost_contact,
    note_of_slurm,
    place_of_flags,
    place_of_slurm,
)
from pclhd_jax.processes.signals import AGREE_EVERY
from tests.helpers.finished_run import assert_same_end
from tests.helpers.process_cases import PEER_TIMEOUT_S, RESULT
from tests.helpers.process_pairs import (
    CASES,
    ROOT,
    free_port,
    pair_of_cases,
    pair_of_cases_by_slurm,
    pair_of_commands,
    run_alone,
)

HOST = socket.gethostname()


def results(outputs):
    lines = [line for output in outputs for line in output.splitlines()]
    return [json.loads(x.removeprefix(RESULT)) for x in lines if x.startswith(RESULT)]


@pytest.fixture(scope="module")
def helpers(tmp_path_factory):
    """(results of both processes, their output, their exit codes)"""
    with pair_of_cases_by_slurm("helpers", tmp_path_factory.mktemp("helpers")) as pair:
        outputs = pair.outputs()
        return results(outputs), outputs, pair.codes()


def test_both_get_what_each_gave_and_what_process_0_found(helpers):
    first, second = helpers[0]
    for result in (first, second):
        assert result["gathered"] == [{"id": 0}, {"id": 1}]
        assert result["shared"] == [[0, 1, 2], 0]
        assert result["same"] == pytest.approx([0.0, 0.1])
        assert result["large"] == [5000, 10000]
    assert (first["calls"], second["calls"]) == (1, 0)


def test_each_searches_a_share_and_both_get_the_lists_of_one_alone_bit_for_bit(helpers):
    # Of 3 and of 2 blocks of 1,024 pictures, the last one not full.
    assert [result["search"] for result in helpers[0]] == [
        [[2048, 1024], True],
        [[452, 76], True],
    ]


def test_one_that_gets_a_signal_stops_both_at_the_same_step(helpers):
    assert [result["stopped"] for result in helpers[0]] == [[AGREE_EVERY - 1, 143]] * 2


def test_the_others_find_what_process_0_made(helpers):
    assert [result["seen"] for result in helpers[0]] == [False, True]


def test_an_error_of_one_is_raised_on_both_with_one_message(helpers):
    first, second = (result["errors"] for result in helpers[0])
    assert first == second
    assert first[0] == "FileNotFoundError: [Errno 2] no such list: 'here.txt'"
    assert first[1] == "ValueError: process 1 alone"


def test_a_save_that_fails_behind_a_run_that_stops_is_told_by_both(helpers):
    first, second = (result["behind"] for result in helpers[0])
    assert first == second
    assert first.startswith("OSError: saving checkpoint 1 in ")
    assert os.strerror(errno.ENOSPC) in first


def test_processes_that_come_apart_say_where_they_are(helpers):
    for result in helpers[0]:
        apart, nested, settings, pictures, _ = result["errors"][2:]
        assert "process 0 is at 'place 0'; process 1 is at 'place 1'" in apart
        assert "the other processes wait" in nested
        assert "config.seed: there 0, here 1" in settings
        assert "source" not in settings  # machines may keep their pictures in different places
        assert pictures.startswith("ValueError: process 1 found other pictures than process 0")


def test_a_checkpoint_that_only_one_process_cannot_read_stays_where_it_is(helpers):
    for result in helpers[0]:
        assert result["checkpoints"] == ["1", "2"]
        error = result["errors"][-1]
        assert error.startswith("OSError: process 1 cannot read what process 0 has read")
        assert "on a disk that all share?" in error


def test_losing_process_0_ends_process_1_and_says_which(helpers):
    _, outputs, codes = helpers
    assert codes[0] == -signal.SIGKILL
    assert codes[1] not in (0, None)
    assert "task 0" in outputs[1] and "died" in outputs[1]  # the leader, in JAX's words


def names_process_1(output):
    """JAX's verdict, in the words of 0.7 and of 0.10."""
    verdict = re.search(r"unhealthy \(stopped sending heartbeats\):\n(\S*)", output)
    return verdict is not None and verdict[1] in ("1", "/job:jax_worker/replica:0/task:1")


def test_a_process_that_fails_alone_tells_why_and_ends_the_other(tmp_path):
    with pair_of_cases("fail_alone", tmp_path) as pair:
        outputs = pair.outputs()
        assert pair.codes()[0] not in (0, None)
        assert pair.codes()[1] == 1
    assert "MemoryError: no room for a batch" in outputs[1]
    assert f"process 0 ({HOST}): lost contact" in outputs[0]
    assert "the same command again" in outputs[0]
    assert names_process_1(outputs[0])


def test_processes_that_fail_alike_each_tell_it(tmp_path):
    with pair_of_cases("fail_alike", tmp_path) as pair:
        outputs = pair.outputs()
        assert pair.codes() == [1, 1]
    for output in outputs:
        assert "FloatingPointError: step 3" in output
        assert "lost contact" not in output and "heartbeats" not in output


def wait_for(path, pair, timeout_s=240):
    deadline = time.monotonic() + timeout_s
    while not path.exists():
        assert pair.codes() == [None, None] and time.monotonic() < deadline, pair.outputs(1)
        time.sleep(0.05)
        for process in pair.processes:
            process.poll()


def test_a_pair_that_is_killed_and_stopped_continues_and_ends_as_one_process_does(tmp_path):
    run = tmp_path / "run"
    with pair_of_commands(tmp_path) as pair:
        wait_for(run / "unfinished" / "4", pair)  # of 24 steps
        pair.processes[1].kill()
        killed = time.monotonic()
        outputs = pair.outputs()
        assert time.monotonic() - killed < PEER_TIMEOUT_S + 20
        assert pair.codes()[0] not in (0, None)
        assert pair.codes()[1] == -signal.SIGKILL
    assert names_process_1(outputs[0])

    saved = max(int(path.name) for path in (run / "unfinished").iterdir())
    with pair_of_commands(tmp_path) as pair:
        wait_for(run / "unfinished" / str(saved + 4), pair)
        pair.processes[1].terminate()
        outputs = pair.outputs()
        assert pair.codes() == [143, 143]
    assert f"going on after step {saved}" in outputs[0]
    assert f"process 1 ({HOST}): SIGTERM: saving" in outputs[1]

    with pair_of_commands(tmp_path) as pair:
        outputs = pair.outputs()
        assert pair.codes() == [0, 0], outputs
    assert "going on after step" in outputs[0] and "[2] stage 2 epoch 1" in outputs[0]
    told = [x for x in outputs[1].splitlines() if x and not x.startswith("[Gloo]")]
    assert len(told) == 1 and "waiting up to" in told[0]  # process 0 speaks for both

    # Two processes with one device each are one process with two, to the last bit.
    alone = run_alone(tmp_path, tmp_path / "alone", devices=2)
    assert_same_end(run, alone, epochs=2)

    last_row = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    rank_1 = [f"{100 * scores['cmc'][0]:.2f}" for scores in last_row["evaluation"].values()]
    with pair_of_commands(tmp_path, "--mode=eval") as pair:
        outputs = pair.outputs()
        assert pair.codes() == [0, 0], outputs
    assert rank_1 and all(number in outputs[0] for number in rank_1)
    other = f"--config.data.source={shutil.copytree(tmp_path / 'pictures', tmp_path / 'other')}"
    picture = next((tmp_path / "other").glob("cam1/*/*"))
    picture.rename(picture.with_stem("renamed"))
    with pair_of_commands(tmp_path, "--mode=eval", flags_of_1=(other,)) as pair:
        outputs = pair.outputs()
        assert pair.codes() == [1, 1]
    for output in outputs:
        assert "process 1 found other pictures than process 0" in output


def test_one_process_does_everything_itself():
    assert exchange.is_first()
    assert exchange.gather("x") == ["x"]
    assert exchange.from_first(lambda x: x + 1, 1) == 2
    assert exchange.first_then_all(lambda: "once") == "once"
    tree = {"x": np.arange(2)}
    assert exchange.same_as_first(tree) is tree
    with joined(None):
        pass


def test_a_process_that_does_not_come_ends_the_one_that_waits(tmp_path):
    place = json.dumps(place_of_flags(f"127.0.0.1:{free_port()}", 2, 0))
    command = [
        sys.executable,
        "-m",
        CASES,
        "helpers",
        place,
        str(tmp_path),
        "2",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode not in (0, None)
    assert "waiting up to 2 s for all 2 to meet at process 0" in done.stderr
    assert "DEADLINE_EXCEEDED" in done.stderr.split("waiting")[1].split("\n", 1)[1]


def test_a_port_that_is_taken_is_an_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = json.dumps(place_of_flags(f"127.0.0.1:{server.getsockname()[1]}", 2, 0))
        command = [
            sys.executable,
            "-m",
            CASES,
            "helpers",
            place,
            str(tmp_path),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 1
    assert "ConnectionError" in done.stderr and "a free port there" in done.stderr


def test_the_three_flags_go_together():
    assert place_of_flags(None, None, None) is None
    place = place_of_flags("node7:1234", 4, 3)
    assert place["coordinator_address"] == "node7:1234"
    assert (place["num_processes"], place["process_id"]) == (4, 3)
    assert place["coordinator_bind_address"] is None  # every network of the machine
    assert place_of_flags("localhost:1", 1, 0)["coordinator_bind_address"] == "localhost:1"
    with pytest.raises(ValueError, match="--num_processes and --process_id not given"):
        place_of_flags("node7:1234", None, None)
    with pytest.raises(ValueError, match="HOST:PORT"):
        place_of_flags("node7", 4, 3)
    with pytest.raises(ValueError, match="--process_id is 4 of --num_processes=4"):
        place_of_flags("node7:1234", 4, 4)


def test_every_process_has_as_many_devices_as_the_others():
    check_same_device_count([0, 0, 1, 1])
    with pytest.raises(ValueError, match=r"\(process 0 1, process 1 2\); show each as many"):
        check_same_device_count([0, 1, 1])


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("UNKNOWN: Gloo AllGather failed: Read error [127.0.0.1]:1: Connection reset", True),
        ("UNKNOWN: Gloo all-reduce failed: Connection closed by peer", True),
        ("/home/gloor/run belongs to a run with other settings", False),
    ],
)
def test_an_error_of_an_exchange_is_known_by_its_words(text, lost):
    assert lost_contact(ValueError(text)) == lost


def test_slurm_is_asked_for_and_started_by_srun():
    with pytest.raises(ValueError, match=r"SLURM_STEP_NODELIST.*not set: start .* with srun"):
        place_of_slurm({"SLURM_JOB_ID": "5", "SLURM_NTASKS": "8"})  # a batch script
    assert note_of_slurm({"SLURM_NTASKS": "8"}) is None
    assert note_of_slurm({"SLURM_STEP_NUM_TASKS": "1"}) is None
    assert "8 times" in note_of_slurm({"SLURM_STEP_NUM_TASKS": "8"})
