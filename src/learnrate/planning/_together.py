"""Which trials run at once, if several at once cost hardly more than one. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from learnrate.planning._next_rate import SPACING
from learnrate.planning._rung_losses import mean_losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._ladder import Ladder, Proposal
    from learnrate.planning._rung_losses import LadderTrial

__all__ = ["next_together"]

_AROUND = "it is one of several around the best rate expected here"


def next_together(ladder: Ladder, trials: Sequence[LadderTrial]) -> tuple[Proposal, ...]:
    """The next trials that run at once; none if nothing is left to ask or to spend.

    The first trials of a rung have rates half a decade apart, around the best rate expected there. After
    that, the ladder proposes one trial after another, as if each ended like its neighbours.

    Args:
        ladder: proposes one trial after another, and knows the cost of several at once.
        trials: the trials so far.
    """
    first = ladder.next(trials)
    if first is None:
        return ()
    most = _affordable(ladder, first.steps, trials)
    if most == 1:
        return (first,)
    if not any(trial.rung == first.rung for trial in trials):
        return _around(first, min(most, ladder.first_together))
    return _with_predictions(ladder, trials, first, most)


def _affordable(ladder: Ladder, steps: int, trials: Sequence[LadderTrial]) -> int:
    """How many trials of a length the rest of the budget pays for at once; at least 1."""
    left = ladder.budget - ladder.spent(trials)
    counts = range(len(ladder.costs_together), 1, -1)
    return next((n for n in counts if ladder.expected_cost(steps, trials, n) <= left), 1)


def _around(first: Proposal, count: int) -> tuple[Proposal, ...]:
    """Trials at rates half a decade apart, centred between the first proposal and the next higher rate."""
    middle = first.log_lr + SPACING / 2
    places = [middle + (place - (count - 1) / 2) * SPACING for place in range(count)]
    return tuple(replace(first, log_lr=place, reason=_AROUND) for place in places)


def _with_predictions(
    ladder: Ladder, trials: Sequence[LadderTrial], first: Proposal, most: int
) -> tuple[Proposal, ...]:
    """The next proposals of the ladder, as if each trial that has not ended ended like its neighbours."""
    proposals, predicted = [first], list(trials)
    while len(proposals) < most:
        predicted.append(_predicted_trial(proposals[-1], trials))
        proposal = ladder.next(predicted)
        if proposal is None:
            break
        group = (proposal.rung, proposal.steps, proposal.repeat)
        if group != (first.rung, first.steps, first.repeat):
            break
        proposals.append(proposal)
    return tuple(proposals)


def _predicted_trial(proposal: Proposal, trials: Sequence[LadderTrial]) -> LadderTrial:
    """A trial without cost; its loss is interpolated between its neighbours, or copied from the closest."""
    of_rung = [trial for trial in trials if trial.rung == proposal.rung]
    losses = mean_losses(of_rung)
    rates = sorted(losses)
    between = float(np.interp(proposal.log_lr, rates, [losses[rate] for rate in rates]))
    finite = [rate for rate in rates if math.isfinite(losses[rate])]
    closest = min(finite or rates, key=lambda rate: abs(rate - proposal.log_lr))
    like = next(trial for trial in of_rung if trial.log_lr == closest)
    return replace(
        like,
        log_lr=proposal.log_lr,
        repeat=proposal.repeat,
        log_loss=between if math.isfinite(between) else losses[closest],
        cost=0,
    )
