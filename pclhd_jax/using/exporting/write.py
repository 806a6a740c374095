"""The encoder of a checkpoint into a file, compared with the model before it has its name."""

import os
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pclhd_jax.models.agw import AGW
from pclhd_jax.processes.progress import Progress
from pclhd_jax.saving.disk import make_folder_of
from pclhd_jax.system.paths import given_path
from pclhd_jax.system.whole_files import whole_path
from pclhd_jax.training.run_pictures import FILTERS
from pclhd_jax.using.encoder import Encoder, load_encoder
from pclhd_jax.using.exporting.extra import check_needed
from pclhd_jax.using.exporting.signature import Signature, encode, made_up_pictures
from pclhd_jax.using.exporting.stablehlo import (
    call_stablehlo,
    readable_until,
    write_stablehlo,
)
from pclhd_jax.weights.agw_torch import agw_from_torch, agw_to_torch
from pclhd_jax.weights.files import read_state_dict, write_state_dict

SUFFIXES = {
    "stablehlo": (".stablehlo",),
    "onnx": (".onnx",),
    "torch": (".safetensors", ".pth", ".pt", ".tar"),
}
# Of a number of a unit feature. XLA's and onnxruntime's sums go in other orders: 4e-7 was seen.
BOUND = 1e-5
BATCHES = (1, 3)


class Exported(NamedTuple):
    """largest_difference: between the file's features (of `torch`: its weights) and the model's.

    signature: None for `torch`, which is weights without a computation.
    """

    path: Path
    encoder: str  # whose it is, for people
    signature: Signature | None
    feature_width: int
    largest_difference: float
    readable: str  # until when, of a format that expires; else ""

    def text(self) -> str:
        """What was written, how it is called, how far it is from the model."""
        lines = [f"wrote {self.path} ({self.path.stat().st_size / 1e6:,.1f} MB): {self.encoder}"]
        if self.signature is not None:
            views = "mean of picture and mirror image" if self.signature.mirror else "single view"
            outputs = {"features": ("float32", ("batch", self.feature_width))}
            for word, tensors in (("in", self.signature.inputs()), ("out", outputs)):
                for name, (kind, shape) in tensors.items():
                    sizes = f"({', '.join(map(str, shape))})"
                    notes = {
                        "images": f"0 to 255, decoded and resized ({FILTERS['test']})",
                        "infrared": "the stem: False visible, True infrared",
                        "features": f"of length one, {views}",
                    }
                    lines.append(f"  {word:3} {name:8} {kind:7} {sizes}: {notes[name]}")
        compared = (
            "every weight, read back; one that differs is not kept"
            if self.signature is None
            else f"made-up pictures, batches of {' and '.join(map(str, BATCHES))}; a file above "
            f"{BOUND:g} is not kept"
        )
        lines.append(
            f"largest difference from the model {self.largest_difference:.1e} ({compared})"
        )
        lines += [self.readable] * bool(self.readable)
        return "\n".join(lines)


def export_encoder(
    checkpoint: str | os.PathLike,
    out: str | os.PathLike,
    *,
    format: str,
    modality: str = "both",
    single_view: bool = False,
    pixels: str = "uint8",
    complete: bool = False,
    height: int | None = None,
    width: int | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write the encoder of `checkpoint` to the file `out`.

    checkpoint, height, width: as of `load_encoder`. format: stablehlo, onnx or torch. modality,
    pixels: see `Signature`; single_view: its `mirror` is False; `torch` has none of them.
    complete: of `torch`, see `agw_to_torch`. overwrite: replace a file that is there.

    Raises:
      ValueError: a format, suffix or word that there is not; a file that would not compute what
        the model does (nothing is left of it); a package that is missing, with the remedy.
      FileExistsError: `out` is there already.
      FileNotFoundError: no such checkpoint. OSError: a folder that cannot be written to.
      DamagedCheckpoint: a ValueError.
    """
    out = Path(given_path(out))
    asked = Signature(0, 0, modality, not single_view, pixels)
    check_words(format, asked, complete)
    check_out(out, format, overwrite)
    encoder = load_encoder(checkpoint, height=height, width=width)
    encoder = encoder._replace(variables=jax.tree.map(np.asarray, encoder.variables))
    signature = asked._replace(height=encoder.height, width=encoder.width)
    with whole_path(out) as beside:
        if format == "torch":
            difference = write_torch(beside, encoder, complete)
        else:
            call, model = write_computation(beside, format, encoder, signature)
            difference = largest_difference(call, encoder.variables, model, signature)
    model = encoder.model
    whose = f"{encoder.origin}, ResNet-{model.depth} of width {model.width:g}"
    shown = None if format == "torch" else signature
    readable = readable_until(date.today()) if format == "stablehlo" else ""
    return Exported(out, whose, shown, model.feature_width, difference, readable)


def check_words(format: str, signature: Signature, complete: bool) -> None:
    """Raises ValueError for what there is not, and for what the format has no use for."""
    if format not in SUFFIXES:
        raise ValueError(f"no format {format!r}; name one of {', '.join(SUFFIXES)}")
    signature.check()
    if format == "torch" and signature[2:] != Signature(0, 0)[2:]:
        raise ValueError(
            "torch holds weights alone, of both stems; --modality, --single_view and --pixels are "
            "of stablehlo and onnx"
        )
    if complete and format != "torch":
        raise ValueError(f"--complete is of --format torch; leave it out for {format}")


def check_out(out: Path, format: str, overwrite: bool) -> None:
    """All that can be refused of the file before the checkpoint is read."""
    if out.suffix not in SUFFIXES[format]:
        raise ValueError(
            f"{out} ends in {out.suffix!r}; a file of the format {format} ends in "
            f"{' or '.join(SUFFIXES[format])}"
        )
    check_needed(format, out.suffix)
    if out.is_dir() or (os.path.lexists(out) and not overwrite):
        raise FileExistsError(f"{out} is there already; name another --out, or give --overwrite")
    make_folder_of(out)


def write_torch(path: Path, encoder: Encoder, complete: bool) -> float:
    """The authors' names. Returns the largest difference of a weight that is read back: 0."""
    state = agw_to_torch(encoder.variables, complete=complete)
    write_state_dict(path, state, picture_size=(encoder.height, encoder.width))
    back = agw_from_torch(read_state_dict(path))
    differences = jax.tree.map(lambda x, y: float(np.abs(x - y).max()), encoder.variables, back)
    largest = max(jax.tree.leaves(differences))
    if largest != 0:
        raise ValueError(f"{path.name} gives back weights that differ by {largest:g}; not kept")
    return largest


def write_computation(
    path: Path, format: str, encoder: Encoder, signature: Signature
) -> tuple[Callable[..., np.ndarray], AGW]:
    """Returns the file as a function of arrays, and the model that it must equal."""
    variables, model = encoder.variables, encoder.model
    if format == "stablehlo":
        write_stablehlo(path, variables, model, signature)
        return call_stablehlo(path), model
    from pclhd_jax.using.exporting.onnx_agw import call_onnx, write_onnx

    write_onnx(path, variables, model, signature, notes_of(encoder, signature))
    return call_onnx(path, signature), model.clone(dtype=jnp.float32)


def notes_of(encoder: Encoder, signature: Signature) -> dict[str, str]:
    """Whose encoder a file holds, for whoever finds it; no path of this machine."""
    known = {"epochs_done": encoder.epochs_done, "stage": encoder.stage}
    if encoder.settings is not None:
        known["recipe"] = encoder.settings.recipe
    notes = {"digest": encoder.digest} | known | signature._asdict() | {"filter": FILTERS["test"]}
    return {name: str(value) for name, value in notes.items() if value is not None}


def largest_difference(
    call: Callable[..., np.ndarray], variables: Any, model: AGW, signature: Signature
) -> float:
    """Of a number of a feature, over each stem and batches of several sizes.

    Raises ValueError above BOUND, or where one of the two is not finite.
    """
    progress = Progress("comparing with the model", "batches")
    total, largest = len(signature.stems()) * len(BATCHES), 0.0
    images_BHWC = made_up_pictures(signature, max(BATCHES), seed=0)
    # On the CPU, which every machine has: an accelerator's own matrix units round to 10 bits.
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        model_step = jax.jit(partial(encode, model=model, signature=signature))
        for s, stem in enumerate(signature.stems()):
            chosen = [np.asarray(stem == "infrared")] if signature.modality == "both" else []
            wanted_BD = np.asarray(model_step(variables, images_BHWC, *chosen))
            for b, batch in enumerate(BATCHES):
                got_BD = call(images_BHWC[:batch], *chosen)
                difference = np.abs(got_BD - wanted_BD[:batch]).max()
                if not difference <= BOUND:  # nan is not either
                    raise ValueError(
                        f"the file's {stem} features differ from the model's by {difference:.1e}, "
                        f"more than {BOUND:g}; it is not kept. Weights that are not finite, or a "
                        "defect of a package: tell its version where you report it"
                    )
                largest = max(largest, float(difference))
                progress(s * len(BATCHES) + b + 1, total)
    return largest
