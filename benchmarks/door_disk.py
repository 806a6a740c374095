"""A disk that fills up at each phase of a run, from the drawing to the last checkpoint."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.doors import Try

SIZES_KB = (64, 700, 2_000, 3_000, 4_000, 6_000, 8_000, 9_000, 10_000, 12_000)


def tries(root: Path) -> Iterator[Try]:
    if os.geteuid() != 0:
        sys.exit("the part 'disk' mounts a small file system: run it as root, or leave it out")
    start(root / "undisturbed", root)
    expected = (root / "undisturbed" / "run" / "metrics.jsonl").read_bytes()
    for size_kb in SIZES_KB:
        disk = root / f"{size_kb}"
        disk.mkdir()
        mount("-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(disk))
        try:
            yield tried(disk, root, size_kb, expected)
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)


def tried(disk: Path, root: Path, size_kb: int, expected: bytes) -> Try:
    what = f"a disk of {size_kb:,} kB"
    code, said = start(disk, root)
    if "Traceback" in said:
        return Try(what, "TRACEBACK", said[-400:])
    if code == 0:
        return Try(what, "worked")
    if str(disk) not in said.strip().splitlines()[-1]:
        return Try(what, "SILENT", said[-300:])
    mount("-o", "remount,size=1g", str(disk))
    code, again = start(disk, root)
    if code:
        return Try(what, "LOST", again[-300:])
    same = (disk / "run" / "metrics.jsonl").read_bytes() == expected
    return Try(what, "told" if same else "LOST", said.strip().splitlines()[-1])


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def start(disk: Path, root: Path) -> tuple[int, str]:
    """Draws, prepares, decodes and trains, with everything that is written on `disk`."""
    disk.mkdir(exist_ok=True)
    settings = {
        "data.source": f"{disk}/set",
        "data.prepared": f"{disk}/prepared",
        "data.cache": f"{disk}/cache",
        "data.height": 32,
        "data.width": 16,
        "data.synthetic.train_ids": 9,
        "data.synthetic.val_ids": 3,
        "data.synthetic.test_ids": 4,
        "data.synthetic.shots": 4,
        "model.width": 0.125,
        "cluster.k1": 6,
        "cluster.k2": 2,
        "cluster.joint_k1": 8,
        "cluster.joint_k2": 3,
        "cluster.eps": 0.7,
        "cluster.min_samples": 2,
        "stage1.epochs": 1,
        "stage2.epochs": 1,
        "stage1.batches_per_epoch": 2,
        "stage2.batches_per_epoch": 2,
        "evaluation.trials": 2,
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pclhd_jax.main", "--config=configs/synthetic.py"),
            *(f"--config.{name}={value}" for name, value in settings.items()),
            f"--workdir={disk}/run",
        ],
        env=os.environ
        | {
            "JAX_PLATFORMS": "cpu",
            "JAX_COMPILATION_CACHE_DIR": str(root / "compiled"),
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout
