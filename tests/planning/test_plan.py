"""The plan, end to end on real training: right, within its budget, the same every time."""

import functools
import json
import math
import re

import pytest
import torch
from torch import nn

import learnrate
from learnrate import ArgumentError, ScheduleError, Task, TaskError
from learnrate.planning import JOURNAL_NAME
from learnrate.planning._clock import PlanClock
from learnrate.planning._trainer import PlanTrainer
from learnrate.testing import quadratic_task
from learnrate.trials import run_trial
from processes import wait_until
from warm import started_warm

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "sgd": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
}


@functools.cache
def digits():
    """Images and classes in a random order, since else held-out writers are others."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return torch.tensor(pixels, dtype=torch.float32)[order] / 16, torch.tensor(labels)[order]


def digits_task(optimizer):
    """A small network on real digits."""
    images, classes = digits()

    def batches(seed):
        order = torch.randperm(1300, generator=torch.Generator().manual_seed(seed))
        return [(images[rows], classes[rows]) for rows in order.split(64)[:-1]]

    def validate(model):
        return nn.functional.cross_entropy(model(images[1300:]), classes[1300:]).item()

    return Task(
        model=lambda: nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)),
        loss=nn.CrossEntropyLoss(),
        data=batches,
        optimizer=OPTIMIZERS[optimizer],
        validate=validate,
        total_steps=300,
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_planned_peaks_are_near_the_best_of_an_exhaustive_sweep(optimizer):
    task = digits_task(optimizer)
    plans = [learnrate.plan(task, budget=0.5, seed=seed, progress=False) for seed in range(3)]
    low, high = (1e-4, 1e-1) if optimizer == "adam" else (1e-3, 1.0)
    peaks = [plan.peak for plan in plans]
    rates = sorted({*peaks, *(low * (high / low) ** (i / 12) for i in range(13))})
    swept = learnrate.sweep(task, rates, seeds=2, engine="vectorised", seed=5, progress=False)
    losses = dict(zip(rates, swept.losses.mean(axis=1), strict=True))
    assert all(plan.cost <= 0.5 for plan in plans)
    assert all(plan.low <= plan.peak <= plan.high for plan in plans)
    assert sum(losses[peak] for peak in peaks) / 3 < 1.25 * min(losses.values())


def test_the_schedule_is_the_peak_with_warm_up_and_decay_bound_to_the_total():
    plan = learnrate.plan(quadratic_task(), total_steps=400, budget=0.5)
    assert plan.schedule == learnrate.schedule(f"{plan.peak} * warmup(20) >> linear(380)")
    assert plan.schedule.total_steps == plan.total_steps == 400


@pytest.mark.parametrize("budget", [0.1, 0.25, 0.5, 1.0])
def test_the_budget_is_kept(budget):
    plan = learnrate.plan(quadratic_task(), total_steps=1000, budget=budget)
    assert 0 < plan.cost <= budget
    assert sum(trial.updates for rung in plan.rungs for trial in rung.trials) <= budget * 1000


def test_the_planned_peak_is_stable_where_stability_is_known():
    plan = learnrate.plan(quadratic_task(steepest=10.0), total_steps=800, budget=0.5)
    assert plan.peak < 0.2


def test_the_same_seed_gives_the_same_plan():
    first, second = (
        learnrate.plan(quadratic_task(), total_steps=300, seed=4, budget=0.5) for _ in range(2)
    )
    assert first.to_dict() == second.to_dict()


def test_another_shape_is_that_of_every_trial_and_of_the_schedule(tmp_path):
    plan = learnrate.plan(
        quadratic_task(), total_steps=400, shape="cosine()", out=tmp_path, budget=0.5
    )
    assert plan.schedule == learnrate.schedule(f"{plan.peak} * cosine(400)")
    default = learnrate.plan(quadratic_task(), total_steps=400, out=tmp_path, budget=0.5)
    shared = {trial.lr: trial.loss for trial in default.rungs[0].trials}
    assert any(shared.get(trial.lr, trial.loss) != trial.loss for trial in plan.rungs[0].trials)


@pytest.mark.parametrize(
    ("shape", "message"),
    [("0.1 * linear()", "without the factor 0.1"), ("linear(50)", "which is 50 steps long")],
)
def test_a_shape_states_neither_peak_nor_length(shape, message):
    with pytest.raises(ScheduleError, match=message):
        learnrate.plan(quadratic_task(), shape=shape, budget=0.5)


def test_the_rest_of_a_run_is_planned_from_its_state():
    """Near its end a noisy quadratic wants another rate than at its start; trials start there."""
    task = quadratic_task(total_steps=400)
    half = learnrate.train(task, "0.02 * warmup(20) >> constant(180)", progress=False)
    state = {"model": half.model.state_dict(), "optimizer": half.optimizer.state_dict()}
    before = {name: value.clone() for name, value in state["model"].items()}
    plan = learnrate.replan(task, state, remaining=200, budget=0.5)
    assert plan.schedule == learnrate.schedule(f"{plan.peak} * linear(200)")
    assert plan.cost <= 0.5
    ended = learnrate.train(task.starting_from(state), plan.schedule, progress=False).curve.final
    fresh = learnrate.train(task, plan.schedule, progress=False).curve.final
    assert ended < fresh
    assert all(torch.equal(state["model"][name], value) for name, value in before.items())


@pytest.mark.parametrize("shape", [None, "warmup(50) >> cosine()"])
def test_trials_warm_up_as_long_as_the_run_they_stand_for(shape, monkeypatch):
    trained = []

    def noted(task, trial, **options):
        trained.append(trial.schedule)
        return run_trial(task, trial, **options)

    monkeypatch.setattr("learnrate.planning._trainer.run_trial", noted)
    plan = learnrate.plan(quadratic_task(), total_steps=1000, shape=shape, budget=1.0)
    assert plan.schedule.warmup_steps == 50
    warmups = {schedule.total_steps: schedule.warmup_steps for schedule in trained}
    assert {*warmups} == {rung.steps for rung in plan.rungs}
    for steps, warmup in warmups.items():
        assert warmup == min(50, round(0.3 * steps))
    assert max(warmups.values()) == 50


def test_more_trials_go_beyond_the_budget_and_train_nothing_again(tmp_path):
    first = learnrate.plan(quadratic_task(), total_steps=2000, budget=0.1, out=tmp_path)
    journal = (tmp_path / JOURNAL_NAME).read_text()
    assert first.verdict == "weak"
    assert f"Two further trials of {first.further.steps:,} updates" in first.reason
    further = learnrate.plan(quadratic_task(), total_steps=2000, budget=0.1, out=tmp_path, more=1)
    assert first.cost < further.cost <= first.cost + first.further.cost + 1e-9
    added = (tmp_path / JOURNAL_NAME).read_text().removeprefix(journal)
    assert added.count("\n") >= 1
    assert further.high / further.low < first.high / first.low


def test_warm_up_and_decay_are_compared_on_request():
    plan = learnrate.plan(quadratic_task(), total_steps=2000, compare_shapes=True, budget=0.5)
    shapes = [trial.shape for trial in plan.shapes]
    assert shapes[0] == "warmup(5%) >> linear()"
    assert len(set(shapes)) == 6
    assert (
        len({trial.lr for trial in plan.shapes}) == 2
    )  # a stable phase is tried at half the rate
    assert "warm-up" in plan.reason
    assert plan.cost <= 0.5 + 6 * plan.shapes[0].updates / 2000
    assert str(plan.schedule.split()[1]).count(">>") <= 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"compare_shapes": True, "shape": "cosine()"}, "leave out one"),
        ({"compare_shapes": True, "total_steps": 100}, "at least 256 updates"),
        ({"more": -1}, "more must be a whole number from 0 to 1000; got -1"),
        ({"more": 10**23}, f"more must be a whole number from 0 to 1000; got {10**23}"),
    ],
)
def test_what_cannot_be_compared_or_continued_is_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        learnrate.plan(quadratic_task(), **arguments)


def test_a_task_with_losses_below_zero_can_be_planned():
    task = quadratic_task()
    shifted = Task(
        model=task.model,
        loss=lambda model, batch: task.loss(model, batch) - 20.0,
        data=task.data,
        optimizer=task.optimizer,
        validate=lambda model: task.validate(model) - 20.0,
        total_steps=400,
    )
    plan = learnrate.plan(shifted, budget=0.5)
    assert 0.001 < plan.peak < 0.2
    assert all(math.isfinite(loss) for rung in plan.rungs for loss in rung.fit_loss)


def test_a_small_budget_answers_but_says_that_it_is_weak():
    plan = learnrate.plan(quadratic_task(), total_steps=300, budget=0.1)
    assert plan.verdict == "weak"
    assert "weak: " in plan.reason


def test_the_reason_states_the_rungs_the_drift_and_the_choice():
    plan = learnrate.plan(quadratic_task(), total_steps=1000, budget=0.5)
    for rung in plan.rungs:
        assert f"{rung.best:.2g} for {rung.steps:,} updates" in plan.reason
    assert re.search(r"expected to change as horizon\^-?\d\.\d\d", plan.reason)
    assert f"{plan.peak:.3g} is chosen" in plan.reason
    cost = f"expected to end {math.expm1(plan.expected_regret):.1%} above the best"
    assert (cost in plan.reason) is (plan.verdict == "ok")


def test_a_plan_run_again_in_its_folder_measures_nothing_again(tmp_path):
    updates = []

    def counted(task):
        def loss(model, batch):
            updates.append(1)
            return task.loss(model, batch)

        return Task(
            model=task.model,
            loss=loss,
            data=task.data,
            optimizer=task.optimizer,
            validate=task.validate,
            total_steps=400,
        )

    task = counted(quadratic_task())
    first = learnrate.plan(task, out=tmp_path, budget=0.5)
    first_updates, updates[:] = len(updates), []
    again = learnrate.plan(task, out=tmp_path, budget=0.5)
    assert again.to_dict() == first.to_dict()
    assert first_updates > 100
    assert len(updates) <= 4  # the first batch, tried before anything else


def test_another_task_in_the_same_folder_is_measured_anew(tmp_path):
    gentle = learnrate.plan(quadratic_task(steepest=10.0), out=tmp_path, budget=0.5)
    steep = learnrate.plan(quadratic_task(steepest=1000.0), out=tmp_path, budget=0.5)
    assert steep.peak < gentle.peak / 10


def test_a_trial_whose_record_was_cut_off_is_trained_again(tmp_path):
    first = learnrate.plan(quadratic_task(), out=tmp_path, budget=0.5)
    journal = tmp_path / JOURNAL_NAME
    journal.write_bytes(journal.read_bytes()[:-25])
    again = learnrate.plan(quadratic_task(), out=tmp_path, budget=0.5)
    assert again.to_dict() == first.to_dict()
    assert learnrate.plan(quadratic_task(), out=tmp_path, budget=0.5).to_dict() == first.to_dict()


KILLED = """
import sys, time, learnrate
from learnrate.testing import quadratic_task
task = quadratic_task(total_steps=3000)
def slow(model, batch):
    time.sleep(0.0005)
    return task.loss(model, batch)
same = learnrate.Task(model=task.model, loss=slow, data=task.data, optimizer=task.optimizer,
                      validate=task.validate, total_steps=3000)
learnrate.plan(same, out=sys.argv[1], budget=0.5)
"""


def test_a_plan_killed_at_any_moment_continues_where_it_was(tmp_path):
    journal = tmp_path / JOURNAL_NAME
    with started_warm(KILLED, tmp_path) as process:
        wait_until(
            lambda: journal.exists() and journal.read_text().count("\n") >= 4,
            process,
            interval=0.01,
        )
        process.kill()
        process.wait()
    kept_lines = journal.read_text().splitlines()
    resumed = learnrate.plan(quadratic_task(total_steps=3000), out=tmp_path, budget=0.5)
    assert journal.read_text().splitlines()[: len(kept_lines)] == kept_lines
    assert (
        resumed.to_dict() == learnrate.plan(quadratic_task(total_steps=3000), budget=0.5).to_dict()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"total_steps": 0},
            "total_steps must be a whole number of optimizer updates, at least 1; got 0",
        ),
        (
            {"budget": 0.0},
            "or a share of one run, above 0 and at most 1, such as 0.5 or 50%; got 0.0",
        ),
        ({"budget": 1.5}, "at most 1, such as 0.5 or 50%; got 1.5"),
        ({"budget": "90"}, "at most 1, such as 0.5 or 50%; got '90'"),
        ({"budget": "0s"}, "a time such as 90s, 10min or 1h, .* got '0s'"),
        ({"budget": "2 days"}, "a time such as 90s, 10min or 1h, .* got '2 days'"),
        (
            {"total_steps": 30, "budget": 0.5},
            "is 15 updates; a plan needs at least 22. The least budget of this run is 0.734",
        ),
        ({"total_steps": 20, "budget": 1.0}, "at least 22. Plan for a run of at least 22 steps"),
    ],
)
def test_a_bad_argument_is_named_with_its_rule_and_value(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        learnrate.plan(quadratic_task(), **arguments)


def test_a_task_without_a_length_needs_one():
    with pytest.raises(ArgumentError, match="the length of a whole run is not known"):
        learnrate.plan(quadratic_task(total_steps=None), budget=0.5)


def test_a_loss_that_does_not_depend_on_the_rate_is_refused():
    def loss(model, batch):
        return 0.0 * model(batch).sum() + 2.3

    task = quadratic_task()
    flat = Task(model=task.model, loss=loss, data=task.data, total_steps=400)
    with pytest.raises(
        TaskError, match="does not depend on the parameters that the optimizer trains"
    ):
        learnrate.plan(flat, budget=0.5)


def test_a_failing_trial_ends_the_plan_with_its_rate_and_seed():
    task, calls = quadratic_task(), []

    def loss(model, batch):
        calls.append(1)
        if len(calls) > 60:
            raise RuntimeError("shapes do not match")
        return task.loss(model, batch)

    failing = Task(model=task.model, loss=loss, data=task.data, total_steps=400)
    with pytest.raises(TaskError, match=r"the trial at rate .*RuntimeError: shapes do not match"):
        learnrate.plan(failing, budget=0.5)


def test_a_run_so_short_that_a_sweep_fits_gets_whole_runs_with_several_seeds():
    task = quadratic_task(total_steps=60)
    plan = learnrate.plan(task, budget="10min")
    assert plan.budget_reason.startswith("10 min, which pays for a sweep of whole runs; ")
    whole = plan.rungs[-1]
    assert (whole.steps, whole.bracketed, plan.verdict) == (60, True, "ok")
    assert len({trial.seed for trial in whole.trials}) > 1
    rates = sorted({trial.lr for trial in whole.trials})
    swept = learnrate.sweep(task, rates, seeds=5, engine="vectorised", seed=9, progress=False)
    assert swept.low <= plan.peak <= swept.high
    assert plan.high / plan.low < 3


def test_the_updates_that_a_time_pays_for_are_stored_with_the_trials(tmp_path):
    task = quadratic_task(total_steps=60)
    first = learnrate.plan(task, budget="2s", out=tmp_path)
    journal = (tmp_path / JOURNAL_NAME).read_text()
    again = learnrate.plan(task, budget="2s", out=tmp_path)
    assert again.to_dict() == first.to_dict()
    assert (tmp_path / JOURNAL_NAME).read_text() == journal


def test_a_plan_is_allowed_what_it_costs_even_if_training_was_faster_than_expected(monkeypatch):
    monkeypatch.setattr(PlanTrainer, "_update_seconds", property(lambda _: 12.0, lambda *_: None))
    plan = learnrate.plan(
        quadratic_task(total_steps=60), budget="10min", more=1, engine="sequential"
    )
    assert plan.cost > 600 / (12.0 * 60)  # runs, at the speed that was expected
    assert plan.budget >= plan.cost
    assert "which paid for" in plan.budget_reason


def test_a_plan_ends_when_its_time_is_over_and_ends_there_when_it_is_made_again(
    tmp_path, monkeypatch
):
    task = quadratic_task(total_steps=60)
    answers = iter([False, False, True])
    with monkeypatch.context() as patch:
        patch.setattr(PlanClock, "is_over", lambda _clock, _seconds: next(answers))
        first = learnrate.plan(task, budget="10min", out=tmp_path, engine="sequential")
    trials = sum(len(rung.trials) for rung in first.rungs)
    assert "which was over after" in first.budget_reason
    assert trials == 5  # three are made however long they take
    again = learnrate.plan(task, budget="10min", out=tmp_path, engine="sequential")
    assert again.to_dict() == first.to_dict()


@pytest.mark.parametrize("total_steps", [800, 2000])
def test_by_default_a_plan_makes_half_a_run_however_long_that_takes(total_steps, monkeypatch):
    """As where training is much slower than it was in the range test."""
    monkeypatch.setattr(PlanClock, "is_over", lambda _clock, _seconds: True)
    task = quadratic_task(total_steps=total_steps)
    plan = learnrate.plan(task, engine="sequential", progress=False)
    longest = plan.rungs[-1]
    assert 0.5 - longest.steps / total_steps < plan.cost <= 0.5
    assert longest.steps == max(rung.steps for rung in plan.rungs)


def test_losses_that_become_negative_are_compared_whatever_their_offset():
    """The range test sees none that is negative, so the plan begins with logs of the losses."""
    torch.manual_seed(0)
    inputs = torch.randn(256, 4)

    def planned(offset):
        def loss(model, batch):
            return (model(batch) - batch.sum(1, keepdim=True)).square().mean() - offset

        task = Task(
            model=lambda: nn.Linear(4, 1),
            loss=loss,
            data=list(inputs.split(32)),
            optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
            validate=lambda model: loss(model, inputs).item(),
            total_steps=300,
        )
        return learnrate.plan(task, budget=0.5, progress=False)

    plans = [planned(offset) for offset in (0.5, 0.005)]
    assert all(min(plan.range_test["loss"]) > 0 for plan in plans)
    assert all(min(trial.loss for trial in plan.rungs[-1].trials) < 0 for plan in plans)
    assert plans[0].peak == plans[1].peak


def test_the_sign_of_a_training_loss_does_not_matter_where_trials_are_compared_by_validation():
    """As in policy gradients, whose training loss is negative and need not fall."""
    inputs, draws = torch.randn(256, 4, generator=torch.manual_seed(0)), torch.manual_seed(1)

    def error(model, batch):
        return (model(batch) - batch.sum(1, keepdim=True)).square().mean()

    def planned(offset):
        task = Task(
            model=lambda: nn.Linear(4, 1),
            loss=lambda model, batch: error(model, batch) - offset,
            data=list(inputs[torch.randperm(256, generator=draws.manual_seed(1))].split(32)),
            optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
            validate=lambda model: error(model, inputs).item(),
            total_steps=300,
        )
        return learnrate.plan(task, budget=0.5, progress=False)

    positive, negative = planned(0.0), planned(100.0)
    assert max(negative.range_test["loss"][:5]) < 0
    assert negative.low < positive.peak < negative.high
    assert negative.peak == pytest.approx(positive.peak, rel=0.5)


@pytest.mark.parametrize("validated", [True, False])
def test_training_losses_below_zero_whose_first_is_the_lowest_are_planned(validated):
    """As in policy gradients, where the range test may see no improvement at all."""
    batches = torch.randn(256, 4, generator=torch.manual_seed(0)).split(32)
    levels = [10.0] + [5.0] * (len(batches) - 1)

    def error(model, batch):
        return (model(batch) - batch.sum(1, keepdim=True)).square().mean()

    task = Task(
        model=lambda: nn.Linear(4, 1),
        loss=lambda model, batch: error(model, batch[0]) - batch[1],
        data=list(zip(batches, levels, strict=True)),
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        validate=(lambda model: error(model, torch.cat(batches)).item()) if validated else None,
        total_steps=300,
    )
    plan = learnrate.plan(task, budget=0.5, progress=False)
    assert plan.range_test["loss"][0] == min(plan.range_test["loss"]) < 0
    assert 1e-3 < plan.peak < 1.0  # 2 over the largest eigenvalue of the Hessian diverges


def test_a_time_that_pays_for_nothing_is_refused():
    with pytest.raises(ArgumentError, match=r"budget 0\.0001 s of 400 steps is \d+ updates"):
        learnrate.plan(quadratic_task(), budget="0.0001s")


def test_json_has_neither_nan_nor_infinity():
    plan = learnrate.plan(quadratic_task(), total_steps=500, budget=0.5)
    assert json.loads(json.dumps(plan.to_dict(), allow_nan=False)) == json.loads(
        json.dumps(plan.to_dict())
    )


def test_what_is_not_a_task_is_refused():
    with pytest.raises(
        learnrate.ArgumentError, match=r"plan\(task=\.\.\.\) must be a learnrate\.Task"
    ):
        learnrate.plan("my_task.py:task")
