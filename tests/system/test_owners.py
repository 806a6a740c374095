"""Files whose owner has no name."""

import pwd

from etils import epath

from pclhd_jax.system.owners import let_owners_be_unknown


def test_a_file_of_an_owner_without_a_name_has_its_size_and_the_number(tmp_path, monkeypatch):
    let_owners_be_unknown()
    (tmp_path / "file").write_text("four")
    named = epath.Path(tmp_path / "file").stat()

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    numbered = epath.Path(tmp_path / "file").stat()
    assert (numbered.length, numbered.mtime, numbered.mode) == (4, named.mtime, named.mode)
    assert numbered.owner.isdecimal() and not numbered.is_directory
