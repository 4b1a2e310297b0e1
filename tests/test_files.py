"""Files are written atomically, with the permissions that a file of the user's would have."""

import os
import stat

import pytest

from learnrate import FileError
from learnrate._files import write_bytes


@pytest.fixture
def umask():
    """Sets the process's umask, and restores it after the test."""
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has a umask")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_file_has_the_permissions_that_the_umask_leaves(tmp_path, umask, mask, mode):
    umask(mask)
    write_bytes(tmp_path / "plan.json", b"{}")
    assert stat.S_IMODE((tmp_path / "plan.json").stat().st_mode) == mode


def test_a_file_that_cannot_be_replaced_remains_and_nothing_is_left_beside_it(
    tmp_path, monkeypatch
):
    path = tmp_path / "plan.json"
    write_bytes(path, b"old")

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(FileError, match="cannot be written: No space left on device"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
