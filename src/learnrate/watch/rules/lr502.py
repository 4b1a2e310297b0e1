"""LR502: gradients are clipped before they are recorded."""

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

__all__ = ["RULE", "ClippedBeforeOptions"]


class ClippedBeforeOptions(RuleOptions):
    """Thresholds of LR502.

    Attributes:
        tolerance: two gradient norms count as equal if they differ by at most this share.
        share: at least this share of the gradient norms must be equal to the highest one.
    """

    tolerance: float = 0.0001
    share: float = 0.3


class _ClippedBefore(Rule[ClippedBeforeOptions]):
    title = "gradients are clipped before they are recorded"
    severity = Severity.ADVICE
    needs = ("gradient_norm",)
    rows = 40
    shows = ("gradient_norm",)

    def check(self, reading: Reading, options: ClippedBeforeOptions) -> Finding | None:
        norms = reading.track("gradient_norm").finite()
        highest = float(norms.value.max()) if norms.value.size else 0.0
        if highest <= 0.0 or reading.clipped.value.size:
            return None
        is_highest = norms.value >= (1.0 - options.tolerance) * highest
        share = float(np.mean(is_highest))
        if share < options.share:
            return None
        return self.finding(
            step=int(norms.step[int(np.argmax(is_highest))]),
            message=(
                f"{share_text(share)} of the gradient norms are {highest:.4g} and none is higher. They "
                "are clipped before they are recorded, so they do not show how large the gradients are."
            ),
            evidence={"norm": highest, "share": share},
            remedy=(
                "Record the norm before clipping, which torch's clip_grad_norm_ returns, with "
                "run.step(loss, gradient_norm=norm). Or let attach clip, with Measure(clip_norm=...)."
            ),
        )

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(gradient_norm=np.minimum(1.0, 1.1 + 0.4 * run.noise))


RULE = _ClippedBefore()
