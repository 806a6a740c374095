"""Leaves are compared, and their digests made, by name, type, shape and bytes."""

import jax.numpy as jnp
import numpy as np

from pclhd_jax.saving.leaves import digest_of_leaves, other_leaves

X = np.arange(6, dtype=np.int32)
DIFFERENT = (X, X.reshape(2, 3), X.view(np.uint32), X[::-1], np.float32(0), np.int32(0))


def test_a_digest_covers_name_type_shape_and_bytes():
    digests = {digest_of_leaves({"a": x}) for x in DIFFERENT} | {digest_of_leaves({"b": X})}
    assert len(digests) == len(DIFFERENT) + 1
    column_major = np.asfortranarray(X.reshape(2, 3))
    assert digest_of_leaves({"a": column_major}) == digest_of_leaves({"a": X.reshape(2, 3)})


def test_the_digest_of_an_encoder_is_that_of_earlier_versions_whose_indexes_name_it():
    params = {
        "kernel": np.asarray(jnp.arange(6.0).reshape(2, 3).astype(jnp.bfloat16)),
        "scale": np.float32(1.5),
    }
    tree = {"params": params, "batch_stats": [np.asfortranarray(X.reshape(2, 3))]}
    assert digest_of_leaves(tree) == "3a48141f9597d46cc98711023a492fa6"


def test_a_leaf_is_another_by_its_type_shape_or_any_bit():
    for x in DIFFERENT:
        others = [y for y in DIFFERENT if not other_leaves({"a": x}, {"a": y})]
        assert len(others) == 1 and others[0] is x
    zeros = {"a": np.array([0.0, np.nan])}
    assert other_leaves(zeros, {"a": np.array([-0.0, np.nan])}) == ["a"]
    assert other_leaves(zeros, {"a": np.array([0.0, np.nan])}) == []
