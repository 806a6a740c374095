"""Where the synthetic pictures lie, in each of the four layouts, and the list files beside them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

SYSU_CAMERAS = {1: False, 2: False, 3: True, 4: False, 5: False, 6: True}  # camera: infrared?
REGDB_TRIALS = range(1, 11)
LLCM_CAMERAS = {"vis": (1, 2, 3, 4, 5, 6, 7, 8, 9), "nir": (1, 2, 4, 5, 6, 7, 8, 9)}
LLCM_CAMERAS_EACH = 3  # of each modality that see a person: not every camera sees everyone
_REGDB_SPLITS, _LLCM_CAMERAS, _SHOTS = (
    2001,
    2002,
    9903,
)  # keep their draws apart from those of the pictures


class PictureFile(NamedTuple):
    """Where one picture lies, and what it shows."""

    path: str  # relative to the set's folder
    identity: int
    camera: int  # as drawn: no two of a set share a number
    shot: int
    infrared: bool


class Plan(NamedTuple):
    """A whole set before a picture is drawn."""

    people: list[list[PictureFile]]  # by identity
    texts: dict[str, str]  # content of the list files by relative path


class Size(NamedTuple):
    train_ids: int
    val_ids: int
    test_ids: int
    shots: int  # pictures per identity and camera
    uneven: float = 0.0  # spread of their logarithm; RegDB's are `shots` each, whatever it is

    def shots_of(self, seed: int, identity: int, camera: int) -> int:
        """Pictures of an identity by a camera: as many on the mean, 1 to three times as many."""
        rng = np.random.default_rng([seed, identity, camera, 0, _SHOTS])
        factor = np.exp(self.uneven * rng.standard_normal() - self.uneven**2 / 2)
        return int(np.clip(round(self.shots * factor), 1, 3 * self.shots))

    def splits(self) -> dict[str, list[int]]:
        """Identities 1, 2, ... of each split, train first."""
        ends = np.cumsum([0, self.train_ids, self.val_ids, self.test_ids]).tolist()
        names = ("train", "val", "test")
        return {name: list(range(ends[i] + 1, ends[i + 1] + 1)) for i, name in enumerate(names)}


def sysu_plan(size: Size, seed: int) -> Plan:
    """`cam{1..6}/{id:04d}/{n:04d}.jpg`, n from 1; exp/{train,val,test}_id.txt."""
    splits = size.splits()
    people = [
        _by_camera(identity, size, seed, "cam{camera}/{identity:04d}/{n:04d}.jpg")
        for ids in splits.values()
        for identity in ids
    ]
    return Plan(people, {f"exp/{name}_id.txt": _comma_line(ids) for name, ids in splits.items()})


def regdb_plan(size: Size, seed: int) -> Plan:
    """`Visible/{id}/*.bmp`, `Thermal/{id}/*.bmp`; ten random splits, labels from 0 in each file.

    Training identities are as many as train and val together.
    """
    total = size.train_ids + size.val_ids + size.test_ids
    folders = {"visible": "Visible", "thermal": "Thermal"}

    def files(identity: int, modality: str) -> list[PictureFile]:
        infrared = modality == "thermal"
        return [
            PictureFile(
                f"{folders[modality]}/{identity}/{modality[0]}_{identity:04d}_{n:02d}.bmp",
                identity,
                2 if infrared else 1,
                n,
                infrared,
            )
            for n in range(1, size.shots + 1)
        ]

    people = [files(i, "visible") + files(i, "thermal") for i in range(1, total + 1)]
    texts = {}
    for trial in REGDB_TRIALS:
        order = np.random.default_rng([seed, _REGDB_SPLITS, trial]).permutation(total) + 1
        train = sorted(order[: total - size.test_ids].tolist())
        test = sorted(order[total - size.test_ids :].tolist())
        for split, ids in (("train", train), ("test", test)):
            for modality in folders:
                rows = [(file.path, ids.index(i)) for i in ids for file in files(i, modality)]
                texts[f"idx/{split}_{modality}_{trial}.txt"] = _label_lines(rows)
    return Plan(people, texts)


def llcm_plan(size: Size, seed: int) -> Plan:
    """Training: `{vis,nir}/{id:04d}/*`; test: `test_{vis,nir}/cam{n}/{id:04d}/*`; lists in idx/.

    Each person is seen by LLCM_CAMERAS_EACH cameras of each modality, drawn by the seed.
    """
    splits = size.splits()
    people, rows = [], {}
    for split in ("train", "test"):
        ids = splits["train"] + splits["val"] if split == "train" else splits["test"]
        for label, identity in enumerate(ids):
            rng = np.random.default_rng([seed, _LLCM_CAMERAS, identity])
            people.append([])
            for modality, cameras in LLCM_CAMERAS.items():
                seeing = sorted(rng.choice(cameras, LLCM_CAMERAS_EACH, replace=False).tolist())
                files = [
                    _llcm_file(split, modality, identity, camera, n)
                    for camera in seeing
                    for n in range(1, size.shots_of(seed, identity, camera) + 1)
                ]
                people[-1] += files
                rows.setdefault((split, modality), []).extend((file.path, label) for file in files)
    texts = {f"idx/{split}_{m}.txt": _label_lines(listed) for (split, m), listed in rows.items()}
    return Plan(people, texts | {"idx/test_id.txt": _comma_line(splits["test"])})


def _llcm_file(split: str, modality: str, identity: int, camera: int, n: int) -> PictureFile:
    name = f"{identity:04d}_c{camera:02d}_s{100_000 + camera}_f{n:04d}_{modality}.jpg"
    folder = modality if split == "train" else f"test_{modality}/cam{camera}"
    infrared = modality == "nir"
    # One number is two cameras side by side: without the 10 they would draw the same poses.
    drawn = camera + 10 if infrared else camera
    return PictureFile(f"{folder}/{identity:04d}/{name}", identity, drawn, n, infrared)


def folders_plan(size: Size, seed: int) -> Plan:
    """`visible/cam{n}/*`, `infrared/cam{n}/*`; identities.csv names the test people."""
    splits = size.splits()
    pattern = "{modality}/cam{camera}/{identity:04d}-{n:04d}.jpg"
    people = [_by_camera(i, size, seed, pattern) for ids in splits.values() for i in ids]
    tested = [file for files in people for file in files if file.identity in splits["test"]]
    lines = [f"{file.path},{file.identity},{file.camera}" for file in tested]
    return Plan(people, {"identities.csv": "\n".join(["path,identity,camera", *lines]) + "\n"})


PLANS: dict[str, Callable[[Size, int], Plan]] = {
    "sysu": sysu_plan,
    "regdb": regdb_plan,
    "llcm": llcm_plan,
    "folders": folders_plan,
}


def _by_camera(identity: int, size: Size, seed: int, pattern: str) -> list[PictureFile]:
    """All pictures of one identity by SYSU-MM01's six cameras."""
    return [
        PictureFile(
            pattern.format(
                modality="infrared" if infrared else "visible",
                camera=camera,
                identity=identity,
                n=n,
            ),
            identity,
            camera,
            n,
            infrared,
        )
        for camera, infrared in SYSU_CAMERAS.items()
        for n in range(1, size.shots_of(seed, identity, camera) + 1)
    ]


def _comma_line(ids: list[int]) -> str:
    return ",".join(map(str, ids)) + "\n"


def _label_lines(rows: list[tuple[str, int]]) -> str:
    return "".join(f"{path} {label}\n" for path, label in rows)
