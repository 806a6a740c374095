"""Every setting of every experiment takes what is documented, and is refused by name otherwise."""

import json
import math
import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest

from configs import common, folders, llcm, regdb, synthetic, synthetic_large, sysu
from pclhd_jax.settings.sections import settings_of
from pclhd_jax.training.train import train_and_evaluate

EXPERIMENTS = {
    "folders": folders,
    "llcm": llcm,
    "regdb": regdb,
    "synthetic": synthetic,
    "synthetic_large": synthetic_large,
    "sysu": sysu,
}
MANY = 1_000_000
ANY_WORD, A_WORD = "any word", "a word that is not empty"

# What each setting takes: (least, most), the words, or what a text may be. Written here anew.
TAKES = {
    "recipe": A_WORD,
    "seed": (0, 2**32 - 1),
    "trial": (1, 10),
    "data.synthetic.difficulty": {"easy", "medium", "hard"},
    "data.layout": {"sysu", "regdb", "llcm", "folders"},
    "data.source": A_WORD,
    "data.prepared": ANY_WORD,
    "data.cache": ANY_WORD,
    "data.camera_pattern": ANY_WORD,
    "data.height": (16, 4096),
    "data.width": (16, 4096),
    "data.synthetic.train_ids": (1, MANY),
    "data.synthetic.val_ids": (1, MANY),
    "data.synthetic.test_ids": (1, MANY),
    "data.synthetic.shots": (1, MANY),
    "data.synthetic.height": (32, 4096),
    "data.synthetic.width": (16, 4096),
    "data.synthetic.seed": (0, 2**32 - 1),
    "model.depth": (1, MANY),
    "model.width": (1 / 64, 8.0),
    "model.dtype": {"float32", "bfloat16", "float16"},
    "bn_groups": (1, 16),
    "init.imagenet": ANY_WORD,
    "init.agw": ANY_WORD,
    **{
        f"stage{n}.{name}": limits
        for n in (1, 2)
        for name, limits in {
            "epochs": (0, MANY),
            "batches_per_epoch": (1, MANY - 1),
            "clusters_per_batch": (1, 65_536),
            "visible_shots": (1, 65_536),
            "infrared_shots": (1, 65_536),
        }.items()
    },
    "optimizer.learning_rate": (1e-300, 1e300),
    "optimizer.weight_decay": (0.0, 1e300),
    "optimizer.decay_every_epochs": (1, MANY),
    "optimizer.decay_factor": (1e-300, 1.0),
    "cluster.eps": (1e-6, 1 - 1e-6),
    "cluster.min_samples": (1, MANY),
    "cluster.k1": (1, MANY),
    "cluster.k2": (1, MANY),
    "cluster.joint_k1": (1, MANY),
    "cluster.joint_k2": (1, MANY),
    "cluster.joint_keeps": {"mixed", "all"},
    "sampler.joint_clusters": {"same", "independent"},
    "prototypes.momentum": (0.0, 1.0),
    "prototypes.num_dynamic": (1, 4096),
    "prototypes.num_farthest": (0, MANY),
    "encoder_decay": (0.0, 1.0),
    "loss.temperature": (1e-300, 1e300),
    "loss.hybrid_margin": (0.0, 1e300),
    "loss.own_margin": (0.0, 1e300),
    "loss.hybrid_hard": (0.0, 1.0),
    "loss.cross_weight": (0.0, 1e300),
    "loss.dynamic_choice": {"extremes", "random"},
    "loss.dynamic_query": {"online", "momentum"},
    "loss.bank_order": {"together", "in_turn"},
    "loss.ramp_epochs": (0, MANY),
    "loss.ramp_shape": {"linear", "cosine"},
    "loss.balance": (0.0, 1.0),
    "augment_pad": (0, 4096),
    "evaluation.every_epochs": (1, MANY),
    "evaluation.trials": (1, 10_000),
    "feature_batch_size": (1, 65_536),
    "keep_checkpoints": (1, MANY),
    "checkpoint_every_steps": (0, MANY),
    "keep_features": (0, MANY),
}
# Settings of several values, with wrong ones.
SEVERAL = {
    "loss.stage1_weights": [
        (),
        (1.0, 0.0),
        (1.0, 0.0, 0.0, 0.0),
        (1.0, -0.1, 0.0),
        (1.0, math.nan, 0.0),
    ],
    "loss.stage2_weights": [(), (1.0, 0.0), (0.0, 0.5, math.inf), ("a", 0.5, 0.5)],
    "evaluation.sysu_modes": [(), ("outdoor",), ("all", "outdoor")],
    "evaluation.sysu_shots": [(), (0,), (1, -1), (1.5,), (True,)],
}
OTHER_TYPES = {
    bool: [2, "yes"],
    int: [1.5, "many", True],
    float: [math.nan, math.inf, "many", True],
    str: [3, True],
    tuple: [1, "many"],
}
FLAGS = {
    "data.allow_partial",
    "data.use_cameras",
    "loss.joint",
    "model.remat",
    "report_gradients",
    "cluster.count_self",
    "cluster.unit_features",
    "sampler.exact_pool_repeats",
}


def leaves(settings, path=""):
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{name}.")
        elif value is not None:
            yield f"{path}{name}", value


def changed(config, path, value):
    config = json.loads(json.dumps(config))
    *sections, name = path.split(".")
    section = config
    for key in sections:
        section = section[key]
    section[name] = value
    return config


def cases():
    for name, module in EXPERIMENTS.items():
        for recipe in common.RECIPES:
            for path, _ in leaves(module.get_config(recipe).to_dict()):
                yield pytest.param(name, recipe, path, id=f"{name}-{recipe}-{path}")


def wrong_and_right(path, value):
    """(values to refuse, values to take)"""
    if path in SEVERAL:
        return [*SEVERAL[path], 1, None], [value]
    if path in FLAGS:
        return [2, "yes", None], [True, False]
    if path not in TAKES:  # newer than this list: values of other types, and none that is a number
        return [*OTHER_TYPES[type(value)], None], [value]
    takes = TAKES[path]
    if isinstance(takes, set):
        return ["no such word", "", 3, None], sorted(takes)
    if isinstance(takes, str):
        return [3, None, *[""] * (takes == A_WORD)], ["word", *[""] * (takes == ANY_WORD)]
    least, most = takes
    if isinstance(value, int):
        return [least - 1, -1 - least, most + 1, 10**12, 1.5, "many", True, None], [least, most]
    beyond = [-1.0, 1e301, math.nan, math.inf, -math.inf, "many", True, None]
    outside = [least - 1e-3, *[most * 2] * (most < 1e299)]
    return [*outside, *(x for x in beyond if x != 1e301 or most < 1e299)], [least, most]


@pytest.mark.parametrize(("name", "recipe", "path"), list(cases()))
def test_a_setting_takes_its_range_and_refuses_the_rest_by_name(name, recipe, path):
    config = EXPERIMENTS[name].get_config(recipe).to_dict()
    value = dict(leaves(config))[path]
    wrong, right = wrong_and_right(path, value)
    for bad in wrong:
        with pytest.raises(ValueError, match=rf"config\.{path} is ") as error:
            settings_of(changed(config, path, bad))
        message = str(error.value)
        assert repr(bad) in message or (isinstance(bad, tuple) and str(list(bad))[1:-1] in message)
        assert "give " in message or "must " in message  # the limit, and so the remedy
    for good in right:
        if path in ("stage1.clusters_per_batch", "stage1.visible_shots", "stage1.infrared_shots"):
            good = min(good, 64)
        if path in ("cluster.k1", "cluster.joint_k1"):
            good = max(good, 2)  # `released` counts the picture itself
        if path in ("stage2.clusters_per_batch", "stage2.visible_shots", "stage2.infrared_shots"):
            good = min(good, 64)
        settings_of(changed(config, path, good))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_settings_are_the_config_frozen(name):
    config = EXPERIMENTS[name].get_config()
    settings = settings_of(config)
    assert settings.to_dict() == config.to_dict()
    assert settings_of(json.loads(json.dumps(settings.to_dict()))) == settings
    with pytest.raises(FrozenInstanceError):
        settings.cluster.eps = 0.1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.width": 0.3}, r"config\.model\.width is 0\.3; give a multiple of 1/64"),
        (
            {"stage1.epochs": 0, "stage2.epochs": 0},
            r"no epoch to run; raise config\.stage1\.epochs",
        ),
        (
            {"stage1.clusters_per_batch": 60_000},
            r"config\.stage1\.visible_shots is 16, for .*clusters_per_batch 60000: 960,000",
        ),
        (
            {"stage2.clusters_per_batch": 60_000},
            r"config\.stage2\.visible_shots is 16, for .*clusters_per_batch 60000: 960,000",
        ),
        ({"model.width": 8 + 1 / 64}, r"config\.model\.width is 8\.015625; .* at most 8"),
        (
            {"cluster.count_self": True, "cluster.k1": 1},
            r"config\.cluster\.k1 is 1, and count_self",
        ),
        ({"init.agw": "a", "init.imagenet": "b"}, r"imagenet \(b\) and config\.init\.agw \(a\)"),
        ({"bn_groups": 3}, r"bn_groups is 3, and config\.stage1\.visible_shots .* 128 pictures"),
        ({"report_gradients": True, "model.dtype": "float16"}, r"float16.*; take bfloat16"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, words):
    config = sysu.get_config().to_dict()
    for path, value in changes.items():
        config = changed(config, path, value)
    with pytest.raises(ValueError, match=words):
        settings_of(config)


def test_the_largest_batch_and_the_widest_encoder_are_taken():
    config = sysu.get_config().to_dict()
    for path, value in {"stage1.clusters_per_batch": 4096, "model.width": 8.0}.items():
        config = changed(config, path, value)
    settings = settings_of(config)
    assert settings.stage1.clusters_per_batch * settings.stage1.visible_shots == 65_536


def test_a_missing_and_an_unknown_name_are_refused_with_those_there_are():
    config = sysu.get_config().to_dict()
    del config["cluster"]["joint_keeps"]
    with pytest.raises(ValueError, match=r"config\.cluster has no joint_keeps; it takes eps, "):
        settings_of(config)
    config = changed(sysu.get_config().to_dict(), "loss.lambda", 1.0)
    with pytest.raises(ValueError, match=r"config\.loss has an unknown lambda; it takes temp"):
        settings_of(config)


WRONG_FLAGS = (
    "evaluation.every_epochs=0",
    "optimizer.decay_every_epochs=0",
    "loss.ramp_epochs=-1",
    "prototypes.num_dynamic=0",
    "stage1.clusters_per_batch=0",
    "feature_batch_size=0",
    "model.width=0.3",
    "model.depth=19",
    "data.layout=tokyo",
)


@pytest.mark.parametrize("flag", WRONG_FLAGS)
def test_a_wrong_setting_ends_the_run_before_a_picture_is_read_or_a_workdir_made(flag, tmp_path):
    path, value = flag.split("=")
    config = changed(synthetic.get_config().to_dict(), "data.source", str(tmp_path / "pictures"))
    kind = type(dict(leaves(config))[path])
    with pytest.raises(ValueError):
        train_and_evaluate(changed(config, path, kind(value)), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_it_in_one_line_and_exits_with_one(tmp_path):
    command = [sys.executable, "-m", "pclhd_jax.main", "--config=configs/synthetic.py"]
    result = subprocess.run(
        [*command, "--config.loss.ramp_epochs=-1", f"--workdir={tmp_path / 'run'}"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "config.loss.ramp_epochs is -1; give at least 0" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_a_cards_memory_behind_the_recipe_changes_types_and_batches_alone(name):
    plain = EXPERIMENTS[name].get_config("released").to_dict()
    small = EXPERIMENTS[name].get_config("released,16gb").to_dict()
    settings = settings_of(small)
    assert (settings.recipe, settings.model.dtype, settings.model.remat) == (
        *("released", "float16"),
        True,
    )
    assert settings.feature_batch_size <= 128
    for config in (plain, small):
        del config["model"]["dtype"], config["model"]["remat"], config["feature_batch_size"]
    assert plain == small


def test_an_unknown_card_names_those_there_are():
    with pytest.raises(ValueError, match=r"no card of '12gb'.*16gb, 24gb, 80gb"):
        sysu.get_config("paper,12gb")
    with pytest.raises(ValueError, match="no card of ''"):
        sysu.get_config("paper,")


def test_a_path_of_pathlib_is_a_path(tmp_path):
    settings = sysu.get_config().to_dict()
    settings["data"]["source"] = tmp_path
    assert settings_of(settings).data.source == str(tmp_path)
    settings["recipe"] = tmp_path
    with pytest.raises(ValueError, match=r"config.recipe is .*; give a word"):
        settings_of(settings)


def test_one_word_where_several_belong_is_told_with_the_brackets():
    settings = sysu.get_config().to_dict() | {"writers": "wandb"}
    with pytest.raises(ValueError, match="is 'wandb'; give values in brackets, such as"):
        settings_of(settings)
