"""Levels of difficulty: each number of theirs does what it says, and medium is what there was."""

from dataclasses import replace

import numpy as np
import pytest

from data_prep.synthetic import describe_set, generate
from data_prep.synthetic_difficulty import LEVELS, MEDIUM, Difficulty, difficulty_of
from data_prep.synthetic_layouts import PLANS, Size
from data_prep.synthetic_people import as_seen_by, person_traits
from data_prep.synthetic_scenes import camera_traits, draw_picture
from tests.helpers.small_sets import TINY


def test_medium_is_the_default_to_the_byte(tmp_path):
    plain = generate(tmp_path / "plain", **TINY)
    medium = generate(tmp_path / "medium", difficulty="medium", **TINY)
    files = sorted(path.relative_to(plain) for path in plain.rglob("*.*"))
    assert files == sorted(path.relative_to(medium) for path in medium.rglob("*.*"))
    for file in files:
        assert (plain / file).read_bytes() == (medium / file).read_bytes()


def test_a_set_says_which_level_it_is():
    assert "difficulty hard." in describe_set(difficulty="hard")
    assert "difficulty 1.0." in describe_set(difficulty="medium") == describe_set()
    assert "difficulty 0.25." in describe_set(difficulty="0.25") == describe_set(difficulty=0.25)


@pytest.mark.parametrize(
    "value, message",
    [
        ("tough", "difficulty 'tough': give easy, medium, hard, or a number of 0 to 3"),
        (3.5, "difficulty 3.5: give 0 to 3"),
        (float("nan"), "difficulty nan: give 0 to 3"),
    ],
)
def test_another_level_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        difficulty_of(value)


def shares(one, other):
    return [one.materials[name] == other.materials[name] for name in ("upper", "lower")]


def test_look_alikes_wear_above_or_below_what_the_one_before_wears():
    everybody = replace(MEDIUM, look_alikes=1.0)
    kinds = set()
    for identity in range(2, 60):
        person, before = (
            person_traits(0, identity, everybody),
            person_traits(0, identity - 1, MEDIUM),
        )
        kinds.add(tuple(shares(person, before)))
        assert person.hair_style == person_traits(0, identity).hair_style  # is their own
    assert kinds == {(True, False), (False, True)}
    assert not any(any(shares(person_traits(0, n), person_traits(0, n - 1))) for n in range(2, 200))
    some = replace(MEDIUM, look_alikes=0.3)
    changed = [person_traits(0, n, some) != person_traits(0, n) for n in range(1, 600)]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.06)


def test_changes_are_of_a_camera_and_leave_body_and_clothes():
    always = replace(MEDIUM, changes=1.0)
    person = person_traits(0, 5)
    seen = {camera: as_seen_by(person, 0, 5, camera, always) for camera in range(1, 7)}
    assert len({(p.bag, p.hat, p.front, p.bag_side) for p in seen.values()}) > 2
    for camera, other in seen.items():
        assert other == as_seen_by(person, 0, 5, camera, always)
        kept = replace(
            other, bag=person.bag, bag_side=person.bag_side, hat=person.hat, front=person.front
        )
        assert kept == person
    assert all(as_seen_by(person, 0, 5, camera, MEDIUM) is person for camera in range(1, 7))


def test_uneven_sets_keep_their_mean_and_everyone_has_a_picture_of_each_camera():
    counts = [Size(1, 1, 1, 10, uneven=0.5).shots_of(0, n, c) for n in range(300) for c in (1, 2)]
    assert min(counts) >= 1 and max(counts) <= 30
    assert np.mean(counts) == pytest.approx(10, abs=0.5)
    assert np.std(np.log(counts)) == pytest.approx(0.5, abs=0.05)
    assert {Size(1, 1, 1, 10).shots_of(0, n, 1) for n in range(50)} == {10}
    for layout in ("sysu", "llcm", "folders"):
        people = PLANS[layout](Size(4, 2, 3, 4, uneven=0.5), 0).people
        assert len({len(files) for files in people}) > 1
    assert {len(files) for files in PLANS["regdb"](Size(4, 2, 3, 10, uneven=0.5), 0).people} == {20}


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_pattern_tones_carry_over_as_often_as_it_says(share):
    level = replace(MEDIUM, same_polarity=share)
    kept = []
    for identity in range(1, 500):
        cloth = person_traits(3, identity, level).materials["upper"]
        luma = [np.dot(rgb, (0.299, 0.587, 0.114)) for rgb in (cloth.rgb, cloth.second_rgb)]
        kept.append((luma[1] > luma[0]) == (cloth.second_infrared > cloth.infrared))
    assert np.mean(kept) == pytest.approx(share, abs=0.07)


def test_camera_shift_and_occluders_scale_what_they_name():
    none, much = (replace(MEDIUM, camera_shift=shift) for shift in (0.0, 2.0))
    casts = [
        [camera_traits(0, camera, False, 64, 32, level).gain_C for camera in range(1, 9)]
        for level in (none, MEDIUM, much)
    ]
    np.testing.assert_array_equal(casts[0], np.ones((8, 3)))
    assert np.std(casts[2]) > 1.5 * np.std(casts[1]) > 0
    arguments = dict(seed=0, identity=4, camera=1, infrared=False, height=64, width=32)

    def pictures(level):
        drawn = (draw_picture(shot=n, difficulty=level, **arguments)[0] for n in range(1, 41))
        return np.stack(list(drawn)).astype(int)

    clear = pictures(replace(MEDIUM, occluders=0.0))

    def hidden(occluders):
        other = pictures(replace(MEDIUM, occluders=occluders))
        return np.sum(np.abs(other - clear).max(axis=(1, 2, 3)) > 60)

    assert hidden(10.0) > 20 > 8 > hidden(1.0)  # a chance of 0.8, and of 0.08, of 40


def test_the_levels_are_in_order():
    easy, medium, hard = LEVELS["easy"], LEVELS["medium"], LEVELS["hard"]
    for name in Difficulty.__dataclass_fields__:
        values = [getattr(level, name) for level in (easy, medium, hard)]
        assert values == sorted(values, reverse=name == "same_polarity")
