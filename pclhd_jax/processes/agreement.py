"""What the processes of a run must have alike, compared before they depend on it."""

from collections import Counter
from typing import Any

from pclhd_jax.processes.exchange import gather
from pclhd_jax.settings.differences import PLACES, differences


def check_same_settings(settings: dict[str, Any]) -> None:
    """Raises ValueError, on all processes, when one was started with other settings."""
    first, *others = gather(settings)
    for number, other in enumerate(others, 1):
        lines = differences(first, other, but=PLACES)
        if lines:
            raise ValueError(
                f"process {number} (here) has other settings than process 0 (there):\n  "
                + "\n  ".join(lines)
                + "\ngive all processes the same"
            )


def check_same_pictures(digests: dict[str, str]) -> None:
    """Raises ValueError, on all processes, when one found other lists of pictures."""
    first, *others = gather(digests)
    for number, other in enumerate(others, 1):
        if other != first:
            raise ValueError(
                f"process {number} found other pictures than process 0; give both the same "
                "config.data.source, or copies of it"
            )


def check_same_device_count(owner_by_device: list[int]) -> None:
    """owner_by_device: the process of every device of the run, which all of them know.

    Raises:
      ValueError: some process has more devices than another.
    """
    count_by_process = Counter(owner_by_device)
    if len(set(count_by_process.values())) > 1:
        counts = ", ".join(f"process {i} {n}" for i, n in sorted(count_by_process.items()))
        raise ValueError(
            f"the processes have different numbers of devices ({counts}); show each as many, with "
            "CUDA_VISIBLE_DEVICES"
        )
