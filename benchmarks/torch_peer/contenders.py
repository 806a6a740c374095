"""The peer as a contender: built from our arrays, its first call taken apart from the rest."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch

from benchmarks.contest import Contender
from benchmarks.step_inputs import StepInputs
from benchmarks.torch_peer.peer import Peer
from benchmarks.torch_peer.terms import Batch
from pclhd_jax.method.losses import LossWeights
from pclhd_jax.processes.progress import say
from pclhd_jax.settings.sections import Settings

BY = "PyTorch"


def device_of_peer() -> torch.device:
    """The kind of device that JAX computes on. Raises ValueError where torch has none."""
    if jax.default_backend() == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ValueError(
            f"JAX computes on {jax.devices()[0].device_kind}, but torch {torch.__version__} finds "
            "no CUDA device; install a torch with CUDA, or leave --peer out"
        )
    return torch.device("cuda")


def wants_compiling(word: str) -> bool:
    """word: on, off or auto, which is on where there is a GPU."""
    return word == "on" or (word == "auto" and device_of_peer().type == "cuda")


def step_contender(
    settings: Settings, stage: int, inputs: StepInputs, compiling: bool
) -> Contender:
    """A step of training."""
    device = device_of_peer()
    variables, banks = jax.device_get((inputs.state.online, inputs.banks))
    weights = LossWeights(*map(float, inputs.by_epoch.weights))
    crosses = bool(inputs.by_epoch.infrared_crosses)
    batch, joint = (None if x is None else Batch(x, device) for x in inputs.batches)

    def build(compiled: bool) -> Callable[[], Any]:
        peer = Peer(
            settings,
            variables,
            banks,
            device=device,
            learning_rate=settings.optimizer.learning_rate,
            compiled=compiled,
        )
        if stage == 1:
            return lambda: peer.stage1_step(batch, weights)
        return lambda: peer.stage2_step(batch, joint, weights, crosses)

    return contender(build, compiling)


def feature_contender(
    settings: Settings,
    variables: dict[str, Any],
    images_BHWC: np.ndarray,
    modality: str,
    compiling: bool,
) -> Contender:
    """Features of a batch of plain pictures. variables: NumPy's."""
    device = device_of_peer()
    images = torch.from_numpy(images_BHWC).to(device)

    def build(compiled: bool) -> Callable[[], Any]:
        peer = Peer(settings, variables, device=device, compiled=compiled)
        return lambda: peer.features(images, modality)

    return contender(build, compiling)


def contender(build: Callable[[bool], Callable[[], Any]], compiling: bool) -> Contender:
    """build: a fresh peer's call, compiled or not."""
    on_gpu = device_of_peer().type == "cuda"
    torch.compiler.reset()  # else what was compiled of another's shapes counts against this one
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

    def wait() -> None:
        if on_gpu:
            torch.cuda.synchronize()

    def first_call() -> tuple[Callable[[], Any], float]:
        call, start = build(compiling), time.perf_counter()
        call()
        wait()
        return call, time.perf_counter() - start

    try:
        call, seconds = first_call()
    except Exception as error:  # whatever a compiler may raise: the peer then runs as it is
        if not compiling:
            raise
        words = str(error).strip().splitlines()[:1] or [type(error).__name__]
        say(f"torch.compile: {words[0][:200]}; going on without it")
        compiling = False
        call, seconds = first_call()

    def block(calls: int) -> None:
        for _ in range(calls):
            call()
        wait()

    memory = torch.cuda.max_memory_allocated if on_gpu else lambda: None
    return Contender(f"{BY}, compiled" if compiling else BY, block, seconds, memory)
