"""Two processes of one run on this machine, and the same run by one."""

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from pclhd_jax.processes.launch import place_of_flags, place_of_slurm
from tests.helpers.process_cases import PEER_TIMEOUT_S

ROOT = Path(__file__).parents[2]
CASES = "tests.helpers.process_cases"
SLURM = {"SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def cpu_environment(path, devices):
    count = f"--xla_force_host_platform_device_count={devices}"
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_backend_optimization_level=0 {count}",  # level 0 compiles fast
        "JAX_COMPILATION_CACHE_DIR": str(path / "compiled"),
    }


class Pair:
    """Two processes; leaving ends what is left of them.

    arguments: of each, after `python -m`; variables: of its environment; devices: of each.
    """

    def __init__(self, path, arguments, variables=({}, {}), devices=1):
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", *own_arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=cpu_environment(path, devices) | own_variables,
                cwd=ROOT,
            )
            for own_arguments, own_variables in zip(arguments, variables, strict=True)
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdout.close()

    def outputs(self, timeout_s=240):
        """What both printed, when both have ended."""
        return [process.communicate(timeout=timeout_s)[0] for process in self.processes]

    def codes(self):
        return [process.returncode for process in self.processes]


def pair_of_cases(case, path):
    port = free_port()
    places = [place_of_flags(f"127.0.0.1:{port}", 2, id) for id in (0, 1)]
    cases = [[CASES, case, json.dumps(place), str(path)] for place in places]
    return Pair(path, cases)


def pair_of_cases_by_slurm(case, path):
    """As srun tells two tasks of one machine; JAX makes a port of the number of the job."""
    for job in range(1000, 2000):
        with suppress(OSError), socket.create_server(("127.0.0.1", 61_440 + job)):
            break
    tasks = [
        SLURM | {"SLURM_JOB_ID": str(job), "SLURM_PROCID": id, "SLURM_LOCALID": id} for id in "01"
    ]
    places = [place_of_slurm(task) for task in tasks]
    cases = [[CASES, case, json.dumps(place), str(path)] for place in places]
    return Pair(path, cases, tasks)


def experiment_file(path):
    file = path / "tiniest.py"
    file.write_text(
        "from tests.helpers.tiny import tiniest_config\n\n\n"
        f"def get_config():\n    return tiniest_config({str(path / 'pictures')!r})\n"
    )
    return file


def pair_of_commands(path, *flags, flags_of_1=(), devices=1):
    """The command line on the run in `path`."""
    flags = [
        f"--config={experiment_file(path)}",
        f"--workdir={path / 'run'}",
        f"--coordinator=localhost:{free_port()}",
        "--num_processes=2",
        f"--peer_timeout_s={PEER_TIMEOUT_S}",
        *flags,
    ]
    main = ["pclhd_jax.main", *flags]
    return Pair(
        path, [[*main, "--process_id=0"], [*main, "--process_id=1", *flags_of_1]], devices=devices
    )


def run_alone(path, workdir, devices):
    """The same run by one process, into `workdir`, which is returned."""
    command = [f"--config={experiment_file(path)}", f"--workdir={workdir}"]
    subprocess.run(
        [sys.executable, "-m", "pclhd_jax.main", *command],
        env=cpu_environment(path, devices),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return workdir
