"""What TensorBoard shows beside the numbers, read back from the file."""

import io

import numpy as np
from PIL import Image
from tensorboardX.proto.event_pb2 import Event

from pclhd_jax.reports.curves import Shown, edges_of
from pclhd_jax.reports.records import Records


def values_of(workdir):
    """(step, value) by tag, from every event of the one file."""
    (path,) = (workdir / "tensorboard").iterdir()
    content, found = path.read_bytes(), {}
    while content:  # a length, its checksum, an event, its checksum
        size = int.from_bytes(content[:8], "little")
        event = Event.FromString(content[12 : 12 + size])
        content = content[16 + size :]
        found |= {value.tag: (event.step, value) for value in event.summary.value}
    return found


def written(tmp_path, shown):
    settings = {"seed": 3, "loss": {"weights": (1.0, 0.5)}}
    records = Records(tmp_path, epochs_done=0, settings=settings)
    records.write({"epochs_done": 2}, show=lambda: shown)
    records.close()
    return values_of(tmp_path)


def test_sizes_of_clusters_come_back_as_a_histogram_with_a_bin_for_each_size(tmp_path):
    found = written(tmp_path, Shown({"visible": np.array([4, 4, 6, 9, 4])}, {}))
    step, value = found["cluster_sizes/visible"]
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
    step, value = written(tmp_path, Shown({}, {"toy/query 5": picture_HWC}))[
        "rank_lists/toy/query 5"
    ]
    assert step == 2 and (value.image.height, value.image.width) == (16, 40)
    back = np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string))).astype(int)
    assert np.abs(back - picture_HWC).max() < 30


def test_every_setting_comes_back_in_a_table(tmp_path):
    step, value = written(tmp_path, Shown({}, {}))["settings/text_summary"]
    assert step == 1
    (text,) = value.tensor.string_val
    lines = text.decode().splitlines()
    assert lines[2:] == ["|`config.seed`|`3`|", "|`config.loss.weights`|`(1.0, 0.5)`|"]
    assert value.metadata.plugin_data.plugin_name == "text"


def test_an_epoch_without_a_cluster_or_a_score_shows_nothing(tmp_path):
    found = written(tmp_path, Shown({"visible": np.array([], int)}, {}))
    assert sorted(found) == ["epochs_done", "settings/text_summary"]


def test_many_sizes_share_bins():
    edges = edges_of(np.array([2, 1000]))
    assert len(edges) == 65 and edges[0] == 1.5 and edges[-1] == 1000.5


def test_pictures_of_people_are_their_owners_to_see_in_an_open_folder_too(tmp_path, monkeypatch):
    monkeypatch.delenv("PCLHD_GROUP_READABLE", raising=False)
    (tmp_path / "tensorboard").mkdir(mode=0o755)
    written(tmp_path, Shown({}, {}))
    (path,) = (tmp_path / "tensorboard").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
