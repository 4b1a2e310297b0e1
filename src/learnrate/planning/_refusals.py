"""What a plan refuses: arguments that do not go together, too few updates, trials without evidence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from learnrate._errors import ArgumentError, TaskError
from learnrate.planning._budget import Budget
from learnrate.planning._engine import PLAN_ENGINES
from learnrate.planning._shapes import MIN_STEPS
from learnrate.planning._trainer import RANGE_TEST_STEPS

if TYPE_CHECKING:
    from learnrate.planning._rung_losses import LadderTrial

__all__ = [
    "check_engine",
    "check_further",
    "refuse_to_compare",
    "refuse_too_few",
    "refuse_with_like",
    "refuse_with_several",
    "refuse_without_evidence",
    "updates_before_a_pace",
]

_MOST_FURTHER = 1000  # times that a plan is continued


def updates_before_a_pace(budget: Budget, total_steps: int) -> int:
    """How many updates the plan may make, before the speed of training is known."""
    usual = Budget.of(None) if budget.share is None else budget
    updates = usual.updates(total_steps, None)
    if budget.seconds is None:
        refuse_too_few(updates, budget, total_steps)
    return max(updates, 2 * RANGE_TEST_STEPS[0])


def refuse_too_few(updates: int, budget: Budget, total_steps: int) -> None:
    """Refuse a budget that does not pay for a range test and a trial.

    Args:
        updates: what the budget pays for.
        budget: the budget, as the user gave it.
        total_steps: the length of one run, in updates.
    """
    least = 2 * RANGE_TEST_STEPS[0]
    if updates >= least:
        return
    way_out = f"Plan for a run of at least {least} steps, or leave the budget out."
    if total_steps >= least:
        share = math.ceil(1000 * least / total_steps) / 1000
        way_out = f"The least budget of this run is {share:g}; or leave it out, or plan for a longer run."
    raise ArgumentError(
        f"budget {budget} of {total_steps} steps is {updates} updates; a plan needs at least {least}. "
        f"{way_out}"
    )


def check_engine(engine: str) -> None:
    """Refuse an engine that no plan has."""
    if engine not in PLAN_ENGINES:
        raise ArgumentError(f"engine must be one of {', '.join(PLAN_ENGINES)}; got {engine!r}.")


def check_further(more: int) -> None:
    """Refuse an invalid number of continuations."""
    if not isinstance(more, int) or isinstance(more, bool) or not 0 <= more <= _MOST_FURTHER:
        raise ArgumentError(
            f"more must be a whole number from 0 to {_MOST_FURTHER}; got {more!r}."
        )


def refuse_with_like(*, compare_shapes: bool, more: int) -> None:
    """Refuse further trials where earlier plans are tested."""
    if more or compare_shapes:
        raise ArgumentError(
            "like=... makes only the trials that test the earlier plans. Leave out like, or leave out "
            "more and compare_shapes."
        )


def refuse_with_several(*, compare_shapes: bool, like: object) -> None:
    """Refuse what works for a plan of one rate only."""
    if like is not None:
        raise ArgumentError(
            "like works for a plan of one rate, and rates=... plans several. Leave out one of the two."
        )
    if compare_shapes:
        raise ArgumentError(
            "compare_shapes works for a plan of one rate, and rates=... plans several. Leave out one of "
            "the two."
        )


def refuse_to_compare(total_steps: int, shape: object) -> None:
    """Refuse to compare shapes if one was given, or if the run is too short."""
    if shape is not None:
        raise ArgumentError(
            f"compare_shapes chooses the shape, and shape={str(shape)!r} was given; leave out one."
        )
    if total_steps < 4 * MIN_STEPS:
        raise ArgumentError(
            f"compare_shapes needs a run of at least {4 * MIN_STEPS} updates, so that short trials "
            f"have a warm-up; got {total_steps}. Leave it out, or plan for a longer run."
        )


def refuse_without_evidence(trials: list[LadderTrial]) -> None:
    """Refuse to choose a rate if no trial ended, or if the rate changes nothing."""
    losses = [trial.record.loss for trial in trials if trial.record.loss is not None]
    rates = [trial.record.lr for trial in trials]
    if not losses:
        raise TaskError(
            f"all {len(trials)} trials diverged, even the one at the lowest rate, "
            f"{min(rates, default=math.nan):.2g}. "
            "Plan with a larger budget or more steps, or look at the range test of learnrate find. A "
            "validation loss that is not finite counts as diverged too, so check Task(validate=...)."
        )
    if len(losses) > 2 and len(set(losses)) == 1:
        raise TaskError(
            f"{len(losses)} trials at rates from {min(rates):.2g} to {max(rates):.2g} all ended "
            f"with the loss {losses[0]:.6g}: it does not depend on the parameters that the "
            "optimizer trains, or all these rates are far too high. Look at the range test of learnrate find."
        )
