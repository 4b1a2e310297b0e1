"""The verdict is weak where the evidence is, and says why."""

import math

import pytest

from learnrate.planning._loss_scale import LossScale, TrialLoss
from learnrate.planning._result import PlanVerdict, Rung, RungTrial
from learnrate.planning._surface import Surface
from learnrate.planning._verdict import judge

SURFACE = Surface(
    tuple(TrialLoss(200, math.log(rate), abs(math.log(rate))) for rate in (0.3, 1.0, 3.0)),
    800,
    0,
)


def rung(best, rates=(0.3, 3.0), steps=200):
    """Trials of one length, with the best rate that the fit puts there."""
    trials = tuple(RungTrial(rate, 0, 1.0, "finished", steps) for rate in rates)
    return Rung(steps, best, best / 2, best * 2, False, trials, (), ())


def verdict(*rungs, regret=0.01):
    return judge(rungs, SURFACE, 1.0, regret, LossScale(2.0, 0.5))


@pytest.mark.parametrize("best", [0.31, 1.0, 2.9])
def test_a_best_rate_between_those_tried_needs_no_bracket(best):
    assert verdict(rung(9.0, steps=50), rung(best))[0] is PlanVerdict.OK


@pytest.mark.parametrize("best", [0.2, 0.3, 3.0, 5.0])
def test_a_best_rate_beyond_those_tried_is_weak(best):
    plan_verdict, reason = verdict(rung(best, steps=50), rung(best))
    assert plan_verdict is PlanVerdict.WEAK
    assert "beyond the edge of the rates tried (0.3 to 3, 0.3 to 3)" in reason


def test_a_costly_uncertainty_and_a_single_horizon_are_weak():
    assert (
        "leave the best rate uncertain" in verdict(rung(1.0, steps=50), rung(1.0), regret=0.06)[1]
    )
    assert "paid for only one horizon" in verdict(rung(1.0))[1]


@pytest.mark.parametrize(("fall", "expected"), [(0.02, PlanVerdict.WEAK), (0.2, PlanVerdict.OK)])
def test_longer_trials_that_end_hardly_lower_are_weak(fall, expected):
    trial_losses = tuple(
        TrialLoss(steps, math.log(rate), abs(math.log(rate)) - fall * math.log(steps))
        for steps in (50, 200)
        for rate in (0.3, 1.0, 3.0)
    )
    rungs = [rung(1.0, steps=50), rung(1.0)]
    plan_verdict, reason = judge(
        rungs, Surface(trial_losses, 800, 0), 1.0, 0.01, LossScale(2.0, 0.5)
    )
    assert plan_verdict is expected
    assert ("ended hardly lower" in reason) is (expected is PlanVerdict.WEAK)
