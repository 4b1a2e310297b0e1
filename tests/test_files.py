"""Files are written atomically, through links and to devices; what cannot be is said in a sentence."""

import os
import stat
import threading

import pytest

from learnrate import FileError
from learnrate._files import check_writable, read_json, write_bytes


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


def test_a_symbolic_link_stays_and_the_file_behind_it_is_replaced(tmp_path):
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_link_to_a_file_that_does_not_exist_yet_is_written_through(tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "target.json")
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "target.json").read_bytes() == b"new"


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has device files and pipes")
def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, b"content")
    reader.join(60)
    assert received == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has device files and pipes")
def test_a_device_behind_a_link_is_written_to_and_stays(tmp_path):
    link = tmp_path / "nowhere"
    link.symlink_to(os.devnull)
    write_bytes(link, b"content")
    assert link.is_symlink()
    assert stat.S_ISCHR(link.stat().st_mode)


def test_what_cannot_be_written_is_said_in_a_sentence(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    names = [
        tmp_path,
        tmp_path / "none" / "a.json",
        loop,
        tmp_path / "a\0b",
        tmp_path / ("a" * 300),
    ]
    for name in names:
        with pytest.raises(FileError, match="cannot be written: "):
            write_bytes(name, b"")
    for name in names[:3]:
        with pytest.raises(FileError, match="cannot be written: "):
            check_writable(name)
    assert sorted(tmp_path.iterdir()) == [loop]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5000, "digits"),
        (b'{"a": 1', "is not complete JSON"),
        (b"\xff", "is not a text file"),
        (b"", "is not complete JSON"),
    ],
)
def test_json_that_cannot_be_read_is_said_in_a_sentence(tmp_path, content, message):
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match=message):
        read_json(path)


def test_a_name_with_a_null_byte_is_said_in_a_sentence(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        read_json(tmp_path / "a\0b")
