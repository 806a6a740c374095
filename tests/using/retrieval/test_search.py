"""`python -m pclhd_jax search`: table, sheet, and what it refuses."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from pclhd_jax.commands.search import main
from pclhd_jax.using.retrieval.index import read_index
from pclhd_jax.using.retrieval.make_index import make_index
from pclhd_jax.using.retrieval.rerank import RerankSettings
from pclhd_jax.using.retrieval.search_index import search_index
from tests.helpers.small_sets import below, noise


@pytest.fixture(scope="module")
def queries(run, pictures, index):
    """The infrared test pictures, embedded."""
    out = index.name.with_name("queries")
    return make_index(run, [pictures], "infrared", out, layout="sysu", batch_size=32)


@pytest.fixture
def copy(index, tmp_path):
    """The index in another place, to be spoilt."""
    for suffix in (".npy", ".csv", ".json"):
        shutil.copy(index.name.with_suffix(suffix), tmp_path / f"copy{suffix}")
    return tmp_path / "copy"


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_holds_the_k_nearest_of_every_query(index, queries, tmp_path):
    found = search_index(index.name, [queries.name], tmp_path / "found", k=3)
    similarity_QG = queries.features_ND @ index.features_ND.T
    order_QK = np.argsort(-similarity_QG, axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(found.indices_QK, order_QK)
    rows = rows_of(tmp_path / "found.csv")
    assert len(rows) == 3 * len(queries.features_ND)
    for number in (0, 4, len(rows) - 1):
        q, place = divmod(number, 3)
        g, row = order_QK[q, place], rows[number]
        assert (row["query"], row["name"]) == (queries.pictures.paths[q], index.pictures.paths[g])
        assert int(row["rank"]) == place + 1
        assert float(row["similarity"]) == pytest.approx(similarity_QG[q, g], abs=1e-6)
        pair = [int(p.identities_N[i]) for p, i in ((queries.pictures, q), (index.pictures, g))]
        assert [int(row["query_identity"]), int(row["identity"])] == pair
        assert int(row["same"]) == (pair[0] == pair[1])
    assert (tmp_path / "found.png").stat().st_mode & 0o077 == 0  # pictures of people
    with Image.open(tmp_path / "found.png") as sheet:
        assert sheet.height > 20 * 144  # twenty of the queries


def test_pictures_find_what_their_embeddings_find_by_command_and_by_call(
    run, pictures, index, queries, tmp_path
):
    by_embedding = search_index(index.name, queries.name, k=4)
    names = [*map(str, (index.name, pictures)), "--checkpoint", str(run), "--modality", "infrared"]
    options = ["--layout", "sysu", "--k", "4", "--batch_size", "32", "--sheet_queries", "2"]
    main([*names, *options, "--out", str(tmp_path / "plain")])
    rows = rows_of(tmp_path / "plain.csv")
    of_embedding = [index.pictures.paths[g] for g in by_embedding.indices_QK.ravel()]
    assert [row["name"] for row in rows] == of_embedding and "distance" not in rows[0]
    options += ["--rerank", "--k1", "5", "--k2", "2", "--weight", "0.4"]
    main([*names, *options, "--out", str(tmp_path / "reranked.csv")])
    settings = RerankSettings(5, 2, 0.4)
    again = search_index(
        index.name, [f"{queries.name}.npy"], k=4, rerank=True, **settings._asdict()
    )
    rows = rows_of(tmp_path / "reranked.csv")
    assert [row["name"] for row in rows] != of_embedding
    np.testing.assert_allclose(
        [float(row["distance"]) for row in rows], again.distances_QK.ravel(), atol=1e-6
    )


def test_own_pictures_without_identities_have_neither_columns_nor_verdicts(
    run, index, tmp_path, capsys
):
    for number in range(2):
        noise(number).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"")
    found = search_index(
        index.name,
        [tmp_path],
        tmp_path / "found",
        checkpoint=run,
        modality="infrared",
        skip=True,
        batch_size=32,
    )
    assert found.query.paths == ("0.png", "1.png") and found.indices_QK.shape == (2, 10)
    assert "left out 1 of 3 pictures" in capsys.readouterr().out
    assert list(rows_of(tmp_path / "found.csv")[0]) == ["query", "rank", "name", "similarity"]


def test_a_query_by_another_encoder_is_refused_with_both_digests(run, index, copy, pictures):
    other = run / "checkpoints/1"
    header = json.loads(copy.with_suffix(".json").read_text())
    digest = header["encoder"]
    with pytest.raises(ValueError, match=rf"of encoder [0-9a-f]{{32}}, .* {digest} \("):
        search_index(index.name, [pictures], checkpoint=other, modality="infrared", layout="sysu")
    copy.with_suffix(".json").write_text(json.dumps(header | {"encoder": "0" * 32}))
    with pytest.raises(ValueError, match=rf"of encoder 0{{32}}, the index of encoder {digest}"):
        search_index(index.name, [copy])


def test_what_is_missing_or_too_much_is_said(run, index, pictures, tmp_path):
    with pytest.raises(ValueError, match=r"query pictures need a modality"):
        search_index(index.name, [pictures], layout="sysu")
    with pytest.raises(ValueError, match="leave out checkpoint and modality"):
        search_index(index.name, [index.name], checkpoint=run)
    with pytest.raises(ValueError, match="modality is 'x'; it must be visible or infrared"):
        search_index(index.name, [pictures], checkpoint=run, modality="x")
    with pytest.raises(FileNotFoundError, match=r"there is no nope\.png; name pictures"):
        search_index(index.name, ["nope.png"])
    with pytest.raises(ValueError, match="-1 queries on the sheet; give 0 or more"):
        search_index(index.name, [index.name], sheet_queries=-1)
    for settings in (RerankSettings(k1=0), RerankSettings(k2=0), RerankSettings(weight=2)):
        with pytest.raises(ValueError, match=r"is [02].*; give"):
            search_index(index.name, [index.name], rerank=True, **settings._asdict())
    with pytest.raises(OSError, match=r"cannot write found\.csv to /dev/null .*another --out"):
        search_index(index.name, [index.name], "/dev/null/found")
    with pytest.raises(ValueError, match="k is 0; give at least 1"):
        search_index(index.name, [index.name], k=0)
    with pytest.raises(SystemExit, match=r"FileNotFoundError: no .*none\.json; an index is what"):
        main([str(tmp_path / "none"), str(pictures), "--out", str(tmp_path / "out")])


def test_a_damaged_or_empty_index_is_refused(copy):
    table = copy.with_suffix(".csv")
    whole = table.read_bytes()
    table.write_bytes(whole.replace(b"visible", b"Visible", 1))
    with pytest.raises(ValueError, match=r"copy\.csv is not what copy\.json was written with"):
        read_index(copy)
    table.write_bytes(whole)
    header = copy.with_suffix(".json")
    text = header.read_text()
    for wrong in ("", "[]", '{"format": 1}', text.replace('"height": 32', '"height": "a"')):
        header.write_text(wrong)
        with pytest.raises(ValueError, match=r"copy\.json (is damaged|has format)"):
            read_index(copy)
    copy.with_suffix(".json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no .*copy\.json"):
        read_index(copy)


def test_an_empty_gallery_is_refused(index, tmp_path):
    from pclhd_jax.using.retrieval.index import write_index

    nothing = index.pictures.take(np.zeros(0, int))
    write_index(tmp_path / "empty", np.zeros((0, 64), np.float32), nothing, index.header)
    with pytest.raises(ValueError, match="empty is an index of no picture"):
        search_index(tmp_path / "empty", [index.name])


def test_results_are_not_written_over_and_pictures_that_have_moved_are_found(
    run, index, pictures, tmp_path
):
    moved = shutil.copytree(pictures, tmp_path / "before")
    gallery = make_index(run, [moved / "cam1"], "visible", tmp_path / "g", batch_size=32)
    moved.rename(tmp_path / "after")
    with pytest.raises(ValueError, match=r"(?s)cannot read picture .*before.*--gallery_root"):
        search_index(gallery.name, [index.name], tmp_path / "found")
    assert "found.csv" not in below(tmp_path)  # so that the same command can be given again
    search_index(index.name, [gallery.name], tmp_path / "bare", sheet_queries=0)
    assert "bare.png" not in below(tmp_path)  # nor was a picture needed
    root = str(tmp_path / "after/cam1")
    search_index(gallery.name, [index.name], tmp_path / "found", gallery_root=root)
    assert {"found.csv", "found.png"} < set(below(tmp_path))
    with pytest.raises(FileExistsError, match=r"found\.csv is there already"):
        search_index(gallery.name, [index.name], tmp_path / "found.png", gallery_root=root)


def test_a_folder_with_the_name_of_an_index_means_its_pictures_if_they_are_asked_for(
    run, index, tmp_path
):
    (tmp_path / "q").mkdir()
    for number in range(2):
        noise(number).save(tmp_path / f"q/{number}.png")
    made = make_index(run, [tmp_path / "q"], "infrared", tmp_path / "q", batch_size=32)
    ways = {"checkpoint": run, "modality": "infrared", "batch_size": 32}
    pictures = search_index(index.name, [tmp_path / "q"], **ways)
    by_modality = search_index(index.name, [tmp_path / "q"], modality="infrared")
    assert by_modality.query.root == str(tmp_path / "q")
    embeddings = search_index(index.name, [tmp_path / "q"])
    np.testing.assert_array_equal(pictures.indices_QK, embeddings.indices_QK)
    assert pictures.query.paths == made.pictures.paths == ("0.png", "1.png")


def test_the_command_prints_the_best_three_and_the_scores_that_the_call_returns(
    index, queries, tmp_path, capsys
):
    names = [str(index.name), str(queries.name), "--out", str(tmp_path / "found"), "--show", "2"]
    main([*names, "--sheet_queries", "0"])
    out = capsys.readouterr().out
    found = search_index(index.name, [queries.name])
    lines = [line.split() for line in out.splitlines()]
    start = lines.index(["query", "rank", "similarity", "found", "person"]) + 2
    assert lines[start][:2] == [queries.pictures.paths[0], "1"]
    best = [row for row in found.rows() if row.rank <= 3]
    for row, line in zip(best[:6], lines[start : start + 6], strict=True):
        verdict = "same" if row.same else "other"
        assert line[-4:] == [f"{row.rank}", f"{row.similarity:.3f}", row.name, verdict]
    assert f"and {len(queries.features_ND) - 2} more queries" in out
    assert found.score.num_valid == len(queries.features_ND)
    right_Q = [row.same for row in best if row.rank == 1]
    assert found.score.rank1 == pytest.approx(np.mean(right_Q))
    assert f"Rank-1 {100 * found.score.rank1:.1f} %, mAP {100 * found.score.mean_ap:.1f} %" in out
    assert search_index(index.name, [queries.name], score=False).score is None


def test_re_ranked_scores_are_of_the_re_ranked_order(index, queries):
    settings = RerankSettings(5, 2, 0.4)
    found = search_index(index.name, [queries.name], k=64, rerank=True, **settings._asdict())
    same_QK = index.pictures.identities_N[found.indices_QK]
    same_QK = same_QK == queries.pictures.identities_N[:, None]
    hits_QK = np.cumsum(same_QK, axis=1) / np.arange(1, 65)
    ap_Q = (hits_QK * same_QK).sum(axis=1) / same_QK.sum(axis=1)
    assert found.score.rank1 == pytest.approx(same_QK[:, 0].mean())
    assert found.score.mean_ap == pytest.approx(ap_Q.mean(), abs=1e-6)


def test_one_query_a_k_above_the_pictures_and_the_index_itself_are_reported(
    run, index, pictures, tmp_path, capsys
):
    one = next((pictures / "cam3").rglob("*.jpg"))
    found = search_index(index.name, [one], k=100, modality="infrared", batch_size=32)
    assert found.indices_QK.shape == (1, 64)
    out = capsys.readouterr().out
    assert "queries: 1; visible pictures of the index: 64" in out
    assert "k is 100, but the index has 64 pictures: each query finds all of them" in out
    itself = search_index(index.name, [index.name], k=1)
    assert "64 of the queries are pictures of the index" in capsys.readouterr().out
    np.testing.assert_array_equal(itself.indices_QK[:, 0], np.arange(64))
    assert "by the query's own camera" in itself.score.rule
