"""LR105: most updates are clipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import share_text

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "ClippedOptions"]


class ClippedOptions(RuleOptions):
    """Thresholds of LR105.

    Attributes:
        share: more than this share of the updates must be clipped.
        skipped: this first share of the run is not counted.
    """

    share: float = 0.5
    skipped: float = 0.1


class _Clipped(Rule[ClippedOptions]):
    title = "most updates are clipped"
    severity = Severity.ADVICE
    explains = frozenset({"LR201"})
    shows = ("gradient_norm", "clipped")

    def check(self, reading: Reading, options: ClippedOptions) -> Finding | None:
        first = options.skipped * reading.steps_done
        clipped = reading.clipped.since(first)
        if clipped.value.size < 10:
            return None
        share = float(clipped.value.mean())
        if share <= options.share:
            return None
        norms = reading.track("gradient_norm").since(first).finite().value
        usual_norm = float(np.quantile(norms, 0.9)) if norms.size else None
        norm_text = "" if usual_norm is None else f" (about {usual_norm:.2g})"
        return self.finding(
            step=int(clipped.step[0]),
            message=(
                f"{share_text(share)} of the updates are clipped, so their size depends on the "
                "clipping norm and the rate, not on the gradient."
            ),
            evidence={
                "share": share,
                "clip_norm": reading.facts.get("clip_norm"),
                "gradient_norm_90": usual_norm,
            },
            remedy=(
                f"Clip at the 90th percentile of the gradient norm{norm_text}. If the run is then "
                "unstable, lower the rate instead."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        if reading.clipped.value.size:
            return None
        return "neither clipped nor gradient_norm with facts['clip_norm'] was recorded"

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(gradient_norm=2.0 + 0.4 * run.noise, facts={"clip_norm": 1.0})


RULE = _Clipped()
