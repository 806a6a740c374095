"""Test pictures of two data sets as empty files, and made-up features for a protocol."""

import numpy as np


def fill(root, folder, count):
    (root / folder).mkdir(parents=True)
    for number in range(count):
        (root / folder / f"{number:04d}.jpg").touch()


def sysu_tree(root):
    """Seven people; not every camera saw everyone."""
    for identity in range(1, 8):
        for camera in (1, 2, 3, 4, 5, 6):
            if (identity + camera) % 4:  # Cameras that never saw this person
                fill(root, f"cam{camera}/{identity:04d}", 3 + (identity * camera) % 10)
    (root / "exp").mkdir()
    (root / "exp/test_id.txt").write_text("5,1,2,7,3,6,4")
    return root


def regdb_tree(root):
    """Four people, trial 3 alone."""
    for modality in ("Visible", "Thermal"):
        lines = []
        for identity in range(4):
            fill(root, f"{modality}/{identity}", 5)
            lines += [f"{modality}/{identity}/{n:04d}.jpg {identity}\n" for n in range(5)]
        (root / "idx").mkdir(exist_ok=True)
        (root / f"idx/test_{modality.lower()}_3.txt").write_text("".join(lines))
    return root


def unit(seed, count, width=16):
    features = np.random.default_rng(seed).normal(size=(count, width))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def features_of(protocol):
    return unit(0, len(protocol.query.paths)), unit(1, len(protocol.gallery.paths))
