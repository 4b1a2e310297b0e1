"""Trials that run at once: which ones, within the budget, with the answer of one after another."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import learnrate
from learnrate import ArgumentError, Task, TaskError
from learnrate.planning import JOURNAL_NAME, _engine, _plan, _trainer
from learnrate.planning._budget import Pace
from learnrate.planning._engine import TrialsTogether
from learnrate.planning._ladder import Ladder
from learnrate.planning._next_rate import SPACING
from learnrate.planning._result import RungTrial
from learnrate.planning._rung_losses import LadderTrial
from learnrate.planning._together import next_together
from learnrate.planning._trainer import PlanTrainer
from learnrate.schedules import shape
from learnrate.testing import quadratic_task
from learnrate.trials import Choice, Timing, Trial, costs_together, preserved

EIGHT = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4)


def ladder_of(budget, total_steps, costs=EIGHT, pace=None):
    return Ladder(
        budget, total_steps, 0.0, start=2.0, pace=pace or Pace(1.0, 0.0), costs_together=costs
    )


def bowl(proposal):
    """A parabola around the log rate 1, which learns with the length, and a cliff at 3."""
    if proposal.log_lr > 3.0:
        return math.inf
    return (proposal.log_lr - 1.0) ** 2 / 10 - 0.3 * math.log(proposal.steps)


def rounds_of(ladder, log_loss=bowl):
    """Climb a ladder on invented log losses; returns the trials of each round."""
    trials, rounds = [], []
    while proposals := next_together(ladder, trials):
        share = ladder.costs_together[len(proposals) - 1] / len(proposals)
        rounds.append(
            [
                LadderTrial(
                    rung=proposal.rung,
                    steps=proposal.steps,
                    log_lr=proposal.log_lr,
                    repeat=proposal.repeat,
                    log_loss=log_loss(proposal),
                    cost=ladder.cost(proposal.steps, share * proposal.steps),
                    record=RungTrial(
                        lr=math.exp(proposal.log_lr),
                        seed=proposal.repeat,
                        loss=math.exp(log_loss(proposal)),
                        status="finished",
                        updates=proposal.steps,
                        reason=proposal.reason,
                    ),
                    share=share,
                )
                for proposal in proposals
            ]
        )
        trials += rounds[-1]
        assert len(rounds) < 100
    return rounds


def test_a_rung_begins_with_rates_half_a_decade_apart_around_the_best_expected():
    first = rounds_of(ladder_of(500, 1000))[0]
    log_lrs = [trial.log_lr for trial in first]
    assert log_lrs == pytest.approx([place * SPACING for place in (-1.5, -0.5, 0.5, 1.5)])
    assert {(trial.rung, trial.steps, trial.repeat) for trial in first} == {(0, first[0].steps, 0)}


@pytest.mark.parametrize("budget", [60, 250, 500, 3000, 20_000])
def test_where_one_runs_after_another_the_ladder_asks_as_before(budget):
    alone = rounds_of(ladder_of(budget, 1000, costs=(1.0,)))
    assert {len(trials) for trials in alone} == {1}
    ladder, trials = ladder_of(budget, 1000, costs=(1.0,)), []
    for (trial,) in alone:
        proposal = ladder.next(trials)
        assert (proposal.log_lr, proposal.steps, proposal.repeat) == (
            trial.log_lr,
            trial.steps,
            trial.repeat,
        )
        trials.append(trial)


def test_the_same_budget_pays_for_more_and_longer_trials():
    alone, together = (
        rounds_of(ladder_of(500, 1000, costs=(1.0,))),
        rounds_of(ladder_of(500, 1000)),
    )
    longest = [
        max(trial.steps for group in rounds for trial in group) for rounds in (alone, together)
    ]
    assert longest[1] > 1.5 * longest[0]
    updates = [
        sum(trial.record.updates for group in rounds for trial in group)
        for rounds in (alone, together)
    ]
    assert updates[1] > 1.5 * updates[0]


def test_second_seeds_of_several_whole_runs_are_made_at_once():
    rounds = rounds_of(ladder_of(20_000, 1000))
    repeated = [group for group in rounds if group[0].repeat > 0]
    assert max(len(group) for group in repeated) > 1
    for group in rounds:
        assert len({(trial.steps, trial.repeat) for trial in group}) == 1
        assert len({trial.log_lr for trial in group}) == len(group)


@settings(deadline=None, max_examples=30)
@given(
    budget=st.integers(40, 30_000),
    total_steps=st.sampled_from([100, 1000, 5000]),
    gain=st.floats(0.05, 1.0),
    most=st.integers(1, 8),
)
def test_trials_that_cost_what_was_expected_stay_within_the_budget(
    budget, total_steps, gain, most
):
    costs = tuple(1 + gain * count for count in range(most))
    rounds = rounds_of(ladder_of(budget, total_steps, costs))
    spent = sum(trial.cost for trials in rounds for trial in trials)
    assert spent <= budget + sum(map(len, rounds))  # each cost is rounded
    assert all(len(trials) <= most for trials in rounds)


def test_where_trials_take_twice_as_long_as_expected_the_long_ones_are_half_as_long():
    ladder = ladder_of(4000, 10_000)
    short = [trial for trial in itertools.chain(*rounds_of(ladder)) if trial.rung == 0]
    slow = [replace(trial, cost=2 * trial.cost) for trial in short]
    left = [4000 - sum(trial.cost for trial in trials) for trials in (short, slow)]
    longest = [next_together(ladder, trials)[0] for trials in (short, slow)]
    assert [proposal.rung for proposal in longest] == [1, 1]
    expected = longest[0].steps * left[1] / left[0] / 2
    assert longest[1].steps == pytest.approx(expected, rel=0.01)


class TestCosts:
    TIMINGS = (
        Timing("sequential", 1, 1, 1.0),
        Timing("vectorised", 4, 1, 0.5),
        Timing("vectorised", 8, 1, 0.3),
        Timing("sequential", 1, 1, 1.1, processes=2),
        Timing("vectorised", 4, 1, 0.5, processes=2),
    )

    def costs(self, width, processes, most=8):
        engine = "vectorised" if width > 1 else "sequential"
        choice = Choice(engine, "", width, 1, processes, self.TIMINGS)
        return costs_together(choice, most)

    def test_a_stack_is_interpolated_between_the_widths_that_were_timed(self):
        costs = self.costs(8, 1)
        assert costs[0] == 1.0
        assert costs[3] == pytest.approx(4 * 0.5)
        assert costs[7] == pytest.approx(8 * 0.3)
        assert costs[5] == pytest.approx((4 * 0.5 + 8 * 0.3) / 2)

    def test_processes_share_the_trials(self):
        costs = self.costs(1, 2, most=4)
        assert costs == pytest.approx((1.0, 1.1, 2.2, 2.2))

    def test_more_than_a_stack_holds_are_run_one_stack_after_another(self):
        assert self.costs(4, 1)[7] == pytest.approx(2 * 4 * 0.5)

    def test_trials_that_run_one_after_another_have_one_cost(self):
        assert self.costs(1, 1) == (1.0,)
        assert costs_together(Choice("sequential", "nothing was timed."), 8) == (1.0,)


@pytest.fixture
def small_plans_too(monkeypatch):
    """Measure how trials run at once for short plans, too."""
    monkeypatch.setattr(_trainer, "_WORTH_MEASURING", (0.0, 300))


def network_task(total_steps=400):
    x = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
    y = torch.sin(2 * x[:, :2]).sum(1, keepdim=True)
    return Task(
        model=nn.Sequential(
            nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
        ),
        loss=nn.MSELoss(),
        data=[(x[rows], y[rows]) for rows in torch.arange(192).split(32)],
        validate=lambda model: nn.functional.mse_loss(model(x[192:]), y[192:]).item(),
        optimizer=lambda model: torch.optim.Adam(model.parameters(), lr=1e-3),
        total_steps=total_steps,
    )


@pytest.fixture
def stacks(monkeypatch, small_plans_too):
    """A machine on which stacks are always faster, so that a busy one does not decide the test."""
    choose = _engine.choose_engine

    def chosen(task, trials, name):
        choice, engine = choose(task, trials, "vectorised")
        if choice.engine != "vectorised":
            return choice, engine
        alone = Timing("sequential", 1, 1, 1e-3)
        timings = (alone, Timing("vectorised", choice.width, 1, 2.5e-4))
        return replace(choice, threads=1, timings=timings), engine

    monkeypatch.setattr(_engine, "choose_engine", chosen)


def test_a_plan_whose_trials_run_at_once_finds_the_rate_of_an_exhaustive_sweep(stacks):
    task = network_task(total_steps=150)
    plan = learnrate.plan(task, budget="20s", progress=False)  # enough on a busy machine, too
    assert "up to 8 trials ran at once, 4 times as fast as one by one" in plan.budget_reason
    assert plan.cost <= plan.budget
    rates = [plan.peak * 10 ** (place / 3) for place in range(-4, 5)]
    swept = learnrate.sweep(task, rates, seeds=2, engine="vectorised", progress=False)
    mean = dict(zip(rates, swept.losses.mean(axis=1).tolist(), strict=True))
    assert mean[plan.peak] < 1.1 * min(mean.values())


def test_a_plan_that_is_made_again_trains_nothing_and_says_the_same(tmp_path, stacks):
    task = network_task()
    first = learnrate.plan(task, budget="3s", out=tmp_path, progress=False)
    journal = (tmp_path / JOURNAL_NAME).read_text()
    again = learnrate.plan(task, budget="3s", out=tmp_path, progress=False)
    assert again.to_dict() == first.to_dict()
    assert (tmp_path / JOURNAL_NAME).read_text() == journal


def test_after_a_kill_within_a_round_only_the_trials_that_are_missing_are_trained(
    tmp_path, stacks
):
    task, arguments = network_task(), {"budget": "3s", "out": tmp_path, "progress": False}
    first = learnrate.plan(task, **arguments)
    journal = tmp_path / JOURNAL_NAME
    lines = [line for line in journal.read_text().splitlines(keepends=True) if '"curve"' in line]
    first_rung = len(first.rungs[0].trials)
    assert first_rung >= 4
    others = [line for line in journal.read_text().splitlines(keepends=True) if line not in lines]
    before_the_kill = "".join([line for line in others if "end after" not in line] + lines[:2])
    journal.write_text(before_the_kill)
    again = learnrate.plan(task, **arguments)
    assert journal.read_text().startswith(before_the_kill)
    by_rate = [{trial.lr: trial.loss for trial in plan.rungs[0].trials} for plan in (first, again)]
    for lr in by_rate[0].keys() & by_rate[1].keys():
        assert by_rate[1][lr] == pytest.approx(by_rate[0][lr], rel=1e-4)
    assert len(by_rate[0].keys() & by_rate[1].keys()) >= 4


def test_a_task_that_cannot_be_stacked_is_trained_one_after_another(stacks):
    task = network_task()
    model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.Linear(32, 1))
    plan = learnrate.plan(replace(task, model=model), budget="1s", progress=False)
    assert "at once" not in plan.budget_reason


def test_a_trial_that_fails_ends_the_plan_with_its_message(stacks):
    task, calls = network_task(), []

    def loss(model, batch):
        calls.append(1)
        if len(calls) > 120:
            raise RuntimeError("shapes do not match")
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    with pytest.raises(TaskError, match="RuntimeError: shapes do not match"):
        learnrate.plan(
            replace(task, loss=loss), budget="20s", progress=False
        )  # on a busy machine, too


def test_nothing_of_the_task_changes(stacks):
    task = network_task()
    before = [parameter.detach().clone() for parameter in task.model.parameters()]
    state = torch.get_rng_state()
    learnrate.plan(task, budget="1s", progress=False)
    assert all(map(torch.equal, before, task.model.parameters()))
    assert torch.equal(state, torch.get_rng_state())


def test_the_measured_cost_lies_between_that_of_one_trial_and_that_of_all_trials(small_plans_too):
    task = network_task()
    trials = [Trial((lr * shape("linear()")).over(200), 0) for lr in (1e-4, 1e-3, 1e-2, 1e-1)]
    with preserved(task):
        together = TrialsTogether.measured(task, trials, Pace(1e-3, 0.0))
    assert all(1 <= cost <= count for count, cost in enumerate(together.costs, 1))
    assert list(together.costs) == sorted(together.costs)
    assert 0 < together.pace.update <= 1e-3
    assert TrialsTogether.from_record(together.to_record()) == together


@pytest.mark.parametrize("update", [1e-6, 0.2])
def test_short_plans_and_long_updates_are_not_measured(update, monkeypatch):
    """A long update leaves nothing idle, and its model may be too large for a copy."""
    monkeypatch.setattr(
        PlanTrainer, "_update_seconds", property(lambda _: update, lambda *_: None)
    )
    monkeypatch.setattr(TrialsTogether, "measured", None)
    plan = learnrate.plan(quadratic_task(), budget=0.5, progress=False)
    assert plan.budget_reason == "50% of one run"


@pytest.mark.parametrize(("cost", "worth_it"), [(6.0, False), (5.0, True)])
def test_a_small_gain_is_not_worth_trials_without_each_others_results(cost, worth_it):
    costs = tuple(1 + (cost - 1) * count / 7 for count in range(8))
    choice = Choice("vectorised", "", 8, 1, 1)
    assert TrialsTogether(choice, costs, Pace(1e-3, 0.0)).worth_it == worth_it


def test_a_plan_whose_trials_all_ran_alone_does_not_say_that_any_ran_at_once():
    """As one that tests earlier plans, whatever was measured before."""
    together = TrialsTogether(Choice("vectorised", "", 8, 1, 1), EIGHT, Pace(1e-3, 0.0))
    at_once = list(itertools.chain(*rounds_of(ladder_of(500, 1000))))
    alone = [replace(trial, share=1.0) for trial in at_once]
    assert "up to 8 trials ran at once" in _plan._at_once(together, at_once)
    assert _plan._at_once(together, alone) == _plan._at_once(None, alone) == ""


def test_an_engine_that_no_plan_has_is_refused():
    with pytest.raises(ArgumentError, match="engine must be one of auto, sequential; got 'ray'"):
        learnrate.plan(quadratic_task(), engine="ray")
