"""LossSlope: change the rate once the loss no longer shows a downward trend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from learnrate._statistics import fitted_line
from learnrate.controllers._evidence import NOT_OPTIMAL
from learnrate.controllers._recent_share import RecentShareTest

if TYPE_CHECKING:
    from learnrate.controllers._controller import Observation
    from learnrate.controllers._evidence import EvidenceState

__all__ = ["LossSlope"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LossSlope(RecentShareTest):
    """Multiply the rate by `factor` once a regression no longer shows that the loss falls.

    The most recent share `keep` of the losses since the last change, in 16 to 32 batch means, is
    regressed on time. Let b be the slope and e its standard error. The error is taken from the
    batch means, because their noise is nearly independent and that of single losses is not. The
    loss is shown to fall if

        t = b / e < -t(confidence; n - 2), n the number of batch means

    and the rate changes at a test that does *not* show it. The test runs every `test_every` losses
    once `min_samples` losses are kept. Scaling all losses or adding a constant changes nothing.
    NaN and infinite losses are ignored.

    If the test does not show a fall, that does not refute it: slow progress with much noise looks like
    none. The rate changes while the loss still falls as often as the test misses the fall.
    Raise `min_samples` for a noisy loss, or use `Plateau`, which acts only if progress is refuted.

    The answer is "no more progress at this rate", *not* "a lower rate is the best now". The latter
    depends on how much of the run is left.

    Args:
        factor: what the rate is multiplied by: below 1 lowers it, above 1 raises it.
        confidence: the confidence of the one-sided test that the loss falls, above 0.5 and below
            1.
        keep: the most recent share of the losses that counts, above 0 and below 1.
        min_samples: losses kept before the first test, at least 32.
        test_every: losses between tests.
        warmup: steps before the first loss counts.
        cooldown: steps after a change before losses count again.

    Raises:
        ArgumentError: an option is outside its rule.

    Examples:
        >>> from learnrate.controllers import Observation, replay
        >>> losses = [2.0 - 0.01 * min(step, 100) for step in range(400)]
        >>> run = [Observation(step=step, loss=loss) for step, loss in enumerate(losses)]
        >>> policy = LossSlope(min_samples=50, test_every=10)
        >>> [change.step for change in replay(policy, run)]
        [210, 310]

    Ref: the SLOPE test of SALSA (Zhang, Lang, Liu and Xiao 2020, "Statistical adaptive stochastic
    gradient methods", arXiv:2002.10597), which takes single losses as independent; batch means
    from Conway 1963 and Schmeiser 1982.
    """

    def _number_of(self, observation: Observation) -> float | None:
        return observation.loss

    def _reason_to_change(self, state: EvidenceState) -> str | None:
        series = state.evidence.series
        line = fitted_line(series.means)
        if line.falling_p <= 1.0 - self.confidence:
            return None
        return (
            f"no more progress at this rate: over the last {series.length} losses the slope is "
            f"{line.slope / series.size:+.2g} per loss, not shown to be falling (regression on "
            f"batch means, p={line.falling_p:.2g}{state.evidence.note_on_ignored}); {NOT_OPTIMAL}"
        )
