"""The scores of an encoder, by every protocol of the set."""

from collections.abc import Callable
from typing import Any

from pclhd_jax.data.protocol import Protocol
from pclhd_jax.evaluation.protocol_score import score
from pclhd_jax.processes.exchange import from_first
from pclhd_jax.training.experiment import Run
from pclhd_jax.training.features import Features, extract
from pclhd_jax.training.services import go_on


def test_features(run: Run, variables: Any, pause: Callable[[], None] = go_on) -> Features | None:
    """Unit features of the test pictures; None without a protocol."""
    if not run.pictures.protocols:
        return None
    return extract(run, run.feature_steps, variables, run.pictures.test_NHWC, "test", pause)


def scores(protocols: list[Protocol], z: Features | None) -> dict[str, dict[str, Any]]:
    """By protocol name, as plain numbers; none without a protocol."""
    return {} if z is None else from_first(score_all, protocols, z)


def score_all(protocols: list[Protocol], z: Features) -> dict[str, dict[str, Any]]:
    by_modality = {"visible": z.visible_ND, "infrared": z.infrared_ND}
    scores = {}
    for protocol in protocols:
        gallery_modality = "visible" if protocol.query_modality == "infrared" else "infrared"
        result = score(
            protocol, by_modality[protocol.query_modality], by_modality[gallery_modality]
        )
        scores[protocol.name] = result._asdict() | {"cmc": result.cmc.tolist()}
    return scores
