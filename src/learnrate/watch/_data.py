"""LR401 and LR402: what the loss says about the data rather than the rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._statistics import rising_rank_p
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._reading import share_text
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["AT_CHANCE", "OVERFITTING", "AtChanceOptions", "OverfittingOptions"]


@dataclass(frozen=True, kw_only=True)
class OverfittingOptions(RuleOptions):
    """Thresholds of LR401.

    Attributes:
        rise: the share by which the validation loss must lie above its lowest, Prechelt's
            generalisation loss; 5 % is the usual one of his criteria GL.
        lost: and the share of all that was gained, from the first training loss to the lowest
            validation loss, that the rise must undo: a validation loss near 0 doubles for nothing.
        significance: of the rank test by which it rises since then.
        rows: validations since the lowest without which there is no trend.
    """

    rise: float = 0.05
    lost: float = 0.03
    significance: float = 0.01
    rows: float = 5


def _overfitting(reading: Reading, options: OverfittingOptions) -> Finding | None:
    held = reading.validation
    at = int(np.argmin(held.value))
    lowest, since = float(held.value[at]), held.value[at:]
    last = float(np.median(held.value[-3:]))
    if since.size <= options.rows or lowest <= 0 or last < (1.0 + options.rise) * lowest:
        return None
    if last - lowest < options.lost * (reading.start - lowest):
        return None
    if rising_rank_p(_thinned(since), independent=True) >= options.significance:
        return None
    step = int(held.step[at])
    then = reading.finite.before(step + 1).value[-20:]
    if not then.size or reading.end >= float(np.median(then)):
        return None
    return Finding(
        code=OVERFITTING.code,
        severity=OVERFITTING.severity,
        step=step,
        message=(
            f"Overfitting begins near step {step:,}: since then the validation loss rose by "
            f"{share_text(last / lowest - 1.0)}, from {lowest:.3g} to {last:.3g}, while the "
            "training loss kept falling."
        ),
        evidence={
            "lowest_validation": lowest,
            "last_validation": last,
            "rise": last / lowest - 1.0,
            "training_loss_then": float(np.median(then)),
            "training_loss_now": reading.end,
        },
        remedy=(
            f"Keep the weights of step {step:,}; next time let the decay end there, or regularise "
            "more: a lower rate does not bring back what was memorised."
        ),
    )


def _thinned(values: np.ndarray) -> list[float]:
    """At most 32 values, evenly taken: a rank test's cost grows with their square."""
    return [float(part.mean()) for part in np.array_split(values, min(32, values.size))]


@dataclass(frozen=True, kw_only=True)
class AtChanceOptions(RuleOptions):
    """Thresholds of LR402.

    Attributes:
        share: by how much of the chance level the loss may lie below it.
        above: by how much above; a rate too high for what is learned keeps it a little above.
        significance: of the rank test by which the second half still falls.
        falls: how far it must then have fallen, in units of what a level is uncertain by, to be no
            longer flat wherever it lies.
        moved: by how much of their size the weights must have moved, the sizes of all updates
            added up, before a flat loss says something of the data. Runs whose labels are
            shuffled had moved by 1 or more, those at a hundredth of the rate by 0.02 to 0.4.
        seen: the share of the run that must be over.
    """

    share: float = 0.02
    above: float = 0.1
    significance: float = 0.01
    falls: float = 4.0
    moved: float = 0.25
    seen: float = 0.1


def _at_chance(reading: Reading, options: AtChanceOptions) -> Finding | None:
    if reading.seen < options.seen * reading.length:
        return None
    if reading.moved is not None and reading.moved < options.moved:
        return None  # LR201 speaks
    chance = reading.chance
    assert chance is not None  # noqa: S101 - `lacks` was asked before
    levels = reading.levels.value
    late = levels[levels.size // 2 :]
    low, high = float(late.min()), float(np.median(late))
    slack = 2.0 * reading.wobble
    if low < (1.0 - options.share) * chance - slack or high > (1.0 + options.above) * chance:
        return None
    if reading.best < (1.0 - options.share) * chance - 2.0 * slack:
        return None
    falls = rising_rank_p(_thinned(-late)) < options.significance
    below = chance - reading.end > reading.wobble and high <= reading.start
    if falls and (below or _fallen(late) > options.falls * reading.wobble):
        return None  # it learns, or is on its way to chance: LR201 speaks
    return Finding(
        code=AT_CHANCE.code,
        severity=AT_CHANCE.severity,
        step=None,
        message=(
            f"The loss is flat at chance: {high:.4g} over the last half of the run, where a model "
            f"that knows nothing has {chance:.4g}."
        ),
        evidence={"level": high, "chance": chance, "start": reading.start, "best": reading.best},
        remedy=(
            "Check first that labels belong to their inputs and that inputs reach the model; try "
            "to fit one batch. If that works, the rate is far off: run learnrate find."
        ),
    )


def _fallen(levels: np.ndarray) -> float:
    """From the first five levels to the last five."""
    return float(levels[:5].mean() - levels[-5:].mean())


OVERFITTING = Rule(
    code="LR401",
    title="overfitting begins: decay or stop",
    severity=Severity.WARNING,
    needs=("validation", "loss"),
    options=OverfittingOptions(),
    check=_overfitting,
    rows=8,
    explains=frozenset({"LR201", "LR301", "LR302"}),
    shows=("validation", "loss"),
)
AT_CHANCE = Rule(
    code="LR402",
    title="the loss is flat at chance",
    severity=Severity.ERROR,
    needs=("loss",),
    options=AtChanceOptions(),
    check=_at_chance,
    lacks=lambda reading: (
        None
        if reading.chance is not None
        else "neither the chance loss nor the number of classes is known"
    ),
    explains=frozenset({"LR103", "LR201", "LR301", "LR302", "LR401"}),
)
