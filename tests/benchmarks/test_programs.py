"""Every jitted program is one that XLA takes for an NVIDIA GPU, without there being one."""

import jax
import pytest

from benchmarks.programs import programs_of
from pclhd_jax.settings.sections import settings_of
from tests.helpers.tiny import tiniest_config

NAMES = (
    "stage 1 step",
    "stage 2 step",
    "visible features",
    "infrared features",
    "neighbours of a block",
)


@pytest.mark.parametrize("recipe", ["paper", "released"])
def test_the_programs_of_both_recipes_lower_for_cuda(recipe):
    programs = programs_of(settings_of(tiniest_config("nowhere", recipe)))
    assert tuple(programs) == NAMES
    for program in programs.values():
        lowered = program.call.trace(*program.shapes).lower(lowering_platforms=("cuda",))
        assert "stablehlo" in lowered.as_text()


def test_a_step_gives_back_the_state_and_the_banks_that_it_took():
    config = tiniest_config("nowhere")
    programs = programs_of(settings_of(config), clusters=(300, 100, 700))
    for stage in (1, 2):
        call, (state, banks, *rest), pictures, _ = programs[f"stage {stage} step"]
        after, banks_after, _ = jax.eval_shape(call, state, banks, *rest)
        assert kinds((after, banks_after)) == kinds((state, banks))
        assert banks.visible.centroid_KD.shape[0] == 512  # a power of two
        sampling = config[f"stage{stage}"]
        shots = sampling.visible_shots + sampling.infrared_shots
        assert pictures == stage * sampling.clusters_per_batch * shots


def kinds(tree):
    return [(x.shape, x.dtype) for x in jax.tree.leaves(tree)]
