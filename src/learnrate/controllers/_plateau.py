"""Plateau: change the rate once a trend test shows that progress is slower than required."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from statistics import median
from typing import final

from learnrate._checks import check_finite, check_share, check_whole, refuse
from learnrate._statistics import fitted_line, rising_rank_p
from learnrate.controllers._controller import Controller, Decision, Observation
from learnrate.controllers._evidence import (
    NOT_OPTIMAL,
    BatchMeans,
    Evidence,
    EvidenceState,
    check_factor,
    check_waits,
    read_state,
)

__all__ = ["Plateau", "PlateauState"]

_KEPT_SHARE = 0.5  # while undecided, the most recent half of the evidence is kept
_START_MEANS = 5  # the median of as many batch means is the loss at the start
_GROWTH = 1.5  # of the evidence from one test to the next, so that there are few tests


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateauState(EvidenceState):
    """The state of `Plateau`.

    Attributes:
        due: the number of losses that the next test waits for.
        start: the loss at the start, the median of the first five batch means; None before the first
            test.
        first: the first losses, including those of the warm-up, until there are as many as in
            a window.
    """

    due: int
    start: float | None = None
    first: BatchMeans = field(default_factory=BatchMeans)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau(Controller[PlateauState]):
    """Multiply the rate by `factor` once the loss falls more slowly than required.

    What is refuted is *progress*, not its absence. With y_i the loss, m its median over the
    evidence, s the loss at the start, and i counting losses,

        z_i = y_i + i improvement (s - m) / window

    rises if the loss falls by less than the share `improvement` of its whole fall so far per
    `window` losses. The one-sided
    Mann-Kendall rank test on the z_i decides. It is made on batch means, with its variance
    corrected for correlated neighbours (see `rising_rank_p` for the formula and its sources):

    - p < significance: a plateau. The factor is applied, evidence starts afresh.
    - p < significance for the falling -z_i: the required progress is shown. Evidence starts
      afresh (and `factor_on_progress` is applied, if given).
    - otherwise the noise is too large to decide. The evidence grows by half before the next test, so a
      noisy loss takes longer instead of causing a cut by chance.

    If the progress is exactly the required one, a test cuts with a chance of about `significance`,
    whatever the noise; with more progress, far less often. Measured at the default 0.01, with 5 % noise
    of lag-one correlation 0 / 0.5 / 0.9: 0.5 / 1.3 / 2 % of windows of 100 and of 200, but 0.2 / 1.4 / 6
    % of windows of 20. The correlation time of the noise must be short against window / 16. A single
    extreme value has the weight of one rank. A plateau after steady progress is found within a window if
    the noise is 0.5 % of the fall, within about 8 windows at 5 % and 11 at 20 %. To find it sooner,
    require more `improvement` or use longer windows. NaN and infinite losses are ignored; a reason says
    how many were left out. Scaling all losses, or adding a number to them, changes nothing. A noisy loss
    that has never fallen causes a cut only if it rises; a loss that never changes causes a cut. If a loss
    falls over several decades, pass its logarithm.

    The answer is "no more progress at this rate", *not* "a lower rate is the best now". A cut
    almost always lowers the loss immediately; the best moment for it depends on how much of the run is
    left.

    Args:
        factor: what the rate is multiplied by at a plateau: below 1 lowers it, above 1 raises it.
        window: losses before the first test, at least 10. Use hundreds for one loss per update, 10 to
            20 for one validation per epoch.
        improvement: the required progress, as a share of the fall from the first losses until now
            per `window` losses, above 0.
        significance: nominal chance, per test, of a cut although the progress is exactly the
            required one; above 0 and below 0.5.
        warmup: steps before the first loss counts. The fall is still counted from the first loss of
            all, so a loss that fell only in the warm-up has a plateau after it.
        cooldown: steps after a change before losses count again.
        factor_on_progress: what the rate is multiplied by when progress is shown; None leaves
            it unchanged.

    Raises:
        ArgumentError: an option is outside its rule.

    Examples:
        >>> from learnrate.controllers import Observation, replay
        >>> losses = [2.0 - 0.01 * min(step, 100) for step in range(200)]
        >>> run = [Observation(step=step, loss=loss) for step, loss in enumerate(losses)]
        >>> [(change.step, round(change.after, 9)) for change in replay(Plateau(window=30), run)]
        [(135, 0.1), (165, 0.01), (195, 0.001)]

    Differs from torch: `ReduceLROnPlateau`, in torch, Keras and optax alike, compares with the best
    loss so far, so a single lucky loss makes all later ones look bad. torch counts NaN as a bad
    epoch. GreedyLR of transformers raises and lowers the rate by the same comparison.
    """

    factor: float = 0.1
    window: int = 200
    improvement: float = 0.01
    significance: float = 0.01
    warmup: int = 0
    cooldown: int = 0
    factor_on_progress: float | None = None

    def __post_init__(self) -> None:
        check_factor("Plateau", "factor", self.factor)
        check_whole("Plateau", "window", self.window, 10, "Fewer losses show no trend.")
        check_finite("Plateau", "improvement", self.improvement)
        if not self.improvement > 0:
            way_out = "To ask whether the loss falls at all, use LossSlope."
            refuse("Plateau", "improvement", "above 0", self.improvement, way_out)
        check_share("Plateau", "significance", self.significance)
        if self.significance >= 0.5:
            refuse("Plateau", "significance", "below 0.5", self.significance, "0.01 is usual.")
        check_waits("Plateau", self.warmup, self.cooldown)
        if self.factor_on_progress is not None:
            check_factor("Plateau", "factor_on_progress", self.factor_on_progress)

    def start(self) -> PlateauState:
        """The state before the first update: factor 1, no losses collected."""
        return PlateauState(evidence=Evidence(wait=self.warmup), due=self.window)

    def read(self, document: object) -> PlateauState:
        """The state from its `to_dict`; an older learnrate wrote fewer fields."""
        if isinstance(document, dict):  # perhaps of an older learnrate
            fresh = self.start().to_dict()
            document = {"start": None, "first": fresh["first"], **document}
        return read_state(PlateauState, document)

    def decide(
        self, state: PlateauState, observation: Observation
    ) -> tuple[PlateauState, Decision]:
        """Add the loss of one update; change the rate if a test is due and says so."""
        state = self._with_first(state, observation)
        before = state.evidence
        evidence = before.added(
            observation.step, observation.loss, keep=_KEPT_SHARE, at_least=self.window
        )
        if evidence is before:
            return state, Decision(state.factor)
        state = replace(state, evidence=evidence)
        count = evidence.series.count
        if count == before.series.count or count < state.due:
            return state, Decision(state.factor)
        return self._test(state, observation.step)

    def _test(self, state: PlateauState, step: int) -> tuple[PlateauState, Decision]:
        series = state.evidence.series
        if state.start is None:
            means = state.first.means or series.means
            state = replace(state, start=median(means[:_START_MEANS]))
        fall = _fall(state)
        tilted = self._tilted(series, fall)
        p = rising_rank_p(tilted) if max(tilted) > min(tilted) else 0.0
        if p < self.significance:
            words = self._trend_in_words(state.evidence, "less", p, fall)
            reason = f"plateau: {words}; {NOT_OPTIMAL}"
            return self._changed_by(state, step, self.factor, reason)
        p = rising_rank_p([-value for value in tilted])
        if p >= self.significance:
            due = math.ceil(_GROWTH * series.count)
            return replace(state, due=due), Decision(state.factor)
        if self.factor_on_progress is not None:
            reason = f"progress: {self._trend_in_words(state.evidence, 'more', p, fall)}"
            return self._changed_by(state, step, self.factor_on_progress, reason)
        fresh = state.evidence.restarted(step, cooldown=0)
        return replace(state, evidence=fresh, due=self.window), Decision(state.factor)

    def _with_first(self, state: PlateauState, observation: Observation) -> PlateauState:
        """The state with a loss among the first ones, if these are not complete."""
        loss, first = observation.loss, state.first
        if state.start is not None or first.count >= self.window:
            return state
        if loss is None or not math.isfinite(loss):
            return state
        return replace(state, first=first.added(loss, keep=1.0, at_least=self.window))

    def _tilted(self, series: BatchMeans, fall: float) -> list[float]:
        required = self.improvement * fall * series.size / self.window
        return [mean + required * index for index, mean in enumerate(series.means)]

    def _changed_by(
        self, state: PlateauState, step: int, factor: float, reason: str
    ) -> tuple[PlateauState, Decision]:
        after = replace(state.acted(factor, step, self.cooldown), due=self.window)
        return after, Decision(after.factor, reason)

    def _trend_in_words(self, evidence: Evidence, word: str, p: float, fall: float) -> str:
        series = evidence.series
        slope = fitted_line(series.means).slope / series.size * self.window
        return (
            f"over the last {series.length} losses the loss changed by {slope:+.3g} per "
            f"{self.window}, significantly {word} progress than the {self.improvement * fall:.3g} "
            f"required, {100 * self.improvement:.3g} % of its fall so far (rank test, "
            f"p={p:.2g}{evidence.note_on_ignored})"
        )


def _fall(state: PlateauState) -> float:
    """How far the loss has fallen from its start to the evidence; 0 if it has not."""
    return max(0.0, (state.start or 0.0) - median(state.evidence.series.means))
