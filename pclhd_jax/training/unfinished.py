"""The epoch under way, saved so that it goes on at the step it had reached."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from jax import ShapeDtypeStruct
from jax.sharding import Mesh

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.method.prototypes import PrototypeBank
from pclhd_jax.method.state import TrainState
from pclhd_jax.method.step_data import Banks
from pclhd_jax.processes.exchange import from_first, is_alone
from pclhd_jax.processes.mesh import replicate
from pclhd_jax.processes.progress import say
from pclhd_jax.processes.signals import Interrupted
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.integrity import DamagedCheckpoint
from pclhd_jax.saving.newest import restore_newest
from pclhd_jax.saving.record_shapes import UNDER_WAY
from pclhd_jax.settings.schedule import When, epochs_before, title
from pclhd_jax.training.experiment import sampling_of
from pclhd_jax.training.services import Services
from pclhd_jax.training.step_loop import EpochSoFar, finite_history

# Ids rise through the run: (epochs done, steps done in the epoch under way).
STEPS_PER_EPOCH = 1_000_000


class Unfinished:
    """The newest save of an epoch under way, in the workdir's `unfinished`.

    A killed run loses the steps since the newest that was written: config.checkpoint_every_steps,
    at worst twice as many. With 0 there is no save within an epoch.
    """

    def __init__(self, config: Any, services: Services):
        self.checkpoints = Checkpoints(services.workdir, keep=1, folder="unfinished")
        self.config = config
        self.services = services
        self.is_known = False  # whether what an earlier start left was looked at
        self.newest: int | None = None  # id of what was saved or gone on from

    def after_step(self, so_far: EpochSoFar) -> None:
        """Saves now and then, and where the run was asked to stop.

        After the epoch's last step there is no save of its own: the epoch's follows.
        """
        writer, every_steps = self.services.writer, self.config.checkpoint_every_steps
        if writer is not None and is_alone():  # several hear of it together, at the next save
            writer.check()
        with self.saved_if_interrupted(so_far):
            self.services.pause()
        done = len(so_far.history)
        steps = sampling_of(self.config, so_far.when.stage).batches_per_epoch
        if every_steps and done % every_steps == 0 and done < steps:
            self.save(so_far)

    @contextmanager
    def saved_if_interrupted(self, so_far: EpochSoFar) -> Iterator[None]:
        try:
            yield
        except Interrupted:
            self.save(so_far)
            raise

    def save(self, so_far: EpochSoFar) -> None:
        """Raises:
        FloatingPointError: the last step's metrics are not finite: not worth keeping.
        As `Checkpoints.save`.
        """
        history = finite_history(so_far.history, title(self.config, so_far.when))
        epochs_done = epochs_before(self.config, so_far.when)
        id = epochs_done * STEPS_PER_EPOCH + len(history)
        if self.newest == id:  # saved, or went on from here, and did no step since
            return
        self.services.watch.lap("steps")
        arrays = {name: x for name, x in so_far.labels._asdict().items() if x is not None}
        banks = {name: bank_arrays(bank) for name, bank in so_far.banks._asdict().items() if bank}
        tree = {"state": so_far.state, "banks": banks, "labels": arrays}
        progress = {
            "epochs_done": epochs_done,
            "report": so_far.report,
            "hard_pictures": so_far.hard_pictures,
            # Python's floats hold a float32 exactly, and so does their text.
            "history": [{name: float(x) for name, x in step.items()} for step in history],
            "shapes": {"banks": shapes_of(banks), "labels": shapes_of({"": arrays})[""]},
        }
        self.checkpoints.save(id, tree, progress, self.services.writer)
        self.newest = id
        self.services.watch.lap("saves")

    def restore(self, when: When, like: TrainState, mesh: Mesh) -> EpochSoFar | None:
        """What an earlier start saved of this epoch, or None.

        A damaged save is moved aside with a warning: the epoch then starts anew, which costs its
        steps and changes nothing.
        """
        if self.is_known:  # what lies there is this start's own, of an epoch that it finished
            return None
        self.is_known = True
        if from_first(self.checkpoints.latest) is None:
            return None
        try:
            restored = restore_newest(
                self.checkpoints,
                partial(tree_of, like),
                mesh,
                set_aside=True,
            )
        except DamagedCheckpoint as error:
            from_first(self._set_aside)
            say(f"warning: {'; '.join(error.lines)}; the epoch starts anew")
            return None
        tree, progress = restored.state, restored.progress
        if progress["epochs_done"] != epochs_before(self.config, when):  # finished after this save
            self.clear()
            return None
        self.newest = restored.id
        history = tuple({k: np.float32(x) for k, x in m.items()} for m in progress["history"])
        banks = Banks(**{name: bank_from(arrays, mesh) for name, arrays in tree["banks"].items()})
        labels = EpochLabels(**tree["labels"])
        report, hard = progress["report"], progress["hard_pictures"]
        return EpochSoFar(when, tree["state"], banks, labels, report, hard, history)

    def _set_aside(self) -> None:
        for id in self.checkpoints.ids():
            self.checkpoints.set_aside(id)

    def clear(self) -> None:
        """Nothing that was saved here is wanted any more."""
        from_first(self.remove)

    def remove(self) -> None:
        """`clear`, by process 0 alone."""
        self.checkpoints.remove_all()
        # Earlier versions gave the folder this name before they removed it.
        Checkpoints(self.checkpoints.workdir, folder="unfinished-old").remove_all()


def bank_arrays(bank: PrototypeBank) -> dict[str, Any]:
    """By name; Orbax takes no array without elements, such as the dynamic prototypes of stage 1."""
    fields = {name: getattr(bank, name) for name in bank.__dataclass_fields__}
    return {name: x for name, x in fields.items() if x.size}


def bank_from(arrays: dict[str, Any], mesh: Mesh) -> PrototypeBank:
    """Every array placed as a step leaves it: another placement would be compiled anew."""
    K, D = arrays["centroid_KD"].shape
    none_KSD = replicate(mesh, np.zeros((K, 0, D), arrays["centroid_KD"].dtype))
    return PrototypeBank(**({"dynamic_KSD": none_KSD} | arrays))


def shapes_of(arrays: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        outer: {name: [list(x.shape), str(x.dtype)] for name, x in inner.items()}
        for outer, inner in arrays.items()
    }


def tree_of(state: TrainState, progress: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError for a progress that `save` did not write."""
    UNDER_WAY(progress, "progress")
    shapes = progress["shapes"]
    fields = set(PrototypeBank.__dataclass_fields__)
    fit = [fields - {"dynamic_KSD"} <= set(bank) <= fields for bank in shapes["banks"].values()]
    fit.append(set(shapes["banks"]) <= set(Banks._fields))
    fit.append({"visible_N", "infrared_N"} <= set(shapes["labels"]) <= set(EpochLabels._fields))
    if not all(fit):
        raise ValueError("progress.shapes names arrays that this program does not save")
    return tree_like(state, shapes)


def tree_like(state: TrainState, shapes: dict[str, Any]) -> dict[str, Any]:
    """What to restore into: labels stay on the host, everything else goes to the devices."""
    return {
        "state": state,
        "banks": {
            bank: {name: ShapeDtypeStruct(shape, dtype) for name, (shape, dtype) in arrays.items()}
            for bank, arrays in shapes["banks"].items()
        },
        "labels": {name: np.empty(*sd) for name, sd in shapes["labels"].items()},
    }
