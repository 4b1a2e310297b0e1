"""The sweep: its results, what it refuses, and that it is resumed."""

import csv
import functools
import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from learnrate import ArgumentError, Task, TaskError
from learnrate.sweeping import JOURNAL_NAME, rates_in, sweep
from learnrate.sweeping import _sweep as verb
from learnrate.sweeping._estimate import best_rate
from learnrate.testing import quadratic_task
from learnrate.trials import Status
from processes import HANG, wait_until
from warm import started_warm

RATES = [0.003, 0.01, 0.03, 0.1, 0.5]


def swept(**changes):
    settings = {
        "lr": RATES,
        "seeds": 2,
        "total_steps": 60,
        "engine": "sequential",
        "progress": False,
    }
    settings |= changes
    return sweep(settings.pop("task", quadratic_task()), settings.pop("lr"), **settings)


plain = functools.cache(swept)  # under the settings above; not to be changed


def rows(result):
    return result.to_dict()["trials"]


def test_every_rate_is_trained_with_the_same_seeds():
    result = plain()
    pairs = [(trial.lr, trial.seed) for trial in result.trials]
    assert [lr for lr, _ in pairs] == [lr for lr in RATES for _ in range(2)]
    assert len({seed for _, seed in pairs}) == 2
    assert [seed for _, seed in pairs[:2]] == [seed for _, seed in pairs[-2:]]
    assert result.trials[0].seed == 0


def test_the_best_rate_is_the_one_of_lowest_loss_and_lies_in_its_interval():
    result = plain()
    means = result.losses.mean(axis=1)
    nearest = result.lrs[np.argmin(np.abs(np.log(result.lrs / result.best)))]
    assert nearest == result.lrs[np.argmin(means)]
    assert result.low < result.best < result.high
    assert result.advice == ""


def test_a_diverged_trial_has_no_loss_and_fewer_steps():
    result = plain()
    assert {trial.status for trial in result.trials[-2:]} == {Status.DIVERGED}
    assert all(row["loss"] is None and row["steps"] < 60 for row in rows(result)[-2:])
    assert all(row["loss"] is not None and row["steps"] == 60 for row in rows(result)[:-2])


def test_the_dictionary_has_the_documented_keys():
    result = plain()
    printed = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert list(printed) == ["trials", "best", "low", "high", "engine", "resumed"]
    assert list(printed["trials"][0]) == ["lr", "seed", "loss", "steps", "status"]
    assert (printed["engine"], printed["resumed"]) == ("sequential", 0)


def test_the_same_seed_gives_the_same_sweep_on_both_engines():
    first, again, stacked = plain(), swept(), swept(engine="vectorised")
    assert rows(first) == rows(again)
    assert (stacked.engine, stacked.notes) == ("vectorised", ())
    assert [row["status"] for row in rows(first)] == [row["status"] for row in rows(stacked)]
    expected = [row["loss"] for row in rows(first)[:-2]]
    assert [row["loss"] for row in rows(stacked)[:-2]] == pytest.approx(expected, rel=1e-3)


def test_auto_says_what_it_chose_and_why():
    result = swept(engine="auto")
    assert result.engine == "sequential"
    assert "too little to be worth measuring" in result.choice.reason


def test_a_trial_that_raises_is_reported_and_the_others_continue():
    def loss(model, batch):
        if float(model.weight.detach().abs().max()) > 1.0:
            raise ValueError("bad record")
        return model(batch).square().mean()

    task = Task(
        model=nn.Linear(3, 1), loss=loss, data=[torch.ones(4, 3)], optimizer=torch.optim.Adam
    )
    result = swept(task=task, lr=[1e-3, 1e-2, 5.0], seeds=1)
    assert [row["status"] for row in rows(result)] == ["finished", "finished", "failed"]
    assert [trial.lr for trial in result.failed] == [5.0]
    assert result.failed[0].curve.error == "ValueError: bad record"
    assert rows(result)[2]["loss"] is None


def test_nothing_finished_has_no_best_rate():
    result = swept(task=quadratic_task(steepest=1e5), lr=[0.1, 1.0])
    assert (result.best, result.low, result.high) == (None, None, None)
    assert "no trial finished" in result.advice


@pytest.mark.parametrize(
    ("lr", "advice"), [([0.001, 0.002], "try higher rates"), ([0.1, 0.3], "try lower rates")]
)
def test_a_best_rate_at_the_edge_is_said_to_be_one(lr, advice):
    assert advice in swept(lr=lr).advice


def test_run_again_in_its_folder_it_repeats_nothing_and_has_every_curve(tmp_path):
    first = swept(out=tmp_path)
    again = swept(out=tmp_path)
    assert (first.resumed, again.resumed) == (0, 10)
    assert rows(first) == rows(again)
    for trial, other in zip(first.trials, again.trials, strict=True):
        assert np.array_equal(trial.curve.loss, other.curve.loss)
        assert np.array_equal(trial.curve.lr, other.curve.lr)
        assert trial.curve.validation == other.curve.validation


def test_more_rates_run_only_what_is_new(tmp_path):
    swept(out=tmp_path, lr=RATES[:3])
    result = swept(out=tmp_path)
    assert result.resumed == 6
    assert rows(result) == rows(plain())


@pytest.mark.parametrize(
    "changes",
    [{"total_steps": 50}, {"seed": 7}, {"shape": "cosine()"}, {"task": quadratic_task(dim=3)}],
)
def test_another_sweep_in_the_same_folder_shares_nothing(tmp_path, changes):
    swept(out=tmp_path, lr=RATES[1:3])
    result = swept(out=tmp_path, **changes)
    assert result.resumed == 0
    assert rows(result) == rows(swept(**changes))


def test_a_failed_trial_is_run_again(tmp_path):
    broken = [True]

    def loss(model, batch):
        if broken[0] and float(model.weight.detach().abs().max()) > 1.0:
            raise ValueError("bad record")
        return model(batch).square().mean()

    data, model = [torch.ones(4, 3)], nn.Linear(3, 1)
    task = Task(model=model, loss=loss, data=data, optimizer=torch.optim.Adam)
    assert len(swept(task=task, lr=[1e-3, 5.0], seeds=1, out=tmp_path).failed) == 1
    broken[0] = False
    result = swept(task=task, lr=[1e-3, 5.0], seeds=1, out=tmp_path)
    assert (result.resumed, result.failed) == (1, ())


SCRIPT = """
import sys, time
from learnrate.sweeping import sweep
from learnrate.testing import quadratic_task
import dataclasses
task = quadratic_task(total_steps=40)
slow = lambda model: time.sleep(0.05) or task.validate(model)
sweep(dataclasses.replace(task, validate=slow), [0.001 * (i + 1) for i in range(60)],
      seeds=1, engine=sys.argv[2], out=sys.argv[1], progress=False)
"""


def sweep_of(folder, engine="sequential"):
    """A process that sweeps into a folder, one slow trial after another."""
    return started_warm(SCRIPT, folder, engine)


def test_killed_at_any_moment_it_repeats_no_finished_trial(tmp_path):
    journal = tmp_path / JOURNAL_NAME
    with sweep_of(tmp_path) as process:
        wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 5, process)
        process.kill()
        process.wait()
    before = journal.read_bytes()
    with journal.open("ab") as file:
        file.write(b'{"key": "torn off in the mid')
    with sweep_of(tmp_path) as process:
        assert process.wait(HANG) == 0
    lines = journal.read_bytes().splitlines()
    whole = [json.loads(line) for line in lines if line.endswith(b"}")]
    assert journal.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    assert len({record["key"] for record in whole}) == len(whole) == 60


def test_two_sweeps_may_write_to_one_folder_at_once(tmp_path):
    with sweep_of(tmp_path) as first, sweep_of(tmp_path, "vectorised") as second:
        assert [first.wait(HANG), second.wait(HANG)] == [0, 0]
    records = [json.loads(line) for line in (tmp_path / JOURNAL_NAME).read_text().splitlines()]
    assert len({record["key"] for record in records}) == 60


def test_ctrl_c_keeps_what_has_ended(tmp_path, monkeypatch):
    ended = []

    def add_curve(journal, trial, curve):
        ended.append(trial)
        original(journal, trial, curve)
        if len(ended) == 3:
            raise KeyboardInterrupt

    original = verb.Journal.add_curve
    monkeypatch.setattr(verb.Journal, "add_curve", add_curve)
    with pytest.raises(KeyboardInterrupt):
        swept(out=tmp_path)
    monkeypatch.undo()
    assert swept(out=tmp_path).resumed == 3


def test_csv_has_one_line_a_trial(tmp_path):
    result = plain()
    result.to_csv(tmp_path / "sweep.csv")
    with (tmp_path / "sweep.csv").open() as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == ["lr", "seed", "loss", "steps", "status"]
    assert [float(row["lr"]) for row in read] == [trial.lr for trial in result.trials]
    assert (read[0]["status"], read[-1]["loss"]) == ("finished", "")


@pytest.mark.parametrize("task", [quadratic_task(), quadratic_task(steepest=1e5)])
def test_the_picture_shows_the_best_rate_if_there_is_one(task):
    result = swept(task=task)
    axes = result.plot()
    assert ("best" in axes.get_title(loc="left")) == (result.best is not None)
    axes.figure.draw_without_rendering()


BAD = {
    "no rates": ({"lr": []}, "got none"),
    "not increasing": ({"lr": [0.1, 0.1]}, "increasing finite rates above 0; got 0.1 after 0.1"),
    "not positive": ({"lr": [0.0, 0.1]}, "got 0.0"),
    "not finite": ({"lr": [0.1, math.inf]}, "got inf"),
    "not numbers": ({"lr": "1e-3:1:5"}, "Example: lr="),
    "one number": ({"lr": 0.1}, "Example: lr="),
    "an engine": ({"engine": "fast"}, "one of auto, sequential, vectorised, ray; got 'fast'"),
    "halving by one": (
        {"halving": 1},
        "whole number N of at least 2, to keep one trial in N; got 1",
    ),
    "no seeds": (
        {"seeds": 0},
        r"sweep\(seeds=...\) must be a whole number from 1 to 10,000; got 0",
    ),
    "no steps": ({"total_steps": 0}, "at least 1; got 0"),
    "a shape": ({"shape": "warmpu(3)"}, "warmup"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_misuse_is_one_clear_error(changes, message):
    with pytest.raises(ArgumentError, match=message):
        swept(**changes)


class Uncopyable(nn.Linear):
    def __deepcopy__(self, memo):
        raise RuntimeError("no copies")


def test_a_model_that_cannot_be_copied_is_one_clear_error():
    task = Task(
        model=Uncopyable(3, 1), loss=nn.MSELoss(), data=[(torch.ones(2, 3), torch.ones(2, 1))]
    )
    with pytest.raises(TaskError, match="cannot be copied"):
        swept(task=task)


def test_a_loader_that_can_be_read_once_is_one_clear_error():
    batches = iter([(torch.ones(2, 3), torch.ones(2, 1))])
    with pytest.raises(TaskError, match="can be read only once"):
        swept(task=Task(model=nn.Linear(3, 1), loss=nn.MSELoss(), data=batches))


@pytest.mark.parametrize("text", ["", "1:2", "1e-3:1:1", "1:1e-3:5", "0:1:5", "a,b", "1:2:3:4"])
def test_rates_that_cannot_be_read_are_refused(text):
    with pytest.raises(ArgumentError, match="lr must be"):
        rates_in(text)


# The estimate.


def noisy(seeds, deviation, generator):
    lrs = np.geomspace(1e-4, 1e0, 13)
    true = 10 ** generator.uniform(-3, -1)
    curve = 0.3 * np.log(lrs / true) ** 2
    return lrs, true, curve[:, None] + deviation * generator.standard_normal((13, seeds))


def test_without_noise_the_fit_finds_the_optimum_of_a_parabola():
    lrs, true, losses = noisy(1, 0.0, np.random.default_rng(0))
    assert best_rate(lrs, losses).best == pytest.approx(true, rel=1e-9)


def test_the_interval_covers_the_true_rate_about_as_often_as_stated():
    generator = np.random.default_rng(1)
    covered = []
    for _ in range(150):
        lrs, true, losses = noisy(3, 0.3, generator)
        estimate = best_rate(lrs, losses)
        covered.append(estimate.low <= true <= estimate.high)
    assert np.mean(covered) > 0.7


def test_a_rate_at_which_a_seed_did_not_finish_is_not_the_best():
    losses = np.array([[3.0, 3.0], [2.0, 2.0], [0.1, math.inf]])
    estimate = best_rate(np.array([0.01, 0.1, 1.0]), losses)
    assert estimate.best == pytest.approx(0.1)


def test_a_sweep_prints_its_best_rate_and_no_arrays():
    several = sweep(quadratic_task(total_steps=50), [0.001, 0.01, 0.1], seeds=1, progress=False)
    assert str(several).startswith("3 trials at 3 rates: the best is ")
    assert "array" not in str(several)
    assert f" ({several.low:.2g} .. " in str(several)
    single = sweep(quadratic_task(total_steps=50), [0.01], seeds=1, progress=False)
    assert str(single) == (
        "1 trial at 1 rate: the best is 0.01; "
        "only one rate was tried: try lower and higher ones too."
    )
