"""The id of a run is unique in its store, also if a random one is taken already."""

import pytest

from learnrate import Store
from learnrate.store import Recorder
from learnrate.store._records import new_id


@pytest.fixture
def ids(monkeypatch):
    """A function that lays down the next random ids."""

    def lay_down(*ids):
        numbers = iter(ids)
        for module in ("_store", "_run_writer"):
            monkeypatch.setattr(f"learnrate.store.{module}.new_id", lambda: next(numbers))

    return lay_down


def test_an_id_is_five_syllables():
    assert len({new_id() for _ in range(100)}) == 100
    first, _, second = new_id().partition("-")
    assert (len(first), len(second)) == (4, 6)


def test_a_new_run_takes_another_id_if_a_run_has_it(tmp_path, ids):
    ids("kobu-zarite", "kobu-zarite", "kobu-zarite", "dina-luzebo")
    store = Store(tmp_path / "a.db")
    assert store.new_run(name="first") == "kobu-zarite"
    assert store.new_run(name="second") == "dina-luzebo"
    assert {run.id: run.name for run in store.runs()} == {
        "kobu-zarite": "first",
        "dina-luzebo": "second",
    }


def test_a_recorder_takes_another_id_if_a_run_has_it(tmp_path, ids):
    ids("kobu-zarite", "kobu-zarite", "dina-luzebo")
    store = Store(tmp_path / "a.db")
    store.write_points(store.new_run(name="first"), [0], {"loss": [7.0]})
    recorder = Recorder(tmp_path / "a.db", names=("loss",), name="second")
    recorder.add((0, (1.0,), None))
    assert recorder.flush()
    recorder.close("finished")
    assert recorder.run == "dina-luzebo"
    assert store.observations("dina-luzebo").column("loss").tolist() == [1.0]
    assert store.observations("kobu-zarite").column("loss").tolist() == [7.0]
