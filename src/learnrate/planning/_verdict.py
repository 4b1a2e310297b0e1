"""The reason of a plan, in words, and whether the evidence supports it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from learnrate._usual_rate import USUAL_FACTOR
from learnrate.planning._distance import USUAL_DISTANCES, log_distances
from learnrate.planning._result import PlanVerdict, Rung
from learnrate.planning._surface import LEAST_SLOPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._decision import PeakDecision
    from learnrate.planning._loss_scale import LossScale
    from learnrate.planning._surface import Surface

__all__ = ["COSTLY_REGRET", "about_cost", "extrapolation_doubts", "judge", "weak_evidence_text"]

# Up to this expected regret, plans in domains left out ended as far above the best as expected. With a
# higher one, they ended further above than expected.
COSTLY_REGRET = 0.02
_MIN_LONGEST = 16  # updates
_MAX_EXTRAPOLATION = 12.0  # the whole run over the longest trial
_LEAST_LEARNED = 2 / 3  # of what the whole run is expected to learn


def judge(
    rungs: Sequence[Rung], decision: PeakDecision, scale: LossScale
) -> tuple[PlanVerdict, str]:
    """The verdict on a plan, and its reason: the evidence, the decision, and the doubts.

    The expected excess over the best loss is stated only if there are no doubts.

    Args:
        rungs: the rungs, by rising length.
        decision: the peak, and the posterior that it rests on.
        scale: the scale of the task's losses.
    """
    doubts = _doubts(rungs, decision)
    evidence = _whole_runs(rungs[-1]) if decision.whole_runs else _extrapolation(rungs, decision)
    reason = f"{evidence} {_choice(decision)}"
    if doubts:
        return PlanVerdict.WEAK, f"{reason} {weak_evidence_text(doubts)}"
    cost = about_cost(decision.expected_regret, scale)
    return PlanVerdict.OK, f"{reason} The run is expected to end {cost} the best loss."


def weak_evidence_text(doubts: Sequence[str]) -> str:
    """Two sentences: why the evidence is weak, and what makes it stronger."""
    return (
        f"The evidence is weak: {'; '.join(doubts)}. Use a larger budget, or a validation loss on more "
        "data."
    )


def _whole_runs(rung: Rung) -> str:
    rates = {trial.lr for trial in rung.trials}
    return (
        f"The budget paid for {len(rung.trials)} whole runs at {len(rates)} rates, so nothing is "
        f"extrapolated. The best rate was {rung.best:.2g}."
    )


def _extrapolation(rungs: Sequence[Rung], decision: PeakDecision) -> str:
    total_steps, longest = decision.ladder.total_steps, rungs[-1]
    best_rates = " and ".join(f"{rung.best:.2g} for {rung.steps:,} updates" for rung in rungs)
    fitted = f"The fit of all trials puts the best rate at {best_rates}."
    if longest.steps == total_steps:
        return fitted
    best = decision.best(total_steps).best
    change = math.log(best / longest.best) / math.log(total_steps / longest.steps)
    because = decision.ladder.overfitting(decision.trials).reason
    return (
        f"{fitted} Beyond {longest.steps:,} updates, the best rate is expected to change as "
        f"horizon^{change:.2f}{f', because {because}' * bool(because)}. "
        f"That gives {best:.2g} for {total_steps:,} updates."
        f"{_distance(decision.surface, best)}{_usual_rate(decision.ladder.usual_log_lr)}"
    )


def _distance(surface: Surface, lr: float) -> str:
    """A sentence on the distance that the weights of the whole run move; empty if it is not known."""
    log_distance = log_distances(
        surface.trial_losses, surface.start, surface.total_steps, np.log([lr])
    )
    if log_distance is None:
        return ""
    low, high = USUAL_DISTANCES
    return (
        " At that rate, the weights are expected to end at a distance of "
        f"{math.exp(log_distance[0]):.2g} times their initial norm from their start; at the best rate it "
        f"is usually {low:g} to {high:g} times."
    )


def _usual_rate(log_lr: float) -> str:
    """A sentence on the usual best rate of such trainings; empty if it is not known."""
    if math.isnan(log_lr):
        return ""
    usual = math.exp(log_lr)
    return (
        " With such an optimizer and weights of this size, the best rate is usually "
        f"{usual / USUAL_FACTOR:.2g} to {usual * USUAL_FACTOR:.2g}."
    )


def _choice(decision: PeakDecision) -> str:
    chosen = f"{decision.peak:.3g} is chosen"
    if decision.capped_by is not None:
        return f"{chosen}, half of {decision.capped_by:.2g}, the lowest rate that diverged."
    if decision.peak >= 0.97 * decision.whole_run.best:
        return f"{chosen}."
    return f"{chosen}, because too high a rate costs more than too low a rate."


def about_cost(regret: float, scale: LossScale) -> str:
    """How far above the best a run is expected to end, in words before "the best"."""
    if scale.logarithmic:
        return f"{math.expm1(regret):.1%} above"
    return f"{regret:.1%} of the improvement short of"


def _doubts(rungs: Sequence[Rung], decision: PeakDecision) -> list[str]:
    doubts = []
    if decision.expected_regret > COSTLY_REGRET:
        doubts.append("the trials leave the best rate uncertain")
    if not rungs[-1].bracketed:
        doubts.append(_edge(rungs[-1]))
    if decision.whole_runs is None:
        surface = decision.surface
        lengths = [rung.steps for rung in rungs]
        doubts += extrapolation_doubts(
            lengths, decision.ladder.total_steps, surface.slope, surface.learned
        )
    elif decision.ladder.total_steps < _MIN_LONGEST:
        doubts.append(
            f"the whole run has only {decision.ladder.total_steps} updates, in which hardly anything is "
            "learned (total_steps counts updates, not epochs)"
        )
    return doubts


def extrapolation_doubts(
    lengths: Sequence[int], total_steps: int, slope: float | None, learned: float
) -> list[str]:
    """The doubts about an extrapolation from shorter trials to a whole run.

    Args:
        lengths: the lengths of the trials, increasing.
        total_steps: the length of the whole run.
        slope: the fall of the lowest log loss per e-fold of horizon, if it is known.
        learned: what the longest trials have learned, as a share of what the whole run is
            expected to.
    """
    doubts = []
    longest = lengths[-1]
    if len(lengths) < 2:
        doubts.append("the budget paid for only one horizon, so the drift is assumed")
    if longest < _MIN_LONGEST:
        doubts.append(f"the longest trial had only {longest} updates")
    elif total_steps / longest > _MAX_EXTRAPOLATION:
        doubts.append(
            f"the run is {total_steps / longest:.0f} times longer than the longest trial"
        )
    if slope is not None and slope <= LEAST_SLOPE:
        doubts.append(
            "longer trials ended hardly lower than shorter ones, so all rates tried may be too high, or nothing is "
            "left to learn and fewer steps are enough"
        )
    elif learned < _LEAST_LEARNED:
        doubts.append(
            f"trials of {longest:,} updates are expected to learn only about {learned:.0%} of what the "
            "whole run does, so their best rate says little about it"
        )
    return doubts


def _edge(rung: Rung) -> str:
    """Why nothing encloses the best of the rates tried."""
    of_length = f"with {rung.steps:,} updates"
    finished = [trial for trial in rung.trials if trial.loss is not None]
    rates = sorted({trial.lr for trial in rung.trials})
    if len(rates) == 1:
        return f"only one rate, {rates[0]:.2g}, was tried {of_length}"
    if not finished:
        return f"every rate tried {of_length} diverged, the lowest at {rates[0]:.2g}"
    best = min(finished, key=lambda trial: trial.loss or 0.0)
    place, side = ("lowest", "below") if best.lr == rates[0] else ("highest", "above")
    return (
        f"of the rates tried {of_length}, the {place}, {best.lr:.2g}, ended with the lowest loss, so "
        f"the best one may lie {side} it"
    )
