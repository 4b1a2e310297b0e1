"""The result of a range test: the measured curves, and the rate that is suggested."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._axes import draw_panel
from learnrate._chart import describe
from learnrate.range_test._rules import RULES, Rule, smoothed, without_dips

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from learnrate._usual_rate import UsualRate

__all__ = ["RangeTest", "Zones"]

_ABOVE_BEST = 3.0  # the rate of lowest loss over the best peak of a run
_DECADE = 10.0
_SIGNIFICANT = 6.0
_AGREEMENT = 10.0  # the factor by which the repeats' rates of lowest loss may differ
_FEWEST_LINEAR = 5  # rates before the divergence


@dataclass(frozen=True)
class Zones:
    """The three parts of a range test: rates that are too low, that lower the loss, too high.

    Attributes:
        falling_from: the lowest rate from which the mean smooth loss stays significantly below its
            start. Lower rates do not lower it visibly within the test.
        rising_from: the rate of the lowest mean smooth loss, above which it rises; None if the loss
            still falls at the last rate.
        highest: the last rate that every repeat reached.
    """

    falling_from: float
    rising_from: float | None
    highest: float

    def __str__(self) -> str:
        low = f"{self.falling_from:.2g}"
        too_low = f"Too low: below {low}, where the loss does not fall visibly"
        if self.rising_from is None:
            return f"{too_low}; falling: from {low} to the last rate, {self.highest:.2g}"
        high = f"{self.rising_from:.2g}"
        return f"{too_low}; falling: from {low} to {high}; too high: above {high}"


@dataclass(frozen=True)
class RangeTest:
    """The losses of a range test, over several repeats.

    Attributes:
        lr: the rates tried, increasing, shape (iters,).
        loss: the loss before each update, shape (repeats, iters); NaN after a repeat ended early.
        mode: `"exponential"` or `"linear"`.
        seed: of the first repeat; the other seeds follow from it.
        memory: of the exponential smoothing, in [0, 1).
        rule: whose rate is the suggestion: a name in `RULES`, or a function of the rates and the
            mean smooth losses; None for a third of the rate of lowest loss, see `suggestion`.
        is_validation: whether the losses are validation losses after each update.
        usual: the rate that is usually best for the optimizer and the sizes of its weights, see
            `usual_rate`; None if it is not known.
    """

    lr: np.ndarray
    loss: np.ndarray
    mode: str
    seed: int
    memory: float
    rule: str | Rule | None = None
    is_validation: bool = False
    usual: UsualRate | None = None

    @property
    def loss_name(self) -> str:
        """Which loss was measured: "training loss" or "validation loss"."""
        return "validation loss" if self.is_validation else "training loss"

    @cached_property
    def smooth(self) -> np.ndarray:
        """The smooth loss of each repeat, shape (repeats, iters); NaN after its end.

        Single losses far below both neighbours are replaced; see `without_dips`.
        """
        return smoothed(np.stack([without_dips(loss) for loss in self.loss]), self.memory)

    @cached_property
    def reached(self) -> np.ndarray:
        """How many rates each repeat tried before it ended, shape (repeats,)."""
        return np.asarray(np.isfinite(self.loss).cumprod(axis=1).sum(axis=1))

    @cached_property
    def mean(self) -> np.ndarray:
        """The mean smooth loss over the rates that every repeat reached, shape (n,), n <= iters."""
        return np.asarray(self.smooth[:, : self.reached.min()].mean(axis=0))

    @cached_property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest smooth loss of the repeats, each with the shape of `mean`."""
        common = self.smooth[:, : self.reached.min()]
        return common.min(axis=0), common.max(axis=0)

    @property
    def diverged_at(self) -> float | None:
        """The rate at which the median repeat diverged; None if it did not."""
        last = int(np.median(self.reached))
        return None if last >= len(self.lr) else float(self.lr[last])

    @cached_property
    def rules(self) -> dict[str, float | None]:
        """The rate that each rule in the field gives for this curve; None if it is too short.

        As the authors of the rules do, the first tenth of the rates and the last five are left out.
        """
        return {name: self._read(rule) for name, rule in RULES.items()}

    def _read(self, rule: Rule) -> float | None:
        inner = slice(len(self.lr) // 10, max(0, len(self.mean) - 5))
        lr, loss = self.lr[: len(self.mean)][inner], self.mean[inner]
        return rule(lr, loss) if len(lr) >= 3 else None

    @cached_property
    def zones(self) -> Zones | None:
        """The rates that are too low, that lower the loss, and that are too high.

        None if there is no suggestion.
        """
        if self.refusal:
            return None
        lowest = int(np.argmin(self.mean))
        start, _ = self._start_and_lowest()
        not_below = np.flatnonzero(start - self.mean[:lowest] <= _SIGNIFICANT * self._noise())
        first = int(not_below[-1]) + 1 if len(not_below) else 0
        last = len(self.mean) - 1
        return Zones(
            falling_from=float(self.lr[first]),
            rising_from=None if lowest == last else float(self.lr[lowest]),
            highest=float(self.lr[last]),
        )

    @property
    def suggestion(self) -> float | None:
        """The rate of `rule`; by default, an estimate from the rates of lowest loss and the usual rate.

        Each repeat has a rate at which its loss is lowest. A third of their geometric mean is an
        estimate of the best peak of a run. If `usual` is known, the suggestion is the geometric mean of
        both estimates, as these are about equally uncertain, but at most the lowest of those rates. None
        if the curve supports no suggestion; `reason` says why. It is a first look from a short test;
        `plan` answers for a whole run.
        """
        return None if self.refusal else self._chosen

    @property
    def reason(self) -> str:
        """Why there is a suggestion, or why there is none."""
        if self.refusal:
            return self.refusal
        lowest = f"the loss is lowest at {self._lowest_text()} (one rate per repeat)"
        if self.rule is not None:
            return f"{lowest}; the rule {self._rule_name} on their mean smooth loss"
        third = "a third of their geometric mean"
        if self.usual is not None:
            third = (
                f"{third} is {self._from_curve():.2g}, and the usual rate is {self.usual.lr:.2g}; the "
                "geometric mean of both"
            )
        if self._from_both() > self._lowest_lrs.min():
            return f"{lowest}; {third} is higher, so the lowest of these rates is suggested"
        return f"{lowest}; {third}{' is suggested' if self.usual is not None else ''}"

    @property
    def broken(self) -> bool:
        """Whether the loss was not finite from the start, at rates too low to cause it."""
        fewest = 1 if self.mode == "linear" else max(2, min(5, len(self.lr) // 4))
        return bool(self.reached.min() < fewest)

    @cached_property
    def refusal(self) -> str:
        """Why the curve supports no suggestion; empty if it does."""
        if self.broken:
            return (
                f"the loss was not finite within the first {max(1, self.reached.min() + 1)} rates, "
                f"from {self.lr[0]:.2g}: the rate is not the cause. Check the data and the initial "
                "weights."
            )
        tried = int(self.reached.min())
        if self.mode == "linear" and tried < _FEWEST_LINEAR:
            return (
                f"the loss diverged below the rate {self.lr[tried]:.2g}, after only {tried} of "
                f"{len(self.lr)} rates. Use mode='exponential', or set high below this rate."
            )
        start, lowest = self._start_and_lowest()
        noise = self._noise()
        if start - lowest > _SIGNIFICANT * noise:
            return self._doubt()
        risen = float(np.nanmax(self.mean)) - start > _SIGNIFICANT * noise
        if risen or self.diverged_at is not None:
            return (
                f"the loss only rises: {start:.4g} at the start, never significantly lower. "
                f"{self._way_out(start)}"
            )
        return (
            f"the loss is flat: it falls by {max(0.0, start - lowest):.2g}, within its noise "
            f"({noise:.2g}). Raise the highest rate above {self.lr[-1]:.2g}, use more iters, or "
            "check that the loss depends on the parameters that the optimizer trains."
        )

    def __str__(self) -> str:
        if self.refusal:
            return f"no suggestion: {self.reason}"
        end = self.diverged_at
        ended = "did not diverge" if end is None else f"diverged at {end:.2g}"
        return f"suggestion {self.suggestion:.3g}: {self.reason}; {ended}. {self.zones}."

    def _doubt(self) -> str:
        """Why a curve that falls supports no suggestion; empty if it does."""
        points = self._lowest_lrs
        if points.max() > _AGREEMENT * points.min():
            return (
                f"the repeats disagree: the loss is lowest at {self._lowest_text()}; these rates may "
                f"differ by a factor of {_AGREEMENT:g} at most. Use more iters or a larger batch, or run "
                "learnrate plan, which compares whole trainings."
            )
        if points.min() < _ABOVE_BEST * self.lr[0]:
            return (
                f"the loss is lowest close to the first rate, {self.lr[0]:.2g}. "
                f"{self._way_out(float(self.mean.min()))}"
            )
        if self._chosen is None or not 0 < self._chosen < math.inf:
            return f"the rule {self._rule_name} gave {self._chosen} for this curve."
        return ""

    def _way_out(self, level: float) -> str:
        """A way out if no loss at a higher rate is below `level`, the loss at the first rates.

        Lower rates help only if the loss rises within a decade of the first rate. If it stays at
        this level for longer, those rates are too low already.
        """
        rises_from = self._rises_from(level)
        if rises_from <= _DECADE * self.lr[0]:
            return f"Start lower than {self.lr[0]:.2g}, or use a longer test (more iters)."
        return (
            f"It rises significantly only from {rises_from:.2g} on, so lower rates would not help: "
            "the test is too short or too noisy to show a fall. Use more iters, more repeats or a "
            "larger batch."
        )

    def _rises_from(self, level: float) -> float:
        """The rate from which the mean smooth loss stays significantly above a level to the end."""
        not_above = np.flatnonzero(self.mean - level <= _SIGNIFICANT * self._noise())
        first = int(not_above[-1]) + 1 if len(not_above) else 0
        return float(self.lr[min(first, len(self.lr) - 1)])

    @cached_property
    def _chosen(self) -> float | None:
        if self.rule is None:
            return min(self._from_both(), float(self._lowest_lrs.min()))
        return self._read(RULES[self.rule] if isinstance(self.rule, str) else self.rule)

    @property
    def _rule_name(self) -> str:
        return self.rule if isinstance(self.rule, str) else getattr(self.rule, "__name__", "given")

    def _lowest_text(self) -> str:
        return ", ".join(f"{lr:.2g}" for lr in self._lowest_lrs)

    def _from_curve(self) -> float:
        """The best peak, estimated from the rates of lowest loss alone."""
        return float(np.exp(np.log(self._lowest_lrs).mean())) / _ABOVE_BEST

    def _from_both(self) -> float:
        """The geometric mean of the estimate from the curve and the usual rate, if that is known."""
        curve = self._from_curve()
        return curve if self.usual is None else math.sqrt(curve * self.usual.lr)

    def _start_and_lowest(self) -> tuple[float, float]:
        first = max(1, len(self.mean) // 10)
        return float(self.mean[:first].mean()), float(self.mean.min())

    def _noise(self) -> float:
        """Standard error of the mean smooth loss, from the differences of successive losses."""
        common = self.loss[:, : self.reached.min()]
        half = max(3, common.shape[1] // 2)
        # The median, of the first half only: neither the fall nor the divergence is noise.
        jumps = np.abs(np.diff(common[:, :half], axis=1))
        single = (
            float(np.median(jumps)) / 0.954
        )  # median |difference| of two standard normal values
        averaged = (1 - self.memory) / (1 + self.memory)
        rounding = 1e-9 * float(np.abs(self.mean).max())
        return single * math.sqrt(averaged / common.shape[0]) + rounding

    @cached_property
    def _lowest_lrs(self) -> np.ndarray:
        """The rate of the lowest smooth loss of each repeat, shape (repeats,)."""
        return np.asarray(self.lr[np.nanargmin(self.smooth, axis=1)])

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the curves with their marks on matplotlib axes; needs the extra `plot`."""
        return draw_panel(describe(self).panels[0], axes)

    def to_dict(self) -> dict[str, Any]:
        """The document of `learnrate find --json`: suggestion, zones, rates and mean smooth loss."""
        return {
            "suggestion": self.suggestion,
            "reason": self.reason,
            "zones": None if self.zones is None else asdict(self.zones),
            "rules": self.rules,
            "diverged_at": self.diverged_at,
            "usual": None if self.usual is None else asdict(self.usual),
            "lr": self.lr[: len(self.mean)].tolist(),
            "loss": self.mean.tolist(),
        }
