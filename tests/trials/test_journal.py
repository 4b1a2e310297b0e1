"""The journal gives back what was added to it, whole, by whichever process."""

import json
import math

import numpy as np
import pytest

from learnrate import FileError
from learnrate.schedules import Linear
from learnrate.testing import quadratic_task
from learnrate.trials import Curve, Journal, Status, Trial, fingerprint

TRIAL = Trial((0.1 * Linear()).over(50), seed=3)


def curve(**changes):
    settings = {
        "lr": TRIAL.schedule.table(),
        "loss": np.linspace(1, 0.1, 50),
        "validation": 0.125,
        "status": Status.FINISHED,
        "seconds": 1.5,
        "distance": 0.7,
    }
    return Curve(**(settings | changes))


LOSSES = {
    "double": np.random.default_rng(0).random(50),
    "single": np.random.default_rng(0).random(50, dtype=np.float32).astype(float),
    "not finite": np.array([1.0, 1e300, math.inf, math.nan]),
    "none": np.array([]),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("validation", [None, 0.1, math.inf, math.nan])
def test_a_curve_comes_back_to_the_last_bit(tmp_path, loss, validation):
    path = tmp_path / "j"
    added = curve(loss=loss, lr=TRIAL.schedule.table()[: len(loss)], validation=validation)
    Journal(path, "task").add_curve(TRIAL, added)
    back = Journal(path, "task").curve(TRIAL)
    assert np.array_equal(back.loss, added.loss, equal_nan=True)
    assert np.array_equal(back.lr, added.lr)
    assert str(back.validation) == str(validation)
    assert (back.status, back.seconds) == (added.status, added.seconds)
    assert back.distance == added.distance


@pytest.mark.parametrize("status", [Status.FAILED, Status.INTERRUPTED])
def test_a_trial_that_failed_or_was_interrupted_is_not_added(tmp_path, status):
    journal = Journal(tmp_path / "j", "task")
    journal.add_curve(TRIAL, curve(status=status))
    assert journal.curve(TRIAL) is None


def test_another_task_schedule_length_or_seed_is_not_known(tmp_path):
    path = tmp_path / "j"
    Journal(path, "task").add_curve(TRIAL, curve())
    assert Journal(path, "other").curve(TRIAL) is None
    for other in (
        Trial((0.2 * Linear()).over(50), 3),
        Trial((0.1 * Linear()).over(60), 3),
        Trial(TRIAL.schedule, 4),
    ):
        assert Journal(path, "task").curve(other) is None


def test_a_journal_reads_what_another_one_has_added_since(tmp_path):
    first, second = (Journal(tmp_path / "j", "task") for _ in range(2))
    assert second.curve(TRIAL) is None
    first.add_curve(TRIAL, curve())
    assert second.curve(TRIAL).validation == 0.125


def test_incomplete_and_foreign_lines_are_ignored_and_later_lines_are_read(tmp_path):
    path = tmp_path / "j"
    path.write_bytes(b'[1]\n{"no": "key"}\n\xff\xfe\n{"key": "torn off in th')
    Journal(path, "task").add_curve(TRIAL, curve())
    assert Journal(path, "task").curve(TRIAL).steps == 50
    assert json.loads(path.read_bytes().splitlines()[-1])["status"] == "finished"


def test_a_record_without_a_curve_gives_none(tmp_path):
    journal = Journal(tmp_path / "j", "task")
    journal.add(str(TRIAL.schedule), TRIAL.total_steps, TRIAL.seed, {"curve": "%%%", "loss": 1.0})
    assert journal.curve(TRIAL) is None


def test_without_a_path_it_keeps_records_in_memory():
    journal = Journal(None, "task")
    journal.add_curve(TRIAL, curve())
    assert journal.curve(TRIAL).steps == 50


def test_a_folder_in_its_place_is_one_clear_error(tmp_path):
    with pytest.raises(FileError, match="cannot be"):
        Journal(tmp_path, "task").add_curve(TRIAL, curve())


def test_a_fingerprint_tells_tasks_apart_and_is_the_same_for_the_same():
    assert fingerprint(quadratic_task()) == fingerprint(quadratic_task())
    assert fingerprint(quadratic_task()) != fingerprint(quadratic_task(dim=9))
