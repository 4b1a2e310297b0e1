"""A store that is damaged or moved while it is written: what is lost, where the rest is, merging."""

import os
import shutil
import sqlite3
import warnings

import numpy as np
import pytest

from command import command_in
from learnrate import ArgumentError, StoreError
from learnrate.store import Recorder, Store, merge
from learnrate.watch import Finding, Severity

FINDING = Finding(
    code="LR101", severity=Severity.ERROR, step=3, message="m", evidence={}, remedy=""
)


def add_rows(recorder, steps):
    for step in steps:
        recorder.add((step, (0.1, float(step)), None))
    recorder.step = steps[-1] + 1


def recorded(place, rows=600):
    """A recorder whose first rows are in the store, all of them in the file itself."""
    recorder = Recorder(place, names=("lr", "loss"))
    add_rows(recorder, range(rows))
    assert recorder.flush()
    with sqlite3.connect(place) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return recorder


def ended(recorder, rows):
    """Record more rows and end the run; what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recorder.add_finding(FINDING)
        add_rows(recorder, rows)
        recorder.flush(0.2)
        recorder.close("finished", wait=0.2)
        recorder._thread.join()  # which warns when it ends
    return [str(warning.message) for warning in caught]


def overwrite(place):
    with place.open("r+b") as file:
        file.write(b"something else " * (place.stat().st_size // 15))


def cut(place):
    os.truncate(place, place.stat().st_size // 2)


@pytest.mark.parametrize("damage", [overwrite, cut])
def test_points_that_a_damaged_store_cannot_take_are_in_a_file_beside_it(damage, tmp_path):
    place = tmp_path / "runs.db"
    recorder = recorded(place)
    copy = tmp_path / "copy.db"
    shutil.copyfile(place, copy)
    damage(place)
    messages = ended(recorder, range(600, 4100))
    beside = tmp_path / f"runs-unwritten-{recorder.run}.db"
    assert len(messages) == 2
    assert "overw" in messages[0] or "damaged" in messages[0]
    assert f"3500 points of the run {recorder.run} could not be written" in messages[1]
    assert f"they are in {beside}" in messages[1]
    unwritten = Store(beside, create=False)
    assert unwritten.observations(recorder.run).step.tolist() == list(range(600, 4100))

    whole = Store(copy, create=False)
    whole.set_status(recorder.run, "lost")
    assert merge(unwritten, whole) == {recorder.run: 3500}
    assert merge(unwritten, whole) == {recorder.run: 0}
    observations = whole.observations(recorder.run)
    assert observations.step.tolist() == list(range(4100))
    assert observations.column("loss").tolist() == [float(step) for step in range(4100)]
    assert whole.run(recorder.run).status == "finished"
    assert whole.run(recorder.run).step == 4100
    assert whole.findings(recorder.run) == [FINDING]


def test_a_store_that_works_again_has_everything_and_nothing_is_left_beside_it(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("learnrate.store._recorder._FALLBACK_AFTER", 0.0)
    place = tmp_path / "runs.db"
    place.mkdir()
    recorder = Recorder(place, names=("lr", "loss"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        add_rows(recorder, range(100))
        while not list(tmp_path.glob("runs-unwritten-*.db")):
            recorder.flush(0.1)
        place.rmdir()
        assert recorder.flush(60)
    recorder.close("finished")
    assert Store(place).observations(recorder.run).step.tolist() == list(range(100))
    assert not list(tmp_path.glob("*unwritten*"))


def test_a_killed_process_leaves_what_a_broken_store_could_not_take(tmp_path, monkeypatch):
    monkeypatch.setattr("learnrate.store._recorder._FALLBACK_AFTER", 0.0)
    place = tmp_path / "runs.db"
    recorder = recorded(place)
    overwrite(place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        add_rows(recorder, range(600, 700))
        beside = tmp_path / f"runs-unwritten-{recorder.run}.db"
        while recorder._backlog.saved_rows < 100:
            recorder.flush(0.1)
        assert Store(beside).points(recorder.run).step.tolist() == list(range(600, 700))
        recorder.close("finished", wait=0.1)
        recorder._thread.join()


def test_a_store_that_is_emptied_is_noticed_and_made_again(tmp_path):
    place = tmp_path / "runs.db"
    recorder = recorded(place)
    os.truncate(place, 0)
    (message,) = ended(recorder, range(600, 700))
    assert "overw" in message
    step = Store(place).points(recorder.run).step
    assert step.tolist() == list(range(step[0], 700))
    assert step[0] <= 600
    assert not list(tmp_path.glob("*unwritten*"))


def test_a_store_that_is_moved_is_noticed_and_its_parts_can_be_joined(tmp_path):
    place, moved = tmp_path / "runs.db", tmp_path / "moved.db"
    recorder = recorded(place)
    recorder.begin_attempt(500, "rolled back")
    add_rows(recorder, range(500, 550))
    assert recorder.flush()
    for file in list(tmp_path.iterdir()):
        file.rename(str(file).replace("runs.db", "moved.db"))
    (message,) = ended(recorder, range(550, 620))
    assert "was moved, deleted or overwritten" in message
    assert recorder.run in message
    earlier, later = Store(moved, create=False), Store(place, create=False)
    earlier.set_status(recorder.run, "lost")
    merge(later, earlier)
    points = earlier.points(recorder.run)
    assert points.step.tolist() == list(range(620))
    assert points.attempt.tolist() == [0] * 500 + [1] * 120
    assert earlier.run(recorder.run).status == "finished"


def test_runs_of_another_store_are_added_whole_and_once(tmp_path):
    source, target = Store(tmp_path / "a.db"), Store(tmp_path / "b.db")
    runs = [source.new_run(name=name) for name in "ab"]
    source.write_points(runs[0], [0, 1], {"loss": [2.0, 1.0]})
    source.begin_attempt(runs[0], 1, "resumed")
    source.write_points(runs[0], [1, 2], {"loss": [1.5, np.nan]})
    source.add_finding(runs[0], FINDING)
    source.add_edit(runs[0], "scale", 0.5, author="ann", step=1, position=1)
    source.add_snapshot(runs[0], 1, "memory")
    earlier_run = target.new_run(name="own")
    assert merge(source, target) == {runs[0]: 4, runs[1]: 0}  # one of them superseded
    source.set_status(runs[1], "finished")
    with pytest.raises(ArgumentError, match="is still being recorded"):
        merge(source, target)
    target.set_status(runs[0], "finished")
    target.set_status(runs[1], "lost")
    assert merge(source, target) == {runs[0]: 0, runs[1]: 0}
    assert {run.id for run in target.runs()} == {*runs, earlier_run}
    assert target.attempts(runs[0]) == source.attempts(runs[0])
    assert target.edits(runs[0]) == source.edits(runs[0])
    assert target.findings(runs[0]) == source.findings(runs[0])
    assert target.snapshots(runs[0]) == source.snapshots(runs[0])
    assert target.points(runs[0]).step.tolist() == [0, 1, 2]
    assert target.run(runs[1]).status == "finished"


def test_the_command_merges_files_and_refuses_what_is_not_a_store(tmp_path, monkeypatch, capsys):
    call = command_in(tmp_path, monkeypatch, capsys)
    store = Store(tmp_path / "a.db")
    run = store.new_run()
    store.write_points(run, [0, 1], {"loss": [2.0, 1.0]})
    assert call("merge", "a.db", "--store", "new.db")[:2] == (
        0,
        f"2 rows of {run} added from {store.place}\n",
    )
    assert Store("new.db", create=False).points(run).step.tolist() == [0, 1]
    assert call("merge", "a.db", "--store", "a.db")[0] == 2
    (tmp_path / "text.db").write_bytes(b"no database " * 200)
    code, out, err = call("merge", "text.db", "--store", "other.db")
    assert (code, out) == (2, "")
    assert "is not a database" in err
    assert not (tmp_path / "other.db").exists()


def test_a_damaged_file_is_never_merged_partially(tmp_path):
    source, target = Store(tmp_path / "a.db"), Store(tmp_path / "b.db")
    run = source.new_run()
    source.write_points(run, np.arange(50_000), {"loss": np.arange(50_000.0)})
    with sqlite3.connect(tmp_path / "a.db") as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    cut(tmp_path / "a.db")
    with pytest.raises(StoreError, match="damaged"):
        merge(source, target)
    assert target.runs() == []
