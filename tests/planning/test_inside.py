"""Runs that plan themselves."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import learnrate
from learnrate import ArgumentError, Store
from learnrate.edits import Edit, EditKind
from learnrate.planning import InsidePlan, plan_inside
from learnrate.planning._branches import highest_in_proportion
from learnrate.steering import replayed
from learnrate.testing import quadratic_task
from learnrate.trials import Status, Training, preserved

STEPS, SEED = 400, 1


def task_of(**options):
    return quadratic_task(total_steps=STEPS, noise=0.3, **options)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("inside") / "runs.db"


@pytest.fixture(scope="module")
def trained(place):
    options = {"store": place, "guard": True, "seed": SEED, "progress": False}
    return learnrate.train(task_of(), plan="inside", **options)


def test_the_search_costs_at_most_15_percent_and_the_decay_comes_last(trained):
    assert 0 < trained.inside.cost <= 0.15
    assert trained.inside.tests
    assert all(20 < test.step < 0.3 * STEPS for test in trained.inside.tests)
    assert trained.curve.steps == STEPS
    rates = trained.curve.lr[round(0.3 * STEPS) :]
    assert (np.diff(rates) < 0).all()
    assert trained.schedule(STEPS) == 0


def test_branches_leave_no_trace_and_the_change_is_an_edit_with_its_evidence(trained):
    (edit,) = trained.edits
    test = trained.inside.tests[0]
    assert (edit.kind, edit.author, edit.step) == (EditKind.SCALE, "plan", test.step)
    assert edit.value == pytest.approx(test.rate / test.lr, rel=1e-2)
    assert edit.reason == test.words
    plain = learnrate.train(task_of(), trained.inside.schedule, seed=SEED, progress=False).curve
    assert plain.loss[: test.step].tolist() == trained.curve.loss[: test.step].tolist()
    assert plain.loss[test.step + 1] != trained.curve.loss[test.step + 1]


def test_the_stored_run_repeats_to_the_last_bit_without_a_search(trained, place):
    recorded = replayed(Store(place), trained.run)
    again = learnrate.train(
        task_of(),
        recorded.base,
        edits=recorded.edits_to_repeat,
        seed=recorded.seed,
        progress=False,
    )
    assert again.curve.loss.tolist() == trained.curve.loss.tolist()
    assert (
        Store(place)
        .run(trained.run)
        .facts["plan"]
        .startswith("planned inside the run, at a cost of ")
    )
    assert json.loads(json.dumps(trained.to_dict()))["inside"]["tests"][0]["factors"] == [1, 4]


def test_a_person_who_holds_the_rate_keeps_it():
    hold = Edit(kind=EditKind.HOLD, author="ada", step=30)
    options = {"plan": "inside", "seed": SEED, "progress": False}
    steered = learnrate.train(task_of(), edits=[hold], **options)
    assert steered.inside.tests == []
    assert [edit.author for edit in steered.edits] == ["ada"]
    limited = learnrate.train(task_of(), limits={"factor": 1.5}, **options)
    assert limited.inside.tests
    assert limited.edits == ()


def test_ctrl_c_in_a_branch_ends_the_run_with_what_was_trained_before_it(trained):
    step = trained.inside.tests[0].step
    task = task_of()
    calls = {"updates": 0, "in_run": False}

    def update(model, optimizer, batch):
        calls["updates"] += 1
        if calls["updates"] == calls["last"]:
            raise KeyboardInterrupt
        optimizer.zero_grad()
        loss = task.loss(model, batch)
        loss.backward()
        optimizer.step()
        return loss

    searched = round(trained.inside.plan.cost * STEPS)
    calls["last"] = (
        searched + 2 + step + 3
    )  # a try of the first batch, for the plan and for the run
    interrupted = learnrate.train(
        replace(task, update=update), plan="inside", seed=SEED, progress=False
    )
    assert interrupted.curve.status is Status.INTERRUPTED
    assert interrupted.curve.steps == step
    assert interrupted.curve.loss.tolist() == trained.curve.loss[:step].tolist()


def inside_of(peak, low, high, total_steps=2000, cost=0.1):
    plan = plan_inside(task_of(), progress=False).plan
    plan = replace(plan, peak=peak, low=low, high=high, total_steps=total_steps, cost=cost)
    return InsidePlan(plan, (peak * learnrate.schedule("constant()")).over(total_steps))


@pytest.fixture(scope="module")
def sure_and_unsure():
    return [inside_of(0.1, 0.1 * math.exp(-w), 0.1 * math.exp(w)) for w in (1e-6, 2 * 1.28155)]


def test_branches_count_more_the_less_certain_the_plan_is(sure_and_unsure):
    sure, unsure = sure_and_unsure
    task = quadratic_task(total_steps=2000, noise=0.0)  # stable below 0.2: higher is better
    tests = []
    for inside in (sure, unsure):
        with preserved(task):
            training = Training(task, 0)
            assert inside.is_due(10**6)
            tests.append(inside.test(training, 200, 0.004))
    assert tests[0].rate == pytest.approx(0.1, rel=1e-4)
    losses = dict(zip(tests[1].factors, tests[1].loss, strict=True))
    reached = 0.004 * highest_in_proportion(losses, tests[1].before)
    assert 0.016 <= reached < 0.2
    # both errors are 2, so the rate is half-way, in logs, between that and 0.1
    assert tests[1].rate == pytest.approx(math.sqrt(0.1 * reached), rel=1e-3)


@pytest.mark.parametrize("start", [1e-3, 0.1])  # 100 times too low, and right
def test_the_run_continues_near_the_best_rate_wherever_it_began(start):
    inside = inside_of(start, start / 10, start * 10, total_steps=1000)
    task = quadratic_task(total_steps=1000, noise=0.3)  # the best fixed peaks are 0.03 to 0.15
    with preserved(task):
        training = Training(task, 0)
        for _ in range(133):
            training.update(start)
        test = inside.test(training, 133, start)
    assert 0.03 < test.rate < 0.15
    assert inside.cost <= 0.15
    assert test.before is not None
    assert test.to_dict()["before"] == test.before


def test_a_branch_that_diverges_is_not_preferred():
    inside = inside_of(0.1, 0.01, 1.0)
    task = quadratic_task(total_steps=2000, noise=0.0)
    with preserved(task):
        test = inside.test(Training(task, 0), 200, 1.0)
    assert test.loss[2] == math.inf or test.loss[2] > test.loss[0]
    assert test.rate < 1.0
    assert inside.cost == pytest.approx(0.1 + 3 * test.steps / 2000)


def test_a_run_without_room_for_branches_continues_as_planned():
    assert not inside_of(0.1, 0.01, 1.0, cost=0.149).is_due(10**6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "needs a schedule, or plan='inside', and not both"),
        ((0.1, "inside"), "needs a schedule, or plan='inside', and not both"),
        ((None, "outside"), "train\\(plan=...\\) must be 'inside', or None; got 'outside'"),
    ],
)
def test_a_schedule_or_a_plan_must_be_given(arguments, message):
    options = dict(zip(("schedule", "plan"), arguments, strict=False))
    with pytest.raises(ArgumentError, match=message):
        learnrate.train(task_of(), **options)


def test_a_run_too_short_for_a_search_is_refused():
    with pytest.raises(ArgumentError, match=r"needs a run of at least 147 updates.*got 100"):
        learnrate.train(task_of(), plan="inside", total_steps=100)
