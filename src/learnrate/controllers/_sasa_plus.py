"""SASA+: change the rate once the parameters have become stationary at it.

There is no test by the sign of successive gradients' inner product here (Pflug's): it is provably
inadequate already on quadratics (Pesme, Dieuleveut and Flammarion 2020, arXiv:2007.00534), and in
simulation it answers many transients late, or never.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, final

from learnrate._errors import ArgumentError
from learnrate._statistics import halves, mean_half_width
from learnrate.controllers._controller import Controller, Decision, Observation
from learnrate.controllers._evidence import NOT_OPTIMAL, Evidence, EvidenceState
from learnrate.controllers._sampling import check_sampling, sampled

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SasaPlus"]

_NAMES = ("inner", "lr", "squared")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SasaPlus(Controller[EvidenceState]):
    """Multiply the rate by `factor` once a necessary condition of stationarity is met.

    With an update x' = x - lr d, the squared norm of the parameters stays where it is on average
    exactly if E<x, d> = (lr / 2) E|d|^2. Written with the parameters *after* the update,

        delta = <x', d> + (lr / 2) |d|^2,   E delta = 0 at stationarity

    and delta is (|x|^2 - |x'|^2) / (2 lr). The most recent share `keep` of the deltas since the
    last change is held in 16 to 32 batch means. The rate changes at a test where

    - the t-interval of their mean, from the *batch means* and never from single deltas taken as
      independent, contains 0 at `confidence`, and
    - the means of both halves have the same sign (a mean that crosses 0 in the transient does not
      count), and, before the first change, each half's mean lies within that width of 0 too.

    The test runs every `test_every` updates once `min_samples` deltas are kept. Observations need
    the signals `inner` = <x', d>, `squared` = |d|^2 and `lr`; `measured_step` computes them.
    Updates without signals are passed over; signals that are not finite are no evidence.

    It holds for any optimizer, d being what it subtracts per unit of rate, while the rate is
    constant: give the length of a rising or falling phase as `warmup`. It is necessary, not
    sufficient; where weights keep growing (scale-invariant layers without decay) it never comes.
    It answers "no more progress at this rate", *not* "a lower rate is the best now", which depends
    on what is left of the run.

    Args:
        factor: what the rate is multiplied with: below 1 lowers it, above 1 raises it.
        confidence: of the interval, above 0.5 and below 1. A *higher* one changes the rate sooner.
        keep: the most recent share of the deltas that counts, above 0 and below 1.
        min_samples: deltas kept before the first test, at least 32.
        test_every: deltas between tests.
        warmup: steps before the first delta counts.
        cooldown: steps after a change before deltas count again.

    Raises:
        ArgumentError: an option is outside its rule, or an observation has some of the three
            signals and not the others.

    Examples:
        >>> from learnrate.controllers import Observation, replay
        >>> def delta(step):  # falls to 0 within 100 updates, then swings about it
        ...     return max(0.0, 1.0 - step / 100) + 0.1 * (-1) ** (step // 3) + 1e-3
        >>> run = [
        ...     Observation(step=step, signals={"inner": delta(step), "squared": 0.0, "lr": 0.1})
        ...     for step in range(400)
        ... ]
        >>> policy = SasaPlus(min_samples=50, test_every=10)
        >>> [change.step for change in replay(policy, run)][:1]
        [190]

    Ref: Lang, Zhang and Xiao 2019, "Using statistics to automate stochastic optimization" (SASA,
    arXiv:1909.09785); Zhang, Lang, Liu and Xiao 2020, arXiv:2002.10597 (SASA+).

    Differs from the authors' code (microsoft/statopt), whose default variance mode `mb` is not the
    `bm` its test looks for, so that it silently takes the deltas as independent and its intervals
    are too narrow; there `keep` is 1/8, and the batch length is the root of the sample.
    """

    factor: float = 0.1
    confidence: float = 0.95
    keep: float = 0.5
    min_samples: int = 1000
    test_every: int = 100
    warmup: int = 0
    cooldown: int = 0

    def __post_init__(self) -> None:
        check_sampling("SasaPlus", self)

    def start(self) -> EvidenceState:
        """Factor 1, no evidence."""
        return EvidenceState(evidence=Evidence(wait=self.warmup))

    def read(self, document: object) -> EvidenceState:
        """The state that `to_dict` wrote."""
        return EvidenceState.from_dict(document)

    def decide(
        self, state: EvidenceState, observation: Observation
    ) -> tuple[EvidenceState, Decision]:
        """Take the delta of one update; answer when a test is due."""
        state, due = sampled(self, state, observation.step, _delta(observation.signals))
        if not due:
            return state, Decision(state.factor)
        evidence = state.evidence
        means = evidence.series.means
        width = mean_half_width(means, self.confidence)
        if not _stationary(means, width, first=state.actions == 0):
            return state, Decision(state.factor)
        after = state.acted(self.factor, observation.step, self.cooldown)
        reason = (
            f"no more progress at this rate: over the last {evidence.series.length} updates "
            f"<x', d> + (lr/2)|d|^2 averages {fmean(means):.2g} +- {width:.2g} ({self.confidence:g} "
            f"interval from batch means{evidence.left_out}), as at stationarity; {NOT_OPTIMAL}"
        )
        return after, Decision(after.factor, reason)


def _stationary(means: tuple[float, ...], width: float, *, first: bool) -> bool:
    early, late = halves(means)
    if not early * late > 0:
        return False
    asked = (fmean(means), early, late) if first else (fmean(means),)
    return all(abs(mean) <= width for mean in asked)


def _delta(signals: Mapping[str, float]) -> float | None:
    given = [name for name in _NAMES if name in signals]
    if not given:
        return None
    if len(given) < len(_NAMES):
        missing = ", ".join(name for name in _NAMES if name not in signals)
        raise ArgumentError(
            f"SasaPlus needs the signals {', '.join(_NAMES)} together; an observation lacks "
            f"{missing}. measured_step(optimizer) computes all three."
        )
    return signals["inner"] + 0.5 * signals["lr"] * signals["squared"]
