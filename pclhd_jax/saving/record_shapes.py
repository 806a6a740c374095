"""What the JSON records of a checkpoint must hold, whoever wrote them."""

from collections.abc import Callable
from pathlib import PurePath, PureWindowsPath
from typing import Any

from pclhd_jax.system.json_shapes import (
    Shape,
    anything,
    list_of,
    maybe,
    real,
    record,
    shown,
    table_of,
    text,
    whole,
)


def sequence(*shapes: Shape) -> Shape:
    """A list with an entry of each shape, in this order."""

    def check(value: Any, where: str) -> None:
        list_of(anything, least=len(shapes), most=len(shapes))(value, where)
        for place, (shape, entry) in enumerate(zip(shapes, value, strict=True)):
            shape(entry, f"{where}[{place}]")

    return check


DIGEST = text(pattern="[0-9a-f]{32}")
NUMBERS = text(pattern="bool|u?int(8|16|32|64)|float(16|32|64)|bfloat16")
LENGTHS = list_of(whole(0, 2**40), most=8)
HARD_PICTURES = table_of(list_of(whole(-1)), most=2)
# Of a finished epoch.
EPOCH = record(
    {"stage": whole(1, 2), "epoch": whole(0)},
    {"row": maybe(record({"epochs_done": whole(0)})), "hard_pictures": maybe(HARD_PICTURES)},
)
# Of an epoch that is not finished: its steps so far, and the shapes of what was made for it.
ARRAYS = table_of(sequence(LENGTHS, NUMBERS), most=20)
UNDER_WAY = record(
    {
        "epochs_done": whole(0),
        "history": list_of(table_of(real())),
        "report": record({}),
        "hard_pictures": maybe(HARD_PICTURES),
        "shapes": record({"banks": table_of(ARRAYS, most=3), "labels": ARRAYS}),
    }
)


def of_epoch(like: Any) -> Callable[[dict[str, Any]], Any]:
    """`like`, for `Checkpoints.restore`, where the progress is that of a finished epoch."""

    def checked(progress: Any) -> Any:
        EPOCH(progress, "progress")
        return like

    return checked


def files_inside(value: Any, where: str) -> None:
    """[size, digest] by the name of a file below the checkpoint's folder."""
    table_of(sequence(whole(0), DIGEST), most=100_000)(value, where)
    if not value:
        raise ValueError(f"{where} names no file")
    for name in value:
        both = (PurePath(name), PureWindowsPath(name))  # as POSIX and Windows read the name
        outside = any(path.is_absolute() or path.drive or ".." in path.parts for path in both)
        if outside or not name or "\0" in name:
            raise ValueError(f"{where} names {shown(name)}, which is not in the folder")


FILES = record({"files": files_inside})
