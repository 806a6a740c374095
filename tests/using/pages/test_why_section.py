"""Prototypes and gradients by epoch, from records made by hand."""

from pathlib import Path

from pclhd_jax.using.pages.seen_runs import RunRecord
from pclhd_jax.using.pages.why_section import gradient_panel, why_section

PROTOTYPES = {"visible": {"hard_distance": 0.2, "hard_changed": 0.5}}


def record(name, *gradients):
    config = {"stage1": {"epochs": 1}, "stage2": {"epochs": len(gradients) - 1}}
    rows = [
        {"epochs_done": done, "stage": min(done, 2), "prototypes": PROTOTYPES}
        | ({"gradients": given} if given else {})
        for done, given in enumerate(gradients, 1)
    ]
    return RunRecord(Path(name), name, config, rows)


MEASURED = record(
    "measured",
    {"norm": {"centroid": 2.0}, "share": {"centroid": 1.0}, "cosine": {}},
    {"norm": {"centroid": 1.0, "hard": 3.0}, "cosine": {"centroid": {"hard": -0.5}}},
)
UNMEASURED = record("plain", None, None)


def test_lines_are_the_records_numbers_at_their_epochs():
    norms = {line.label: line for line in gradient_panel(MEASURED, "norm", False).lines}
    assert (list(norms["centroid"].x_E), list(norms["centroid"].y_E)) == ([1, 2], [2.0, 1.0])
    assert (list(norms["hard"].x_E), list(norms["hard"].y_E)) == ([2], [3.0])
    (cosine,) = gradient_panel(MEASURED, "cosine", True).lines
    assert cosine.label == "centroid and hard" and list(cosine.y_E) == [-0.5]
    assert gradient_panel(MEASURED, "cosine", True).title.endswith(": measured")


def test_records_of_earlier_versions_give_the_same_lines_and_a_kind_may_have_two_words():
    flat = record(
        "flat",
        {"norm_centroid": 2.0, "share_centroid": 1.0},
        {"norm_centroid": 1.0, "norm_hard": 3.0, "cosine_centroid_hard": -0.5},
    )
    for word in ("norm", "share", "cosine"):
        lines = gradient_panel(flat, word, False).lines
        assert lines == gradient_panel(MEASURED, word, False).lines and lines
    two_words = {"norm_joint": 1.0, "norm_align_joint": 2.0, "cosine_joint_align_joint": 0.25}
    (cosine,) = gradient_panel(record("old", two_words, None), "cosine", False).lines
    assert cosine.label == "joint and align joint" and list(cosine.y_E) == [0.25]


def test_a_run_without_gradients_shows_its_prototypes_and_how_to_record_them():
    section = why_section([UNMEASURED])
    assert "--config.report_gradients=True" in section.body
    assert set(section.files) == {
        "prototypes-hard-distance.png",
        "prototypes-hard-changed.png",
    }


def test_of_two_runs_the_measured_one_has_gradients():
    section = why_section([MEASURED, UNMEASURED])
    assert "plain: gradients are recorded" in section.body
    assert {name for name in section.files if "gradients" in name} == {
        f"measured-gradients-{word}.png" for word in ("norm", "share", "cosine")
    }
    assert "--config.report_gradients" not in why_section([MEASURED]).body
