"""The table of `benchmarks.embedding`, of a trunk of one block."""

import jax
import jax.numpy as jnp

from benchmarks.embedding import Filled, main
from pclhd_jax.method.state import init_variables
from pclhd_jax.models.agw import AGW
from pclhd_jax.models.resnet import TRUNKS, BasicBlock, Trunk
from pclhd_jax.using.encoder import Encoder
from pclhd_jax.using.retrieval.embedder import Embedder


def test_a_row_has_the_batch_the_times_and_the_difference(monkeypatch, capsys):
    monkeypatch.setitem(TRUNKS, 4, Trunk(BasicBlock, (0, 0, 0, 1)))
    model = AGW(4, 0.125, jnp.dtype("float32"), 1)
    variables = init_variables(model, height=32, width=16, key=jax.random.key(0))
    embedder = Embedder.of(Encoder(variables, model, 32, 16, "", "none"), 16)
    monkeypatch.setattr(Embedder, "load", lambda checkpoint, *, batch_size: embedder)
    assert Filled(embedder.encoder, 16).batch_of(3) == 16
    main(["RUN", "--pictures", "3", "--calls", "1"])
    header, _, row = capsys.readouterr().out.splitlines()[-3:]
    assert header.startswith("pictures  batch")
    number, batch, *seconds, apart = row.split()
    assert (number, batch, len(seconds)) == ("3", "4", 4)
    assert all(float(second) > 0 for second in seconds) and float(apart) < 2e-6
