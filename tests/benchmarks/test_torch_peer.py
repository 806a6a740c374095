"""The peer does the work of a step: the same pictures give the same terms, banks and encoders."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.programs import programs_of
from benchmarks.step_inputs import start, step_inputs
from pclhd_jax.method import steps
from pclhd_jax.method.losses import LossWeights
from pclhd_jax.method.schedules import EpochInputs
from pclhd_jax.method.state import make_optimizer
from pclhd_jax.settings.sections import settings_of
from pclhd_jax.training.experiment import fixed_of, make_feature_steps, make_model
from tests.helpers.tiny import tiniest_config

torch = pytest.importorskip("torch")

from benchmarks.torch_peer.agw import agw_with  # noqa: E402
from benchmarks.torch_peer.augment import PlainViews, Views  # noqa: E402
from benchmarks.torch_peer.bank import pick  # noqa: E402
from benchmarks.torch_peer.peer import Peer  # noqa: E402
from benchmarks.torch_peer.terms import Batch  # noqa: E402

CLUSTERS = (9, 7, 8)
CPU = torch.device("cpu")
WEIGHTS = LossWeights(0.7, 0.4, 0.6)


def plain_views(key, batch, pad):
    visible_BHWC = steps.normalise(jnp.concatenate([batch.visible_BHWC] * 2))
    return steps.Views(visible_BHWC, steps.normalise(batch.infrared_BHWC))


def settings_and_inputs(stage):
    config = tiniest_config("nowhere")
    config.prototypes.num_dynamic = 1
    for of_stage in (config.stage1, config.stage2):
        of_stage.visible_shots, of_stage.infrared_shots = 1, 2
        of_stage.clusters_per_batch = 7
    settings = settings_of(config)
    program = programs_of(settings, CLUSTERS)[f"stage {stage} step"]
    return settings, step_inputs(settings, stage, program, CLUSTERS)


@pytest.mark.parametrize("stage, crosses", [(1, False), (2, True), (2, False)])
def test_a_step_of_the_peer_is_a_step_of_ours(stage, crosses, monkeypatch):
    settings, inputs = settings_and_inputs(stage)
    monkeypatch.setattr(steps, "augment", plain_views)
    variables = jax.device_get(inputs.state.online)
    peer = Peer(
        settings,
        variables,
        inputs.banks,
        device=CPU,
        learning_rate=settings.optimizer.learning_rate,
        views=PlainViews,
    )
    model = make_model(settings)
    fixed = fixed_of(settings, model, make_optimizer(settings.optimizer.weight_decay))
    step = getattr(steps, f"stage{stage}_step")
    weights = LossWeights(*map(np.float32, WEIGHTS))
    by_epoch = EpochInputs(weights, np.bool_(crosses))
    state, banks, ours = jax.jit(partial(step, fixed=fixed))(
        inputs.state, inputs.banks, inputs.batches, by_epoch, jax.random.key(0)
    )
    theirs = [Batch(batch, CPU) for batch in inputs.batches if batch is not None]
    crossing = () if stage == 1 else (crosses,)
    found = getattr(peer, f"stage{stage}_step")(*theirs, WEIGHTS, *crossing)

    assert set(found) == set(ours)
    for name in ours:
        np.testing.assert_allclose(float(found[name]), ours[name], rtol=1e-3, err_msg=name)
    for bank, moved in zip(banks[: len(peer.banks)], peer.banks, strict=True):
        live_K = np.asarray(bank.live_K)
        for name in ("centroid_KD", "hard_KD"):
            rows = np.asarray(getattr(bank, name))[live_K]
            np.testing.assert_allclose(rows, getattr(moved, name), atol=2e-3, err_msg=name)
    if stage == 2:  # the two views of a cluster's one visible picture are alike here: no choice
        rows = np.asarray(banks.visible.dynamic_KSD)[: CLUSTERS[0]]
        np.testing.assert_allclose(rows, peer.banks[0].dynamic_KSD, atol=1e-4)
    assert_same_encoder(state.online, peer.online, variables)
    assert_same_encoder(state.momentum, peer.momentum, variables)


def assert_same_encoder(ours, theirs, before):
    """As both have moved: Adam's step is a sign, so that a gradient's noise may turn a few."""
    depth_and_width = (4, 0.125)
    moved = agw_with(jax.device_get(ours), *depth_and_width).state_dict()
    old = agw_with(before, *depth_and_width).state_dict()
    for name, value in theirs.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            off = (value - moved[name]).norm()
            assert off <= 0.05 * (moved[name] - old[name]).norm() + 1e-6, name


def test_features_of_the_peer_are_ours():
    settings = settings_of(tiniest_config("nowhere"))
    variables = jax.device_get(start(settings).online)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 16, 3), np.uint8)
    peer = Peer(settings, variables, device=CPU)
    for modality, step in make_feature_steps(make_model(settings), True).items():
        found = peer.features(torch.from_numpy(images), modality)
        np.testing.assert_allclose(found, step(variables, images), atol=1e-5)


def test_views_of_the_peer_keep_a_picture_apart_from_what_they_cut_turn_and_fill():
    torch.manual_seed(0)
    views = Views(pad=0)
    images = torch.randint(0, 256, (64, 32, 16, 3), dtype=torch.uint8)
    plain = views.normalise(images)
    visible, infrared = (x.permute(0, 2, 3, 1) for x in views(images, images))
    assert visible.shape == (128, 32, 16, 3) and infrared.shape == (64, 32, 16, 3)
    is_fill = (visible[:64] == views.fill_C).all(3)
    assert 20 < is_fill.any((1, 2)).sum() < 44  # half of them
    same = (visible[:64] == plain).all(3) | is_fill
    turned = (visible[:64] == plain.flip(2)).all(3) | is_fill
    assert (same.all((1, 2)) | turned.all((1, 2))).all() and 20 < turned.all((1, 2)).sum() < 44
    assert (visible[64:] == visible[64:, :, :, :1]).all()
    has_colours = (infrared != infrared[..., :1]).any(3).any((1, 2))
    assert 2 < has_colours.sum() < 18  # an eighth of them


def test_dynamic_picks_of_the_peer_are_of_the_own_cluster():
    torch.manual_seed(0)
    labels = torch.tensor([2, 0, 2, 2, 1, 0])
    picked = pick(labels, labels[:, None] == labels, 3, 3)
    assert (labels[picked] == labels[:, None]).all()
    assert all(len(set(row.tolist())) == 3 for row in picked[labels == 2])
