"""The scores of an encoder, by every protocol of the set."""

from typing import Any

from pclhd_jax.data.protocol import Protocol
from pclhd_jax.evaluation.protocol_score import score
from pclhd_jax.processes.exchange import from_first
from pclhd_jax.training.experiment import Run
from pclhd_jax.training.features import Features, extract


def evaluate(run: Run, variables: Any) -> dict[str, dict[str, Any]]:
    """Scores of an encoder by protocol name, as plain numbers; none without a protocol."""
    z = test_features(run, variables)
    return {} if z is None else scores(run, z)


def test_features(run: Run, variables: Any) -> Features | None:
    """Unit features of the test pictures; None without a protocol."""
    if not run.pictures.protocols:
        return None
    return extract(run, run.feature_steps, variables, run.pictures.test_NHWC, "test")


def scores(run: Run, z: Features) -> dict[str, dict[str, Any]]:
    with run.waiting.on("evaluation"):
        return from_first(score_all, run.pictures.protocols, z)


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
