"""Sentences about each stage of a plan, as plain text; the caller escapes it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from learnrate._numbers import rate_text

if TYPE_CHECKING:
    from learnrate.planning import Plan, Rung

__all__ = [
    "about_chosen",
    "about_cost",
    "about_drift",
    "about_interval",
    "about_range_test",
    "about_rising_rate",
    "about_rung",
    "about_schedule",
    "about_verdict",
    "count_text",
    "range_test_updates",
    "spent",
]


def spent(plan: Plan) -> int:
    """The updates of the range test and of all trials.

    Trials that ran at once cost less than their updates.
    """
    at_least = _of_trials(plan) + len(plan.range_test["loss"])
    return max(round(plan.cost * plan.total_steps), at_least)


def range_test_updates(plan: Plan) -> int:
    """The updates of the range test: all updates minus the trials'."""
    return spent(plan) - _of_trials(plan)


def _of_trials(plan: Plan) -> int:
    return sum(trial.updates for rung in plan.rungs for trial in rung.trials)


def about_interval(plan: Plan) -> str:
    """A sentence on the 80 % interval of the best rate."""
    return (
        f"With a probability of 80 % the best rate lies between {rate_text(plan.low, 2)} "
        f"and {rate_text(plan.high, 2)}."
    )


def about_verdict(plan: Plan) -> str:
    """The meaning of the verdict for the reader."""
    if plan.verdict == "ok":
        return "the evidence supports the answer"
    return "the evidence is poor; the reason below says what would help"


def about_cost(plan: Plan) -> str:
    """The cost, and the budget."""
    trials = sum(len(rung.trials) for rung in plan.rungs)
    budget = plan.budget_reason or f"{plan.budget:.0%}"
    return (
        f"{plan.cost_text}: {spent(plan):,} updates in a range test and {trials} trials. "
        f"The budget was {budget}."
    )


def about_range_test(plan: Plan) -> str:
    """The range test: where the loss was lowest, where training diverged, and what it is for."""
    return (
        f"{about_rising_rate(plan.range_test)} This only brackets the rate: "
        "a rate that is good for a moment is usually too high for a whole run."
    )


def about_rising_rate(curve: dict[str, Any]) -> str:
    """Where the loss of a range test was lowest, and where training diverged.

    Args:
        curve: what `RangeTest.to_dict` returns.
    """
    lowest = curve["lr"][min(range(len(curve["loss"])), key=curve["loss"].__getitem__)]
    diverged_at = curve["diverged_at"]
    end = (
        "Training did not diverge."
        if diverged_at is None
        else f"Training diverged at {rate_text(diverged_at, 2)} (dotted line)."
    )
    return (
        f"One short training in which the rate rises with every update, from "
        f"{rate_text(curve['lr'][0], 2)} to {rate_text(curve['lr'][-1], 2)}. "
        f"The loss was lowest near {rate_text(lowest, 2)}. {end}"
    )


def about_rung(rung: Rung) -> str:
    """The trials of one length, their best rate, and whether worse rates enclose it."""
    diverged = sum(trial.loss is None for trial in rung.trials)
    ended = f"; {diverged} did not finish" if diverged else ""
    sides = (
        "Worse rates enclose the best one on both sides."
        if rung.bracketed
        else "The best rate tried was the lowest or the highest one, so it may lie beyond it."
    )
    return (
        f"{count_text(len(rung.trials), 'trial')} of {rung.steps:,} updates{ended}. "
        f"Best rate {rate_text(rung.best, 2)}, "
        f"80 % interval {rate_text(rung.low, 2)} to {rate_text(rung.high, 2)}. {sides}"
    )


def about_drift(plan: Plan) -> str:
    """How the best rate depends on the horizon, and how far the plan extrapolates."""
    longest = plan.rungs[-1]
    factor = plan.total_steps / longest.steps
    if factor == 1:
        return "The longest trials are whole runs, so nothing is extrapolated."
    best = math.sqrt(plan.low * plan.high)
    change = math.log(best / longest.best) / math.log(factor)
    if abs(change) < 0.02:
        moves = "Beyond the longest trials, the best rate is expected to stay the same."
    else:
        moves = (
            f"From the longest trials to the whole run, the best rate is expected to change from "
            f"{rate_text(longest.best, 2)} to {rate_text(best, 2)}: each doubling of the length of "
            f"training multiplies it by {2.0**change:.2f}."
        )
    return (
        f"{moves} The whole run is {factor:.1f} times longer than the longest trial, "
        "so the interval widens towards it."
    )


def about_chosen(plan: Plan) -> str:
    """Where the peak lies in the interval, and why."""
    middle = math.sqrt(plan.low * plan.high)
    if plan.peak >= 0.97 * middle:
        return f"The peak {rate_text(plan.peak)} is the middle of the interval."
    return (
        f"The peak {rate_text(plan.peak)} lies below the middle of the interval, "
        f"{rate_text(middle, 2)}, because a rate that is too high costs more than one that is too low."
    )


def about_schedule(plan: Plan) -> str:
    """The first, the highest and the last rate of the schedule."""
    values = plan.schedule.table()
    top = int(values.argmax())
    return (
        f"The rate starts at {rate_text(float(values[0]), 2)}, reaches its peak of "
        f"{rate_text(float(values[top]))} at step {top:,}, and ends at "
        f"{rate_text(float(values[-1]), 2)} after {plan.total_steps:,} updates."
    )


def count_text(number: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
