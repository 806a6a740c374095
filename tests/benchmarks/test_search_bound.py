"""The bound of a search on several cards: what a device gets of it."""

from benchmarks.search_bound import Work, work_of


def test_a_device_gets_its_turns_of_every_search():
    # 7 and 3 blocks, for 2 devices 4 and 2 turns; 2 tiles of 35 rows, and one of 30.
    products = 4 * 70 / 40 + 4 * 30 / 40 + 2 * 70 / 40 + 2 * 30 / 40
    blocks = 10 * (4 * 2 + 4 * 1 + 2 * 2 + 2 * 1)
    assert work_of((70, 30), 2, block_rows=10, tile_rows=40) == Work(products, 200, blocks)
