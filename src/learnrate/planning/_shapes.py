"""Which warm-up and which decay to use, by short trials on the same batches. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from learnrate.schedules import Schedule, shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MIN_STEPS", "Candidate", "ShapeTrial", "candidates", "choose_shape"]

MIN_STEPS = 64  # of a trial; in a shorter one, a warm-up of 2 % is a single update
_STD_MARGIN = 2.0  # standard deviations of a difference of two trials
_MIN_GAIN = 0.01  # of the loss: a smaller difference does not matter

_WARMUPS = {"no warm-up": 0.0, "2 % warm-up": 0.02, "5 % warm-up": 0.05, "10 % warm-up": 0.1}
_DECAYS = {
    "linear": ("linear()", 1.0),
    "cosine": ("cosine()", 1.0),
    # A constant phase needs about half the peak (Schaipp et al. 2025, arXiv:2501.18965, data).
    "constant, then linear over the last 20 %": ("constant({stable:g}%) >> linear()", 0.5),
}
_WARMUP, _DECAY = "5 % warm-up", "linear"


@dataclass(frozen=True)
class Candidate:
    """A warm-up and a decay, by name."""

    warmup: str
    decay: str

    @property
    def factor(self) -> float:
        """The factor between its peak and the peak of 5 % warm-up with a linear decay."""
        return _DECAYS[self.decay][1]

    @property
    def shape(self) -> Schedule:
        """The warm-up and the decay, joined to a schedule with peak 1."""
        warmup = _WARMUPS[self.warmup]
        decay = _DECAYS[self.decay][0].format(stable=100 * (0.8 - warmup))
        return shape(f"warmup({100 * warmup:g}%) >> {decay}" if warmup else decay)


@dataclass(frozen=True)
class ShapeTrial:
    """A short trial of one warm-up and decay.

    Attributes:
        warmup: the warm-up's name.
        decay: the decay's name.
        shape: the schedule's shape, as a text.
        lr: the peak rate.
        loss: the final loss; None if it did not finish.
        updates: how many were made.
    """

    warmup: str
    decay: str
    shape: str
    lr: float
    loss: float | None
    updates: int


def candidates() -> list[Candidate]:
    """The usual shape first, then the others, which differ from it in the warm-up or the decay.

    Examples:
        >>> [str(candidate.shape) for candidate in candidates()][:2]
        ['warmup(5%) >> linear()', 'linear()']
        >>> str(candidates()[-1].shape)
        'warmup(5%) >> constant(75%) >> linear()'
    """
    others = [Candidate(name, _DECAY) for name in _WARMUPS if name != _WARMUP]
    others += [Candidate(_WARMUP, name) for name in _DECAYS if name != _DECAY]
    return [Candidate(_WARMUP, _DECAY), *others]


def choose_shape(log_losses: Mapping[Candidate, float], noise: float) -> tuple[Candidate, str]:
    """The warm-up and decay to use, and the reason, in one sentence.

    A candidate replaces the usual shape if it ended lower by more than two standard deviations of a
    difference of two trials, and by more than 1 % of the loss.

    Args:
        log_losses: the log loss of each candidate's trial, infinite if it did not finish; the
            usual shape first.
        noise: the standard deviation of a trial's log loss.
    """
    usual = candidates()[0]
    margin = max(_MIN_GAIN, _STD_MARGIN * math.sqrt(2) * noise)
    warmups = [candidate for candidate in log_losses if candidate.decay == _DECAY]
    decays = [candidate for candidate in log_losses if candidate.warmup == _WARMUP]
    warmup, warmup_reason = _best(warmups, log_losses, margin)
    decay, decay_reason = _best(decays, log_losses, margin)
    shape = Candidate(warmup.warmup, decay.decay)
    decision = (
        "the usual ones are kept" if shape == usual else f"taken: {shape.warmup}, {shape.decay}"
    )
    return shape, (
        f"{warmup_reason}; {decay_reason}; {decision} (differences below {margin:.1%} are noise)."
    )


def _best(
    varied: Sequence[Candidate], log_losses: Mapping[Candidate, float], margin: float
) -> tuple[Candidate, str]:
    """The best of candidates that differ in one part only, and the reason."""
    usual, part = candidates()[0], "warm-up" if varied[-1].decay == _DECAY else "decay"
    best = min(varied, key=log_losses.__getitem__)
    gains = {
        candidate: log_losses[usual] - log_losses[candidate]
        for candidate in varied
        if candidate != usual
    }
    if all(abs(gain) <= margin for gain in gains.values()):
        return usual, f"the {part} does not matter"
    if best == usual or gains[best] <= margin:
        worst = min(gains, key=gains.__getitem__)
        name = worst.warmup if part == "warm-up" else worst.decay
        return (
            usual,
            f"the {part} matters ({name}: {_change(-gains[worst])}), but no other choice is better",
        )
    name = best.warmup if part == "warm-up" else best.decay
    return best, f"the {part} matters ({name}: {_change(-gains[best])})"


def _change(log_loss: float) -> str:
    return "did not finish" if math.isinf(log_loss) else f"{math.expm1(log_loss):+.1%} loss"
