"""What was decided, in words, and whether the evidence carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.planning._result import Rung, Verdict
from learnrate.planning._surface import LEAST_SLOPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._heights import Scale
    from learnrate.planning._surface import Surface

__all__ = ["judge"]

_COSTLY = 0.05
_SHORT = 16
_DISTANT = 32.0


def judge(
    rungs: Sequence[Rung], surface: Surface, peak: float, regret: float, scale: Scale
) -> tuple[Verdict, str]:
    """The verdict on a plan, and its reason: what was seen, what was done with it, what is weak."""
    total_steps = surface.total_steps
    doubts = _doubts(rungs, surface, regret)
    seen = ", ".join(f"{rung.best:.2g} at {rung.steps:,} updates" for rung in rungs)
    reason = (
        f"The best rate was {seen}; it moves as horizon^{surface.drift:.2f}, which puts it at "
        f"{surface.best(total_steps).best:.2g} for {total_steps:,}. {peak:.3g} is chosen because too high costs "
        f"more than too low; it is expected to end {_cost(regret, scale)} the best."
    )
    if not doubts:
        return Verdict.OK, reason
    return Verdict.WEAK, f"{reason} The evidence is weak: {'; '.join(doubts)}."


def _cost(regret: float, scale: Scale) -> str:
    if scale.logarithmic:
        return f"{regret:.0%} above"
    return f"{regret:.0%} of the improvement short of"


def _doubts(rungs: Sequence[Rung], surface: Surface, regret: float) -> list[str]:
    doubts = []
    longest, total_steps = rungs[-1].steps, surface.total_steps
    if regret > _COSTLY:
        doubts.append(
            "the trials leave the rate that uncertain (a larger budget, or a validation loss on "
            "more data)"
        )
    if len(rungs) < 2:
        doubts.append("only one horizon could be afforded, so its drift is assumed (more budget)")
    if longest < _SHORT:
        doubts.append(f"the longest trial had only {longest} updates (more steps or budget)")
    elif total_steps / longest > _DISTANT:
        doubts.append(
            f"the run is {total_steps / longest:.0f} times longer than the longest trial (more budget)"
        )
    if surface.slope is not None and surface.slope <= LEAST_SLOPE:
        doubts.append(
            "trials of more updates ended hardly lower, so that all rates tried may be too high, or "
            "nothing is left to learn (more budget, or fewer steps)"
        )
    if not any(_enclosed(rung) for rung in rungs):
        edges = ", ".join(f"{rung.trials[0].lr:.2g} to {rung.trials[-1].lr:.2g}" for rung in rungs)
        doubts.append(
            f"the best rate lay at or beyond the edge of the rates tried ({edges}) (more budget)"
        )
    return doubts


def _enclosed(rung: Rung) -> bool:
    """Whether lower and higher rates than the best of a horizon were tried there."""
    return rung.trials[0].lr < rung.best < rung.trials[-1].lr
