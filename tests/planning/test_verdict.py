"""The verdict is weak where the evidence is, and says why."""

import math
import re

import pytest

from learnrate.planning._decision import decide, highest_peak
from learnrate.planning._ladder import Ladder
from learnrate.planning._loss_scale import LossScale
from learnrate.planning._plan import _rung
from learnrate.planning._result import PlanVerdict, RungTrial
from learnrate.planning._rung_losses import LadderTrial
from learnrate.planning._verdict import judge

SCALE = LossScale(8.0, 0.5)
RATES = (0.03, 0.1, 0.3, 1.0, 3.0)
BEST = math.log(0.3)
START = math.log(8.0)


def trials_at(steps, rung, log_loss, rates=RATES, repeats=1):
    trials = []
    for repeat in range(repeats):
        for rate in rates:
            loss = log_loss(steps, math.log(rate))
            finished = math.isfinite(loss)
            record = RungTrial(
                lr=rate,
                seed=repeat,
                loss=math.exp(loss) if finished else None,
                status="finished" if finished else "diverged",
                updates=steps,
            )
            trials.append(LadderTrial(rung, steps, math.log(rate), repeat, loss, steps, record))
    return trials


def bowl(slope=0.3, best=BEST):
    return lambda steps, log_lr: 1.5 + (log_lr - best) ** 2 / 5 - slope * math.log(steps)


def verdict(trials, total_steps=320, start=START):
    decision = decide(Ladder(1000, total_steps, math.log(0.3), start), trials)
    rungs = [_rung(rung, decision, trials, SCALE) for rung in sorted({t.rung for t in trials})]
    return judge(rungs, decision, SCALE)


def two_rungs(log_loss, **options):
    return trials_at(40, 0, log_loss) + trials_at(160, 1, log_loss, **options)


def test_a_bracketed_rate_close_to_the_whole_run_is_ok_and_its_cost_is_stated():
    answer, reason = verdict(two_rungs(bowl()))
    assert answer is PlanVerdict.OK
    assert "The run is expected to end " in reason


@pytest.mark.parametrize(
    ("rates", "place", "side"),
    [((0.03, 0.1, 0.3), "highest, 0.3", "above"), ((0.3, 1.0, 3.0), "lowest, 0.3", "below")],
)
def test_a_best_rate_at_the_edge_is_weak_and_the_side_is_named(rates, place, side):
    answer, reason = verdict(two_rungs(bowl(), rates=rates))
    assert answer is PlanVerdict.WEAK
    assert (
        f"of the rates tried with 160 updates, the {place}, ended with the lowest loss" in reason
    )
    assert f"so the best one may lie {side} it" in reason
    assert "expected to end" not in reason


def test_divergence_brackets_from_above():
    def log_loss(steps, log_lr):
        return math.inf if log_lr > 0.1 else bowl(best=0.0)(steps, log_lr)

    assert "of the rates tried" not in verdict(two_rungs(log_loss))[1]


def test_for_a_single_rate_no_side_is_named():
    trials = trials_at(40, 0, bowl()) + trials_at(160, 1, bowl(), rates=(0.3,))
    answer, reason = verdict(trials)
    assert answer is PlanVerdict.WEAK
    assert "only one rate, 0.3, was tried with 160 updates" in reason
    assert "above" not in reason
    assert "below" not in reason


def test_the_change_with_the_horizon_is_that_between_the_rates_in_the_same_sentences():
    reason = verdict(two_rungs(bowl(), rates=(0.03, 0.1, 0.3)))[1]
    numbers = re.search(
        r"and ([\d.]+) for 160 updates\..*horizon\^(-?\d\.\d\d).*That gives ([\d.]+) for 320",
        reason,
    )
    longest, change, whole = map(float, numbers.groups())
    assert whole == pytest.approx(longest * 2**change, rel=0.06)  # of two digits each


def test_a_peak_of_half_the_lowest_rate_that_diverged_is_said_to_be_that():
    def log_loss(steps, log_lr):
        return math.inf if log_lr > math.log(0.2) else -log_lr / 3 - 0.3 * math.log(steps)

    rates = (0.03, 0.1, 0.2, 0.21)
    trials = trials_at(40, 0, log_loss, rates) + trials_at(160, 1, log_loss, rates)
    reason = verdict(trials)[1]
    assert "0.105 is chosen, half of 0.21, the lowest rate that diverged." in reason
    assert "costs more" not in reason


def test_a_single_horizon_is_weak():
    assert "paid for only one horizon" in verdict(trials_at(160, 1, bowl()))[1]


def test_a_run_much_longer_than_any_trial_is_weak():
    assert "times longer than the longest trial" in verdict(two_rungs(bowl()), 160 * 40)[1]


def test_longer_trials_that_end_hardly_lower_are_weak():
    answer, reason = verdict(two_rungs(bowl(slope=0.02)))
    assert answer is PlanVerdict.WEAK
    assert "ended hardly lower" in reason


def test_trials_that_have_learned_a_small_part_are_weak():
    start = 1.5 - 0.3 * math.log(160) + 0.3  # one e-fold of horizon ago
    answer, reason = verdict(two_rungs(bowl()), start=start)
    assert answer is PlanVerdict.WEAK
    assert "of what the whole run does" in reason


def test_whole_runs_are_not_extrapolated():
    trials = trials_at(320, 1, bowl(), rates=(0.1, 0.17, 0.3, 0.5, 1.0), repeats=3)
    answer, reason = verdict(trials)
    assert answer is PlanVerdict.OK
    assert reason.startswith("The budget paid for 15 whole runs at 5 rates, so nothing is extrapo")


@pytest.mark.parametrize(("total_steps", "word"), [(2, "weak"), (15, "weak"), (16, "ok")])
def test_a_run_of_a_few_updates_is_weak_also_after_whole_runs(total_steps, word):
    rates = (0.1, 0.17, 0.3, 0.5, 1.0)
    trials = trials_at(total_steps, 1, bowl(), rates=rates, repeats=3)
    answer, reason = verdict(trials, total_steps=total_steps, start=START - 2.0)
    assert answer == word
    assert (f"the whole run has only {total_steps} updates" in reason) == (word == "weak")


@pytest.mark.parametrize(
    ("losses", "highest"),
    [
        ({0.1: 2.0, 0.4: math.inf, 1.6: math.inf}, 0.2),
        ({0.1: math.inf}, 0.05),
        ({0.1: 2.0, 0.4: 1.0}, math.inf),
    ],
)
def test_no_peak_lies_above_half_of_the_lowest_rate_that_diverged(losses, highest):
    trials = trials_at(20, 0, lambda _, log_lr: losses[round(math.exp(log_lr), 6)], tuple(losses))
    assert highest_peak(tuple(trials)) == highest
