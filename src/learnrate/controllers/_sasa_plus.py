"""SASA+: change the rate once the parameters have become stationary at it.

There is no test by the sign of the inner product of successive gradients (Pflug's test). It is provably
inadequate even on quadratics (Pesme, Dieuleveut and Flammarion 2020, arXiv:2007.00534), and in simulation
it detects many transients late, or never.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, final

from learnrate._errors import ArgumentError
from learnrate._statistics import halves, mean_half_width
from learnrate.controllers._evidence import NOT_OPTIMAL
from learnrate.controllers._recent_share import RecentShareTest

if TYPE_CHECKING:
    from learnrate.controllers._controller import Observation
    from learnrate.controllers._evidence import EvidenceState

__all__ = ["SasaPlus"]

_SIGNALS = ("inner", "lr", "squared")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SasaPlus(RecentShareTest):
    """Multiply the rate by `factor` once a necessary condition of stationarity is met.

    With an update x' = x - lr d, the squared norm of the parameters stays the same on average if and only
    if E<x, d> = (lr / 2) E|d|^2. Written with the parameters *after* the update,

        delta = <x', d> + (lr / 2) |d|^2,   E delta = 0 at stationarity

    and delta is (|x|^2 - |x'|^2) / (2 lr). The most recent share `keep` of the deltas since the
    last change is kept in 16 to 32 batch means. The rate changes at a test where

    - the t-interval of their mean contains 0 at `confidence`. It is computed from the *batch
      means*, never from single deltas taken as independent; and
    - the means of both halves have the same sign (a mean that crosses 0 in the transient does not
      count), and, before the first change, the mean of each half lies within that width of 0 too.

    The test runs every `test_every` updates once `min_samples` deltas are kept. Observations need
    the signals `inner` = <x', d>, `squared` = |d|^2 and `lr`; `attach` and `train` measure them, and
    `measured_step` does in a loop without a run. Updates without signals are skipped; signals that
    are not finite are ignored.

    It holds for any optimizer, d being what it subtracts per unit of rate, while the rate is
    constant: give the length of a rising or falling phase as `warmup`. The condition is necessary,
    not sufficient. If weights keep growing (scale-invariant layers without decay), it is never
    met. The answer is "no more progress at this rate", *not* "a lower rate is the best now". The
    latter depends on how much of the run is left.

    Args:
        factor: what the rate is multiplied by: below 1 lowers it, above 1 raises it.
        confidence: the confidence of the interval, above 0.5 and below 1. A *higher* one changes
            the rate sooner.
        keep: the most recent share of the deltas that counts, above 0 and below 1.
        min_samples: deltas kept before the first test, at least 32.
        test_every: deltas between tests.
        warmup: steps before the first delta counts.
        cooldown: steps after a change before deltas count again.

    Raises:
        ArgumentError: an option is outside its rule, or an observation has some of the three
            signals but not the others.

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

    Differs from the authors' code (microsoft/statopt). Its default variance mode is `mb`, but its
    test looks for `bm`, so it silently takes the deltas as independent and its intervals are too
    narrow. Its `keep` is 1/8, and its batch length is the square root of the sample.
    """

    @property
    def needs(self) -> frozenset[str]:
        """The signals of an update that it reads."""
        return frozenset(_SIGNALS)

    def _number_of(self, observation: Observation) -> float | None:
        signals = observation.signals
        present = [name for name in _SIGNALS if name in signals]
        if not present:
            return None
        if len(present) < len(_SIGNALS):
            missing = ", ".join(name for name in _SIGNALS if name not in signals)
            raise ArgumentError(
                f"SasaPlus needs the signals {', '.join(_SIGNALS)} together; an observation lacks "
                f"{missing}. measured_step(optimizer) computes all three."
            )
        return signals["inner"] + 0.5 * signals["lr"] * signals["squared"]

    def _reason_to_change(self, state: EvidenceState) -> str | None:
        series = state.evidence.series
        width = mean_half_width(series.means, self.confidence)
        if not _is_stationary(series.means, width, is_first=state.actions == 0):
            return None
        return (
            f"no more progress at this rate: over the last {series.length} updates "
            f"<x', d> + (lr/2)|d|^2 averages {fmean(series.means):.2g} +- {width:.2g} "
            f"({self.confidence:g} interval from batch means{state.evidence.note_on_ignored}), as "
            f"at stationarity; {NOT_OPTIMAL}"
        )


def _is_stationary(means: tuple[float, ...], width: float, *, is_first: bool) -> bool:
    early, late = halves(means)
    if not early * late > 0:
        return False
    tested = (fmean(means), early, late) if is_first else (fmean(means),)
    return all(abs(mean) <= width for mean in tested)
