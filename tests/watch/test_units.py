"""Logs whose rows are epochs, or count nothing: what is said of them counts in the same unit."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from learnrate.watch import Observations, diagnose, unit_of
from learnrate.watch.readers import read_runs

EPOCHS = np.arange(60)
LOSS = np.where(EPOCHS < 40, 2.0 * 0.95**EPOCHS + 0.1, np.nan)
LOSS[40:] = 500.0 * 1.5 ** np.arange(20)
RATE = np.full(60, 0.1)


def unit_and_finding(path):
    (run,) = read_runs(path)
    (finding,) = [finding for finding in diagnose(run).findings if finding.code == "LR101"]
    return unit_of(run.facts), finding.message


def write_csv(path, names, columns):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*columns, strict=True))


@pytest.mark.parametrize(
    ("name", "counter", "unit"),
    [("epoch", "epoch", "epoch"), ("step", "step", "step"), (None, "row", "row")],
)
def test_findings_count_what_the_rows_of_a_table_count(tmp_path, name, counter, unit):
    names, columns = ["loss", "lr"], [LOSS, RATE]
    if name is not None:
        names, columns = [name, *names], [EPOCHS, *columns]
    write_csv(tmp_path / "log.csv", names, columns)
    named, message = unit_and_finding(tmp_path / "log.csv")
    assert named == unit
    assert f"near {counter} 5" in message
    assert ("step" in message) == (unit == "step")


def test_the_history_of_a_fit_counts_epochs(tmp_path):
    history = {"loss": LOSS.tolist(), "val_loss": (LOSS + 0.1).tolist(), "lr": RATE.tolist()}
    (tmp_path / "history.json").write_text(json.dumps(history))
    unit, message = unit_and_finding(tmp_path / "history.json")
    assert unit == "epoch"
    assert "near epoch 5" in message


def test_words_for_steps_without_a_number_are_not_renamed():
    loss = 2.0 * 0.95**EPOCHS + 0.1
    rate = 0.1 * np.maximum(1.0 - EPOCHS / 20, 0.0)
    run = Observations(
        run="a", step=EPOCHS, columns={"loss": loss, "lr": rate}, total_steps=60, facts={}
    )
    in_steps, in_epochs = diagnose(run), diagnose(replace(run, facts={"step_unit": "epoch"}))
    (finding,) = [finding for finding in in_epochs.findings if finding.code == "LR303"]
    (other,) = [finding for finding in in_steps.findings if finding.code == "LR303"]
    assert "ended at epoch 20 of 60: the last 40 epochs" in finding.message
    assert "ended at step 20 of 60: the last 40 updates" in other.message
    assert "the real length of the run, 60 epochs: count optimizer updates" in finding.remedy
    assert finding.evidence == other.evidence


def test_a_schedule_in_epochs_that_ends_early_is_too_short_and_not_stepped_wrongly():
    rate = np.where(EPOCHS < 3, 0.1 * (1 - EPOCHS / 3), 0.0)
    columns = {"loss": 2.0 * 0.99**EPOCHS, "lr": rate}
    run = Observations(run="a", step=EPOCHS, columns=columns, total_steps=60)
    assert "LR307" in diagnose(run, only=["LR303", "LR307"]).codes()
    run = replace(run, facts={"step_unit": "epoch"})
    assert diagnose(run, only=["LR303", "LR307"]).codes() == ["LR303"]


def test_an_unknown_unit_is_a_step():
    assert unit_of({"step_unit": "fortnight"}) == "step"
    assert unit_of({"step_unit": ["epoch"]}) == unit_of({}) == "step"
