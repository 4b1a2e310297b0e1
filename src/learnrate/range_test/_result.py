"""The range test as a value: the curves it measured, and what can be read off them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.range_test._rules import RULES, smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RangeTest"]

_SAFETY = 4.0
_AT_THE_START = (
    "the loss is lowest close to the first rate, {:.2g}: what lies below it was not tried. "
    "Start lower, or use more iters."
)
_SIGNIFICANT = 6.0


@dataclass(frozen=True)
class RangeTest:
    """Losses under a rising rate, over several repeats.

    Attributes:
        lr: the rates tried, increasing, shape (iters,).
        loss: the loss at each, before its update, shape (repeats, iters); NaN from where a repeat
            ended early.
        mode: `"exponential"` or `"linear"`.
        seed: the seed of the first repeat; the others follow from it.
        memory: of the smoothing, in [0, 1).
    """

    lr: np.ndarray
    loss: np.ndarray
    mode: str
    seed: int
    memory: float

    @cached_property
    def smooth(self) -> np.ndarray:
        """Each repeat's smooth loss, shape (repeats, iters), NaN after its end."""
        return smoothed(self.loss, self.memory)

    @cached_property
    def reached(self) -> np.ndarray:
        """How many rates each repeat tried before it ended, shape (repeats,)."""
        return np.asarray(np.isfinite(self.loss).cumprod(axis=1).sum(axis=1))

    @cached_property
    def mean(self) -> np.ndarray:
        """The mean smooth loss, as far as every repeat went, shape (n,) with n <= iters."""
        return np.asarray(self.smooth[:, : self.reached.min()].mean(axis=0))

    @cached_property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest smooth loss over the repeats, beside `mean`."""
        common = self.smooth[:, : self.reached.min()]
        return common.min(axis=0), common.max(axis=0)

    @property
    def diverged_at(self) -> float | None:
        """The rate at which the middle repeat left for good; None if it never did."""
        last = int(np.median(self.reached))
        return None if last >= len(self.lr) else float(self.lr[last])

    @cached_property
    def rules(self) -> dict[str, float | None]:
        """What the rules of the field answer on this curve, by name; None where it is too short.

        As their authors do, the first tenth of the rates and the last five are left out.
        """
        kept = slice(len(self.lr) // 10, max(0, len(self.mean) - 5))
        lr, loss = self.lr[: len(self.mean)][kept], self.mean[kept]
        return {name: rule(lr, loss) if len(lr) >= 3 else None for name, rule in RULES.items()}

    @property
    def suggestion(self) -> float | None:
        """Our own answer: a quarter of the rate of lowest loss, that of the lowest repeat.

        A rate too high costs three to four times more than one as much too low, so the lower of
        the repeats decides. None where the curve cannot support an answer; `reason` says why. It
        is a first look at what one short test can tell; `plan` answers for a whole run.
        """
        return None if self.refusal else self._from_lowest()

    @property
    def reason(self) -> str:
        """Why there is a suggestion, or why there is none."""
        if self.refusal:
            return self.refusal
        points = self._lowest_points()
        lowest = ", ".join(f"{lr:.2g}" for lr in points)
        return f"the loss is lowest at {lowest} (one per repeat); a quarter of the lowest of them"

    @property
    def broken(self) -> bool:
        """Whether the loss was not finite from the start, where no rate is to blame."""
        return bool(self.reached.min() < max(2, min(5, len(self.lr) // 4)))

    @cached_property
    def refusal(self) -> str:
        """Why the curve supports no answer; empty where it does."""
        if self.broken:
            return (
                f"the loss was not finite within the first {max(1, self.reached.min() + 1)} rates, "
                f"from {self.lr[0]:.2g}: the fault is not the rate. Look at data and first weights."
            )
        start, lowest = self._start_and_lowest()
        noise = self._noise()
        if start - lowest > _SIGNIFICANT * noise:
            return "" if self._from_lowest() >= self.lr[0] else _AT_THE_START.format(self.lr[0])
        risen = float(np.nanmax(self.mean)) - start > _SIGNIFICANT * noise
        if risen or self.diverged_at is not None:
            return (
                f"the loss only rises: {start:.4g} at the start, never significantly lower. "
                f"Start lower than {self.lr[0]:.2g}, or use a longer test (more iters)."
            )
        return (
            f"the loss is flat: it falls by {max(0.0, start - lowest):.2g}, within its noise "
            f"({noise:.2g}). Raise the highest rate above {self.lr[-1]:.2g}, use more iters, or "
            "check that the loss depends on what the optimizer trains."
        )

    def __str__(self) -> str:
        if self.refusal:
            return f"no suggestion: {self.reason}"
        end = self.diverged_at
        ended = "did not diverge" if end is None else f"diverged at {end:.2g}"
        return f"suggestion {self.suggestion:.3g}: {self.reason}; {ended}."

    def _from_lowest(self) -> float:
        return float(self._lowest_points().min()) / _SAFETY

    def _start_and_lowest(self) -> tuple[float, float]:
        first = max(1, len(self.mean) // 10)
        return float(self.mean[:first].mean()), float(self.mean.min())

    def _noise(self) -> float:
        """Standard error of the mean smooth loss, from how successive losses differ."""
        common = self.loss[:, : self.reached.min()]
        half = max(3, common.shape[1] // 2)
        # Median, and the first half: the fall and the explosion are not noise.
        jumps = np.abs(np.diff(common[:, :half], axis=1))
        single = float(np.median(jumps)) / 0.954  # of a difference of two normal values
        averaged = (1 - self.memory) / (1 + self.memory)
        rounding = 1e-9 * float(np.abs(self.mean).max())
        return single * math.sqrt(averaged / common.shape[0]) + rounding

    def _lowest_points(self) -> np.ndarray:
        return np.asarray(self.lr[np.nanargmin(self.smooth, axis=1)])

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the curves with their marks on matplotlib axes; needs the extra `plot`."""
        from learnrate.range_test._picture import draw  # noqa: PLC0415 - matplotlib is optional

        return draw(self, axes)

    def to_dict(self) -> dict[str, Any]:
        """What `learnrate find --json` prints, without NaN: rates and the mean smooth loss."""
        return {
            "suggestion": self.suggestion,
            "reason": self.reason,
            "rules": self.rules,
            "diverged_at": self.diverged_at,
            "lr": self.lr[: len(self.mean)].tolist(),
            "loss": self.mean.tolist(),
        }
