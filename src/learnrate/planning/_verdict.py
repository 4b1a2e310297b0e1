"""The reason of a plan, in words, and whether the evidence supports it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.planning._result import PlanVerdict, Rung
from learnrate.planning._surface import LEAST_SLOPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._loss_scale import LossScale
    from learnrate.planning._surface import Surface

__all__ = ["judge"]

_COSTLY_REGRET = 0.05
_MIN_LONGEST = 16  # updates
_MAX_EXTRAPOLATION = 32.0  # the whole run over the longest trial


def judge(
    rungs: Sequence[Rung], surface: Surface, peak: float, regret: float, scale: LossScale
) -> tuple[PlanVerdict, str]:
    """The verdict on a plan, and its reason: the evidence, the decision, and what is weak about it.

    Args:
        rungs: by rising length.
        surface: the posterior that the plan rests on.
        peak: the chosen rate.
        regret: how far above the best log loss `peak` is expected to end.
        scale: of the task's losses.
    """
    total_steps = surface.total_steps
    doubts = _doubts(rungs, surface, regret)
    best_rates = ", ".join(f"{rung.best:.2g} at {rung.steps:,} updates" for rung in rungs)
    reason = (
        f"The best rate was {best_rates}. It moves as horizon^{surface.drift:.2f}, which gives "
        f"{surface.best(total_steps).best:.2g} for {total_steps:,} updates. {peak:.3g} is chosen, "
        "because too high a rate costs more than too low a rate. It is expected to end "
        f"{_cost(regret, scale)} the best."
    )
    if not doubts:
        return PlanVerdict.OK, reason
    return PlanVerdict.WEAK, f"{reason} The evidence is weak: {'; '.join(doubts)}."


def _cost(regret: float, scale: LossScale) -> str:
    if scale.logarithmic:
        return f"{regret:.0%} above"
    return f"{regret:.0%} of the improvement short of"


def _doubts(rungs: Sequence[Rung], surface: Surface, regret: float) -> list[str]:
    doubts = []
    longest, total_steps = rungs[-1].steps, surface.total_steps
    if regret > _COSTLY_REGRET:
        doubts.append(
            "the trials leave the best rate uncertain (use a larger budget, or a validation loss "
            "on more data)"
        )
    if len(rungs) < 2:
        doubts.append(
            "the budget paid for only one horizon, so the drift is assumed (use a larger budget)"
        )
    if longest < _MIN_LONGEST:
        doubts.append(
            f"the longest trial had only {longest} updates (use more steps or a larger budget)"
        )
    elif total_steps / longest > _MAX_EXTRAPOLATION:
        doubts.append(
            f"the run is {total_steps / longest:.0f} times longer than the longest trial (use a "
            "larger budget)"
        )
    if surface.slope is not None and surface.slope <= LEAST_SLOPE:
        doubts.append(
            "longer trials ended hardly lower, so all rates tried may be too high, or nothing is "
            "left to learn (use a larger budget, or fewer steps)"
        )
    if not any(_is_enclosed(rung) for rung in rungs):
        edges = ", ".join(f"{rung.trials[0].lr:.2g} to {rung.trials[-1].lr:.2g}" for rung in rungs)
        doubts.append(
            f"the best rate lay at or beyond the edge of the rates tried ({edges}) (use a larger "
            "budget)"
        )
    return doubts


def _is_enclosed(rung: Rung) -> bool:
    """Whether lower and higher rates than the best one of a rung were tried."""
    return rung.trials[0].lr < rung.best < rung.trials[-1].lr
