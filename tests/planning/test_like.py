"""Plans that start from earlier plans: belief, test by the first trials, and fallback."""

import math
from dataclasses import replace

import pytest

import learnrate
from learnrate import ArgumentError, Plan, Store
from learnrate.planning import EarlierPlan, EarlierRung
from learnrate.planning._earlier import belief_of
from learnrate.testing import quadratic_task

STEPS = 600


def plan_of(seed=0, **options):
    task = quadratic_task(total_steps=STEPS, noise=0.05)
    return learnrate.plan(task, budget=0.5, seed=seed, progress=False, **options)


@pytest.fixture(scope="module")
def alone():
    return plan_of()


@pytest.fixture(scope="module")
def again(alone):
    return plan_of(seed=1, like=alone)


def earlier(peak, total_steps=100):
    rungs = (EarlierRung(10, peak, peak / 2, peak * 2), EarlierRung(50, peak, peak / 2, peak * 2))
    return EarlierPlan("task", total_steps, peak, peak / 2, peak * 2, "ok", 0.01, rungs)


def test_a_belief_is_wider_the_more_earlier_plans_differ():
    alike = belief_of([earlier(0.1), earlier(0.1)], 100)
    unlike = belief_of([earlier(0.01), earlier(1.0)], 100)
    assert alike.log_peak == pytest.approx(math.log(0.1))
    assert unlike.log_peak == pytest.approx(math.log(0.1))
    assert unlike.log_std > 1.5 * alike.log_std
    assert unlike.spread > 1.5 * alike.spread
    assert belief_of([earlier(0.1)], 100).log_std > alike.log_std


def test_the_errors_of_earlier_plans_do_not_average_out():
    many = belief_of([earlier(0.1)] * 50, 100)
    assert many.log_std > math.log(4) / (2 * 1.2815516)


def test_a_belief_about_another_length_follows_the_usual_drift_and_is_wider():
    same, longer = (belief_of([earlier(0.1)], steps) for steps in (100, 1600))
    assert longer.log_peak == pytest.approx(math.log(0.1) - 0.2 * math.log(16))
    assert longer.log_std > same.log_std


def test_trials_are_compared_with_earlier_ones_of_the_closest_length():
    mean, std = earlier(0.1).of_trials(50)
    assert mean == pytest.approx(math.log(0.1))
    assert std == pytest.approx(math.log(4) / (2 * 1.2815516))
    mean, wider = earlier(0.1).of_trials(400)
    assert mean == pytest.approx(math.log(0.1) - 0.2 * math.log(8))
    assert wider > std


def test_a_like_plan_agrees_and_costs_about_a_third(alone, again):
    assert again.like.agrees
    assert again.cost < 0.2 < alone.cost
    assert again.peak == again.like.peak == pytest.approx(alone.peak, rel=0.01)
    assert again.low < alone.low < alone.high < again.high  # tasks that are alike may differ
    assert again.schedule == alone.schedule
    assert again.verdict == alone.verdict
    assert again.reason.startswith("An earlier plan of similar tasks (")
    assert again.like.trials == ()
    assert [plan.peak for plan in again.like.plans] == [alone.peak]


def scaled(record, *names):
    """Rates of a record, a thousand times lower."""
    return {name: getattr(record, name) / 1e3 for name in names}


def test_a_plan_that_the_first_trials_contradict_is_made_as_without_earlier_plans(alone):
    rungs = [replace(rung, **scaled(rung, "best", "low", "high")) for rung in alone.rungs]
    wrong = replace(alone, rungs=tuple(rungs), **scaled(alone, "peak", "low", "high"))
    plan = plan_of(like=wrong)
    assert not plan.like.agrees
    assert plan.cost <= 0.5
    assert "ended clearly lower than around" in plan.reason or "too little" in plan.reason
    assert alone.low <= plan.peak <= alone.high
    tried = {trial.lr for rung in plan.rungs for trial in rung.trials}
    assert plan.like.trials
    assert not tried <= {trial.lr for trial in plan.like.trials}


def test_the_file_of_a_plan_keeps_where_its_belief_is_from(again, tmp_path):
    again.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json").to_dict() == again.to_dict()
    assert "like" not in plan_of().to_dict()


def test_plans_are_taken_from_files_folders_and_stores(alone, tmp_path):
    alone.write(tmp_path / "plan.json")
    store = Store(tmp_path / "runs.db")
    for _ in range(2):  # the second time it is there already
        store.add_document("plan", alone.to_dict())
    assert store.plans(alone.task) == [alone.to_dict()]
    sources = [tmp_path, str(tmp_path / "plan.json"), store]
    plan = plan_of(seed=1, like=sources)
    assert [earlier.peak for earlier in plan.like.plans] == [alone.peak] * 3
    assert plan.like.plans[2].source == store.place


def test_what_is_not_a_plan_is_refused(alone, tmp_path):
    store = Store(tmp_path / "runs.db")
    with pytest.raises(ArgumentError, match=r"has no plan of noisy quadratic.*It has no plans"):
        plan_of(like=store)
    store.add_document("plan", {**alone.to_dict(), "task": "another"})
    with pytest.raises(ArgumentError, match="It has plans of another"):
        plan_of(like=store)
    with pytest.raises(ArgumentError, match="needs at least one plan"):
        plan_of(like=[])
    with pytest.raises(ArgumentError, match=r"plan\(like=...\) must be a plan, .*got 3"):
        plan_of(like=3)
    with pytest.raises(ArgumentError, match="like works for a plan of one rate"):
        plan_of(like=alone, rates="groups")
    with pytest.raises(ArgumentError, match="leave out more and compare_shapes"):
        plan_of(like=alone, more=1)


def test_a_budget_too_small_for_a_test_is_spent_as_without_earlier_plans(alone):
    task = quadratic_task(total_steps=200, noise=0.05)
    options = {"budget": 0.3, "progress": False}
    plan = learnrate.plan(task, like=alone, **options)
    assert not plan.like.agrees
    assert plan.like.trials == ()
    assert "does not pay for trials of 16 updates" in plan.reason
    assert plan.rungs == learnrate.plan(task, **options).rungs
