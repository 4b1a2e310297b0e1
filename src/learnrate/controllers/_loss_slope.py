"""LossSlope: change the rate once the loss no longer shows a downward trend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from learnrate._statistics import fitted_line
from learnrate.controllers._controller import Controller, Decision, Observation
from learnrate.controllers._evidence import NOT_OPTIMAL, Evidence, EvidenceState
from learnrate.controllers._sampling import check_sampling, sampled

__all__ = ["LossSlope"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LossSlope(Controller[EvidenceState]):
    """Multiply the rate by `factor` once a regression no longer shows the loss falling.

    The most recent share `keep` of the losses since the last change, in 16 to 32 batch means, is
    regressed on time. With b the slope and e its error from the batch means, whose noise is nearly
    independent where that of single losses is not,

        falling is shown where t = b / e < -t(confidence; n - 2), n the number of batch means

    and the rate changes at a test where it is *not* shown. The test runs every `test_every` losses
    once `min_samples` are kept. Scaling all losses or adding a constant changes nothing. NaN and
    infinite losses are no evidence.

    Because not being shown is not being refuted, slow progress under much noise looks like none:
    the chance of a change while the loss still falls is that of missing the slope. Raise
    `min_samples` for a noisy loss, or use `Plateau`, which acts on refuted progress alone.

    It answers "no more progress at this rate", *not* "a lower rate is the best now", which depends
    on what is left of the run.

    Args:
        factor: what the rate is multiplied with: below 1 lowers it, above 1 raises it.
        confidence: of the one-sided test that the loss falls, above 0.5 and below 1.
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
    gradient methods", arXiv:2002.10597), there on single losses taken as independent; batch means
    from Conway 1963 and Schmeiser 1982.
    """

    factor: float = 0.1
    confidence: float = 0.95
    keep: float = 0.5
    min_samples: int = 1000
    test_every: int = 100
    warmup: int = 0
    cooldown: int = 0

    def __post_init__(self) -> None:
        check_sampling("LossSlope", self)

    def start(self) -> EvidenceState:
        """Factor 1, no evidence."""
        return EvidenceState(evidence=Evidence(wait=self.warmup))

    def read(self, document: object) -> EvidenceState:
        """The state that `to_dict` wrote."""
        return EvidenceState.from_dict(document)

    def decide(
        self, state: EvidenceState, observation: Observation
    ) -> tuple[EvidenceState, Decision]:
        """Take the loss of one update; answer when a test is due."""
        state, due = sampled(self, state, observation.step, observation.loss)
        if not due:
            return state, Decision(state.factor)
        evidence = state.evidence
        line = fitted_line(evidence.series.means)
        if line.falling_p <= 1.0 - self.confidence:
            return state, Decision(state.factor)
        after = state.acted(self.factor, observation.step, self.cooldown)
        reason = (
            f"no more progress at this rate: over the last {evidence.series.length} losses the "
            f"slope is {line.slope / evidence.series.size:+.2g} per loss, not shown to be falling "
            f"(regression on batch means, p={line.falling_p:.2g}{evidence.left_out}); "
            f"{NOT_OPTIMAL}"
        )
        return after, Decision(after.factor, reason)
