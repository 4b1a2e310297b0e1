"""What was decided, in words, and whether the evidence carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.planning._result import Rung, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._surface import Estimate

__all__ = ["judge"]

_WIDE = 10.0
_SHORT = 16
_DISTANT = 32.0


def judge(
    rungs: Sequence[Rung], whole: Estimate, peak: float, drift: float, total: int
) -> tuple[Verdict, str]:
    """The verdict on a plan, and its reason: what was seen, what was done with it, what is weak."""
    doubts = _doubts(rungs, whole, total)
    seen = ", ".join(f"{rung.best:.2g} at {rung.steps:,} updates" for rung in rungs)
    reason = (
        f"The best rate was {seen}; it moves as horizon^{drift:.2f}, which puts it at "
        f"{whole.best:.2g} for {total:,}. {peak:.3g} is chosen because too high costs "
        "more than too low."
    )
    if not doubts:
        return Verdict.OK, reason
    return Verdict.WEAK, f"{reason} The evidence is weak: {'; '.join(doubts)}."


def _doubts(rungs: Sequence[Rung], whole: Estimate, total: int) -> list[str]:
    doubts = []
    longest = rungs[-1].steps
    if whole.high / whole.low > _WIDE:
        doubts.append(
            f"the interval spans a factor {whole.high / whole.low:.0f}: trials hardly differ, or "
            "their noise hides it (a larger budget, or a validation loss on more data)"
        )
    if len(rungs) < 2:
        doubts.append("only one horizon could be afforded, so its drift is assumed (more budget)")
    if longest < _SHORT:
        doubts.append(f"the longest trial had only {longest} updates (more steps or budget)")
    elif total / longest > _DISTANT:
        doubts.append(
            f"the run is {total / longest:.0f} times longer than the longest trial (more budget)"
        )
    if not any(rung.bracketed for rung in rungs):
        edges = ", ".join(f"{rung.trials[0].lr:.2g} to {rung.trials[-1].lr:.2g}" for rung in rungs)
        doubts.append(
            f"the lowest loss lay at the edge of the rates tried ({edges}) (more budget)"
        )
    return doubts
