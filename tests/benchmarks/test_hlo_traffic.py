"""Bytes of a compiled program, counted by hand from its text."""

import jax
import jax.numpy as jnp
import pytest

from benchmarks.hlo_traffic import bytes_moved, size_of

PROGRAM = """\
HloModule jit_f, is_scheduled=true, entry_computation_layout={(f32[4,8]{1,0})->f32[4,8]{1,0}}

%inside (p0: f32[4,8]) -> f32[4,8] {
  %p0 = f32[4,8]{1,0} parameter(0)
  ROOT %n = f32[4,8]{1,0} negate(%p0)
}

%body (t: (s32[], f32[4,8])) -> (s32[], f32[4,8]) {
  %t = (s32[], f32[4,8]{1,0}) parameter(0)
  %x = f32[4,8]{1,0} get-tuple-element(%t), index=1
  %y = f32[4,8]{1,0} fusion(%x), kind=kLoop, calls=%inside
  %i = s32[] get-tuple-element(%t), index=0
  ROOT %u = (s32[], f32[4,8]{1,0}) tuple(%i, %y)
}

%graph (a: f32[4,8]) -> f32[4,8] {
  %a = f32[4,8]{1,0} parameter(0)
  ROOT %f = f32[4,8]{1,0} fusion(%a), kind=kLoop, calls=%inside
}

ENTRY %main (x.1: f32[4,8], w: bf16[3,5], q: pred[]) -> f32[4,8] {
  %x.1 = f32[4,8]{1,0} parameter(0)
  %w = bf16[3,5]{1,0} parameter(1)
  %q = pred[] parameter(2)
  %conv = (f32[4,8]{1,0}, u8[64]{0}) custom-call(%x.1, %w), custom_call_target="__cudnn$conv(a)"
  %out = f32[4,8]{1,0} get-tuple-element(%conv), index=0
  %called = f32[4,8]{1,0} call(%out), to_apply=%graph
  %zero = s32[] constant(0)
  %begin = (s32[], f32[4,8]{1,0}) tuple(%zero, %called)
  %turns = (s32[], f32[4,8]{1,0}) while(%begin), condition=%c, body=%body, \
backend_config={"known_trip_count":{"n":"3"}}
  ROOT %end = f32[4,8]{1,0} get-tuple-element(%turns), index=1
}
"""


def test_kernels_read_their_operands_and_write_their_results():
    array = 4 * 8 * 4
    convolution = array + 64 + array + 2 * 15  # result and workspace; picture and weights
    assert bytes_moved(PROGRAM) == convolution + 2 * array + 3 * 2 * array


def test_a_loop_of_unknown_length_is_no_guess():
    with pytest.raises(ValueError, match="unknown number of turns"):
        bytes_moved(PROGRAM.replace('"known_trip_count"', '"other"'))


def test_a_conditional_costs_its_dearer_branch():
    program = PROGRAM.replace(
        "call(%out), to_apply=%graph",
        "conditional(%q, %out, %out), true_computation=%graph, false_computation=%inside",
    )
    assert bytes_moved(program) == bytes_moved(PROGRAM)


@pytest.mark.parametrize(
    ("kind", "size"),
    [("f32[4,8]{1,0}", 128), ("pred[]", 1), ("(bf16[3]{0}, s4[3]{0})", 8), ("f8e4m3fn[5]{0}", 5)],
)
def test_sizes_of_types(kind, size):
    assert size_of(kind) == size


def test_a_program_that_xla_compiled_here():
    """Negation of a megabyte: read and written once."""
    text = jax.jit(lambda x: -x).lower(jnp.zeros((512, 512))).compile().as_text()
    assert bytes_moved(text) == 2 * 2**20
