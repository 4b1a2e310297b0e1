"""Which warm-up and which decay: short trials at one rate and on the same batches. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from learnrate.schedules import Schedule, shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["SHORTEST", "Candidate", "ShapeTrial", "candidates", "chosen"]

SHORTEST = 64  # updates; of fewer, a warm-up of 2 % is one update
_SURE = 2.0  # standard deviations of a difference of two trials
_LEAST = 0.01  # of the loss: what is less does not matter

_WARMUPS = {"no warm-up": 0.0, "2 % warm-up": 0.02, "5 % warm-up": 0.05, "10 % warm-up": 0.1}
_DECAYS = {
    "linear": ("linear()", 1.0),
    "cosine": ("cosine()", 1.0),
    # A stable phase wants about half the peak (Schaipp et al. 2025, arXiv:2501.18965, data).
    "constant, then linear over the last 20 %": ("constant({stable:g}%) >> linear()", 0.5),
}
_WARMUP, _DECAY = "5 % warm-up", "linear"


@dataclass(frozen=True)
class Candidate:
    """A warm-up and a decay by name, and their rate as a share of that under a linear decay."""

    warmup: str
    decay: str

    @property
    def factor(self) -> float:
        """Its peak over that of 5 % warm-up and a linear decay."""
        return _DECAYS[self.decay][1]

    @property
    def shape(self) -> Schedule:
        """The shape, with peak 1."""
        warmup = _WARMUPS[self.warmup]
        decay = _DECAYS[self.decay][0].format(stable=100 * (0.8 - warmup))
        return shape(f"warmup({100 * warmup:g}%) >> {decay}" if warmup else decay)


@dataclass(frozen=True)
class ShapeTrial:
    """A short trial of one warm-up and decay: what it ended at; None if it did not finish."""

    warmup: str
    decay: str
    shape: str
    lr: float
    loss: float | None
    updates: int


def candidates() -> list[Candidate]:
    """The usual one first, then the others, each differing from it in one thing.

    Examples:
        >>> [str(one.shape) for one in candidates()][:2]
        ['warmup(5%) >> linear()', 'linear()']
        >>> str(candidates()[-1].shape)
        'warmup(5%) >> constant(75%) >> linear()'
    """
    others = [Candidate(name, _DECAY) for name in _WARMUPS if name != _WARMUP]
    others += [Candidate(_WARMUP, name) for name in _DECAYS if name != _DECAY]
    return [Candidate(_WARMUP, _DECAY), *others]


def chosen(heights: Mapping[Candidate, float], noise: float) -> tuple[Candidate, str]:
    """The warm-up and decay to use, and why, in a sentence.

    Another than the usual one is taken where it ended lower by more than two standard deviations
    of a difference of two trials, and by more than 1 % of the loss.

    Args:
        heights: of each candidate's trial, infinite where it did not finish; the usual one first.
        noise: the standard deviation of a trial's height.
    """
    usual = candidates()[0]
    margin = max(_LEAST, _SURE * math.sqrt(2) * noise)
    warmup, of_warmup = _best([one for one in heights if one.decay == _DECAY], heights, margin)
    decay, of_decay = _best([one for one in heights if one.warmup == _WARMUP], heights, margin)
    taken = Candidate(warmup.warmup, decay.decay)
    kept = "the usual ones are kept" if taken == usual else f"taken: {taken.warmup}, {taken.decay}"
    return taken, f"{of_warmup}; {of_decay}; {kept} (differences below {margin:.1%} are noise)."


def _best(
    among: Sequence[Candidate], heights: Mapping[Candidate, float], margin: float
) -> tuple[Candidate, str]:
    usual, varied = candidates()[0], "warm-up" if among[-1].decay == _DECAY else "decay"
    best = min(among, key=lambda one: heights[one])
    gains = {one: heights[usual] - heights[one] for one in among if one != usual}
    if all(abs(gain) <= margin for gain in gains.values()):
        return usual, f"the {varied} does not matter"
    name = best.warmup if varied == "warm-up" else best.decay
    if best == usual or gains[best] <= margin:
        worst = min(gains, key=gains.__getitem__)
        other = worst.warmup if varied == "warm-up" else worst.decay
        return usual, f"the {varied} matters ({other}: {_change(-gains[worst])}), none is better"
    return best, f"the {varied} matters ({name}: {_change(-gains[best])})"


def _change(height: float) -> str:
    return "did not finish" if math.isinf(height) else f"{math.expm1(height):+.1%} loss"
