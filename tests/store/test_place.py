"""Where a store is."""

import contextlib
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from learnrate import ArgumentError, MissingExtraError, Store, StoreError
from learnrate.schedules import schedule

WRITTEN = Path(__file__).parent.parent / "written_by"


def test_the_default_place_is_that_of_the_environment_or_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEARNRATE_STORE", str(tmp_path / "there.db"))
    assert Store().place == str(tmp_path / "there.db")
    monkeypatch.delenv("LEARNRATE_STORE")
    assert Store().place == str(tmp_path / "learnrate.db")
    assert Store(f"sqlite:///{tmp_path}/there.db", create=False).runs() == []


def test_a_place_that_is_neither_text_nor_a_path_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match="must be a file or a URL; got 5"):
        Store(5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["mysql://a/b", "sqlite://", "nonsense://", "://"])
def test_a_place_of_an_unknown_kind_is_refused(place):
    with pytest.raises(ArgumentError, match="must be a file, sqlite:///FILE or postgresql://"):
        Store(place)


def test_a_password_is_not_shown(monkeypatch):
    with pytest.raises(StoreError) as raised:
        Store("postgresql://me:secret@127.0.0.1:1/db", wait=2)
    assert "cannot be reached" in str(raised.value)
    assert "me:***@127.0.0.1" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_without_its_driver_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'learnrate\[postgres\]'"):
        Store("postgresql://me@here/db")


def test_the_message_names_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(StoreError, match="its folder does not exist"):
        Store(tmp_path / "none" / "a.db")


def test_a_store_that_is_being_written_is_read_at_once_and_its_next_writer_waits(tmp_path):
    run = Store(tmp_path / "a.db").new_run()
    hasty = Store(tmp_path / "a.db", wait=0.1)
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert [stored.id for stored in hasty.runs()] == [run]
        with pytest.raises(StoreError, match="is locked by another process"):
            hasty.new_run()


def test_a_store_that_cannot_be_opened_leaves_no_file_open(tmp_path):
    (tmp_path / "a.db").write_bytes(b"not a database" * 100)
    with contextlib.closing(sqlite3.connect(tmp_path / "b.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        errors = []
        for name in ("a.db", "b.db"):
            with pytest.raises(StoreError) as raised:
                Store(tmp_path / name, wait=0.05).new_run()
            errors.append(raised)  # its traceback would keep the connection
    folders = {file.resolve().parent for file in Path("/proc/self/fd").iterdir()}
    assert "is not a database" in str(errors[0].value)
    assert "is locked by another process" in str(errors[1].value)
    assert tmp_path.resolve() not in folders  # other tests may have files of these names


@pytest.mark.parametrize("file", sorted(WRITTEN.glob("*/store.db")), ids=lambda f: f.parent.name)
def test_a_store_that_an_older_version_wrote_is_read_and_written(tmp_path, file):
    shutil.copy(file, tmp_path / "a.db")
    store = Store(tmp_path / "a.db", create=False)
    (run,) = store.runs()
    observations = store.observations(run.id)
    assert (run.name, run.status, run.total_steps, run.step) == ("old", "finished", 8, 6)
    assert run.schedule == schedule("0.1 * warmup(2) >> linear(6)")
    assert observations.step.tolist() == list(range(6))
    assert observations.column("loss").tolist() == [5.0, 4.0, 3.0, 2.5, 2.0, 1.5]
    assert store.points(run.id).attempt.tolist() == [0, 0, 0, 1, 1, 1]
    assert [finding.code for finding in store.findings(run.id)] == ["LR101"]
    assert [(edit.kind, edit.value, edit.status) for edit in store.edits(run.id)] == [
        ("scale", 0.5, "applied")
    ]
    assert [snapshot.place for snapshot in store.snapshots(run.id)] == ["snapshots/3.pt"]
    assert store.new_run(name="new") in [stored.id for stored in store.runs()]
