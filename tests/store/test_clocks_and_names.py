"""Clocks that jump, and several trainers of one name."""

import time

import numpy as np
import pytest

from learnrate.store import Recorder, Store


@pytest.mark.parametrize("jump", [-86400.0, 86400.0, -2e9])
def test_a_clock_that_jumps_costs_no_point_and_no_order(jump, tmp_path, monkeypatch):
    real, offset = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    recorder = Recorder(tmp_path / "a.db", names=("loss",))
    for step in range(600):
        if step == 300:
            recorder.flush()
            offset[0] = jump
        recorder.add((step, (float(step),), None))
    recorder.begin_attempt(500, "rolled back")
    recorder.add((500, (-1.0,), None))
    assert recorder.flush()
    store = Store(tmp_path / "a.db")
    assert store.run(recorder.run).live
    recorder.close("finished")
    observations = store.observations(recorder.run)
    assert np.array_equal(observations.step, np.arange(501))
    assert observations.column("loss")[-1] == -1.0
    assert store.run(recorder.run).status == "finished"


def test_two_trainers_of_one_name_are_two_runs(tmp_path):
    recorders = [Recorder(tmp_path / "a.db", names=("loss",), name="same") for _ in range(2)]
    for step in range(300):
        for index, recorder in enumerate(recorders):
            recorder.add((step, (float(index),), None))
    for recorder in recorders:
        recorder.close("finished")
    store = Store(tmp_path / "a.db")
    assert len({run.id for run in store.runs()}) == 2
    assert {run.name for run in store.runs()} == {"same"}
    for index, recorder in enumerate(recorders):
        loss = store.observations(recorder.run).column("loss")
        assert loss.tolist() == [float(index)] * 300
