"""What TensorBoard shows, read back from its files."""

import io

import numpy as np
from PIL import Image

from pclhd_jax.reports.histogram_edges import edges_of
from pclhd_jax.reports.record_writers import Epoch, Start
from pclhd_jax.reports.to_tensorboard import TensorBoard
from tests.helpers.event_files import events_of, values_of

SETTINGS = {"seed": 3, "loss.weights": (1.0, 0.5)}


def written(tmp_path, epoch):
    writer = TensorBoard(Start(tmp_path, SETTINGS, last=0))
    writer.write(epoch)
    writer.close(finished=True)
    (path,) = (tmp_path / "tensorboard").iterdir()
    return values_of(path)


def test_numbers_come_back_under_the_names_of_the_record(tmp_path):
    found = written(tmp_path, Epoch(1, {"losses/loss": 0.5, "seconds/steps": 2.0}))
    numbers = {name: (step, value.simple_value) for name, (step, value) in found.items()}
    del numbers["settings/text_summary"]
    assert numbers == {"losses/loss": (1, 0.5), "seconds/steps": (1, 2.0)}


def test_sizes_of_clusters_come_back_as_a_histogram_with_a_bin_for_each_size(tmp_path):
    found = written(tmp_path, Epoch(2, {}, sizes={"visible": np.array([4, 4, 6, 9, 4])}))
    step, value = found["visible"]
    assert step == 2
    counts = {
        int(limit): count
        for limit, count in zip(value.histo.bucket_limit, value.histo.bucket, strict=True)
        if count
    }
    assert counts == {4: 3, 6: 1, 9: 1} and value.histo.num == 5


def test_a_rank_list_comes_back_as_a_picture(tmp_path):
    picture_HWC = np.zeros((16, 40, 3), np.uint8)
    picture_HWC[:, 20:] = (0, 158, 115)
    found = written(tmp_path, Epoch(2, {}, pictures={"toy/query 5": picture_HWC}))
    step, value = found["toy/query 5"]
    assert step == 2 and (value.image.height, value.image.width) == (16, 40)
    back = np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string))).astype(int)
    assert np.abs(back - picture_HWC).max() < 30


def test_every_setting_comes_back_in_a_table_and_texts_as_they_are(tmp_path):
    found = written(tmp_path, Epoch(2, {}, texts={"log": "two\nlines"}))
    step, settings = found["settings/text_summary"]
    assert step == 1 and settings.metadata.plugin_data.plugin_name == "text"
    lines = settings.tensor.string_val[0].decode().splitlines()
    assert lines[2:] == ["|`config.seed`|`3`|", "|`config.loss.weights`|`(1.0, 0.5)`|"]
    step, log = found["log/text_summary"]
    assert step == 2 and b"two\nlines" in log.tensor.string_val[0]


def test_a_resumed_run_voids_what_earlier_files_show_from_there_on(tmp_path):
    written(tmp_path, Epoch(3, {"losses/loss": 0.5}))
    resumed = TensorBoard(Start(tmp_path, {}, last=2, has=3))
    resumed.close(finished=True)
    newest = max((tmp_path / "tensorboard").iterdir(), key=lambda path: path.name.split("-")[-1])
    starts = [event.step for event in events_of(newest) if event.session_log.status]
    assert starts == [3]


def test_files_of_earlier_versions_are_taken_for_complete(tmp_path):
    assert TensorBoard(Start(tmp_path, {}, last=2)).has == -1
    assert TensorBoard(Start(tmp_path, {}, last=2)).has == 2


def test_many_sizes_share_bins():
    edges = edges_of(np.array([2, 1000]))
    assert len(edges) == 65 and edges[0] == 1.5 and edges[-1] == 1000.5


def test_pictures_of_people_are_their_owners_to_see_in_an_open_folder_too(tmp_path, monkeypatch):
    monkeypatch.delenv("PCLHD_GROUP_READABLE", raising=False)
    (tmp_path / "tensorboard").mkdir(mode=0o755)
    written(tmp_path, Epoch(2, {}))
    (path,) = (tmp_path / "tensorboard").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
