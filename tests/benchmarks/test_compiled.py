"""The table of what a card would need: its arithmetic, and its refusal."""

import pytest
from jax.experimental import topologies

from benchmarks import compiled
from benchmarks.cards import CARDS
from benchmarks.compiled import Need, cells


@pytest.fixture
def environment(monkeypatch):
    """Stays as it is: these tests run beside others."""
    monkeypatch.setattr(compiled, "prepare_environment", lambda: None)


def test_the_bound_is_the_larger_of_traffic_and_products():
    # 3.35e12 bytes take the H100 a second; 9.89e14 operations in bfloat16 as well.
    need = Need(arguments=2**30, temporary=2**29, moved=3.35e11, flops=9.89e12)
    assert cells(need, CARDS["h100"], "bfloat16") == [
        *("1.00", "0.50", "335.0", "9.89", "100.0", "memory")
    ]
    slow = need._replace(flops=9.89e14)
    assert cells(slow, CARDS["h100"], "bfloat16")[-2:] == ["1000.0", "products"]
    assert cells(slow, CARDS["t4"], "bfloat16")[-2:] == ["-", "no bfloat16"]


def test_a_table_of_every_program(environment, monkeypatch, capsys):
    monkeypatch.setattr(compiled, "devices_of", lambda card: [card])
    monkeypatch.setattr(compiled, "need_of", lambda program, devices: Need(0, 0, 1e9, 1e9))
    compiled.main(["--card", "a100", "--config=configs/synthetic.py", "--set", "model.width=0.125"])
    title, _, head, _, *rows = capsys.readouterr().out.splitlines()
    assert title == "NVIDIA A100-SXM4-80GB, configs/synthetic.py, float32: compiled, not run"
    assert head.startswith("| program | arguments, GiB") and len(rows) == 5
    assert rows[1].startswith("| stage 2 step | 0.00 | 0.00 | 1.0 |")


def test_without_the_plugin_or_with_a_wrong_setting_it_says_so(environment, monkeypatch):
    def absent(**_):
        raise RuntimeError("no topology for cuda here")

    monkeypatch.setattr(topologies, "get_topology_desc", absent)
    with pytest.raises(SystemExit, match=r"Tesla T4 .*no GPU: pip install -r requirements-cuda"):
        compiled.main(["--card", "t4", "--config=configs/synthetic.py"])
    with pytest.raises(SystemExit, match=r"config\.model has an unknown depths"):
        compiled.main(["--set", "model.depths=18"])


@pytest.mark.parametrize("name", CARDS)
def test_a_card_says_to_xla_what_it_is(name):
    card = CARDS[name]
    assert f"core_count: {card.cores}\n" in card.target() and card.name in card.target()
    assert card.shared_per_block <= card.shared_per_core
