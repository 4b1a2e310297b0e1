"""A run as the rules read it, computed once: levels of the loss, the rate, the schedule."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.watch._objectives import OBJECTIVES, why_loss_says_nothing
from learnrate.watch._rate_course import RateCourse
from learnrate.watch._tracks import (
    Track,
    fall_signal,
    levels_of,
    median_of_three,
    neighbour_std,
    tail_std,
)

if TYPE_CHECKING:
    from learnrate.schedules import Schedule
    from learnrate.watch._observations import Observations

__all__ = ["Reading"]

_ROUNDING = 8 * float(np.finfo(np.float32).eps)
_LEVELS = 60  # enough for the shape of a series, few enough for rank tests
_FIRST_LOSSES = 3  # their median is the loss at the start
_NEEDED_SIGNAL = 12.0  # signal of 60 levels, in standard deviations
_EXPLODED = 8.0  # standard deviations by which the second or third loss may exceed the first
_RELATIVE = 0.01  # of the rate: closer rates are equal up to a log's rounding
_ABSOLUTE = 0.002  # of the peak: closer rates are equal
_RATE_TOLERANCE = 0.02  # of the peak: closer rates are equal up to a log's rounding


class Reading:
    """A run as the rules read it; every quantity is computed when it is first used.

    Args:
        observations: what was recorded.
        live: whether the run is still running; if its total is unknown, it is then never finished.
    """

    def __init__(self, observations: Observations, *, live: bool = False) -> None:
        self.observations = observations
        self.live = live
        self._tracks: dict[str, Track] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """The facts of the run, besides its columns."""
        return dict(self.observations.facts)

    def track(self, name: str) -> Track:
        """The rows of a column that have a value; inf if a value was not finite."""
        if name not in self._tracks:
            column = self.observations.column(name)
            has_value = ~np.isnan(column)
            self._tracks[name] = Track(self.observations.step[has_value], column[has_value])
        return self._tracks[name]

    @cached_property
    def loss(self) -> Track:
        """The training loss, inf if it was not finite."""
        return self.track("loss")

    @cached_property
    def finite_loss(self) -> Track:
        """The training loss where it was finite."""
        return self.loss.finite()

    @cached_property
    def rate(self) -> Track:
        """The absolute value of the rate where it was finite."""
        rate = self.track("lr").finite()
        return Track(rate.step, np.abs(rate.value))

    @cached_property
    def validation(self) -> Track:
        """The validation loss where it was finite."""
        return self.track("validation").finite()

    @cached_property
    def clipped(self) -> Track:
        """The share of updates clipped, as recorded or from the norms and the clipping norm."""
        if self.observations.has("clipped"):
            return self.track("clipped")
        norms, limit = self.track("gradient_norm"), self.facts.get("clip_norm")
        if isinstance(limit, int | float) and limit > 0 and len(norms.value):
            return Track(norms.step, (norms.value > limit).astype(float))
        return Track(norms.step[:0], norms.value[:0])

    @cached_property
    def moved(self) -> float | None:
        """The norms of all updates summed, as a share of the weights'; None if not recorded."""
        ratio = self.track("update_ratio").finite().value
        return float(ratio.mean()) * self.steps_done if ratio.size else None

    @property
    def chance(self) -> float | None:
        """The loss of a model that has learned nothing; None if the facts do not give it."""
        chance, classes = self.facts.get("chance"), self.facts.get("classes")
        if isinstance(chance, int | float) and math.isfinite(chance):
            return float(chance)
        if isinstance(classes, int) and classes > 1:
            return math.log(classes)
        return None

    @property
    def why_classes_unknown(self) -> str | None:
        """How to tell the number of classes, in a sentence; None if it is known."""
        if isinstance(self.facts.get("classes"), int):
            return None
        return "the number of classes is not known; give run.step the loss as a tensor, or attach(criterion=...)"

    @property
    def steps_done(self) -> int:
        """Updates from the start of the run to the last row."""
        return int(self.observations.step[-1]) + 1 if self.observations.step.size else 0

    @property
    def total_steps(self) -> int:
        """Updates of the whole run as planned; those done if the plan is unknown or exceeded."""
        return max(self.steps_done, self.observations.total_steps or 0)

    @cached_property
    def finished(self) -> bool:
        """Whether the last row is the end of the run, to within two rows."""
        planned = self.observations.total_steps
        if planned is None:
            return not self.live
        steps = self.observations.step
        spacing = float(np.median(np.diff(steps[-50:]))) if steps.size > 1 else 1.0
        return self.steps_done + 2.0 * spacing >= planned

    @cached_property
    def spacing(self) -> float:
        """Updates from one row of the loss to the next, in the median; 1 if there is one row."""
        steps = self.loss.step
        return float(np.median(np.diff(steps))) if steps.size > 1 else 1.0

    @cached_property
    def noise(self) -> float:
        """The standard deviation of a loss around its course, heavy tails included; 0 for few."""
        losses = self.finite_loss.value
        return tail_std(losses) if losses.size >= 5 else 0.0

    @cached_property
    def varies(self) -> bool:
        """Whether the loss varies by more than the rounding of 32-bit numbers."""
        losses = self.finite_loss.value
        return bool(losses.size and np.ptp(losses) > _ROUNDING * np.abs(losses).max())

    @cached_property
    def levels(self) -> Track:
        """Medians of 60 equal parts of the finite losses, at the steps of their first rows."""
        return levels_of(self.finite_loss, _LEVELS)

    @cached_property
    def level_error(self) -> float:
        """The standard error of a level, from the differences of neighbouring levels."""
        levels = self.levels.value
        if levels.size < 5:
            return 0.0
        return neighbour_std(levels, around=float(np.median(np.diff(levels))))

    @cached_property
    def signal(self) -> float:
        """The fall of the levels over their standard deviation around that fall.

        Noise and slow drift make the ratio smaller.
        """
        return fall_signal(self.levels.value)

    @property
    def needed_signal(self) -> float:
        """The lowest signal at which the fall of a loss is significant.

        Of 60 levels of stationary noise without a trend, 1 % have a signal above 6 if they are
        independent, and above 12 if neighbours have a correlation of 0.8. Fewer levels fall by
        chance more often.
        """
        return _NEEDED_SIGNAL * math.sqrt(_LEVELS / max(1, self.levels.value.size))

    @property
    def falls(self) -> bool:
        """Whether the loss falls clearly beyond its own variation."""
        return self.signal >= self.needed_signal

    @property
    def objective(self) -> str:
        """The declared objective; descent if none of `OBJECTIVES` is declared."""
        objective = self.facts.get("objective")
        return objective if isinstance(objective, str) and objective in OBJECTIVES else "descent"

    @property
    def is_descent(self) -> bool:
        """Whether the loss itself should fall, which is so unless another objective is declared."""
        return self.objective == "descent"

    @cached_property
    def why_not_judged(self) -> str | None:
        """Why the rate cannot be judged from this loss; None if it can."""
        has_levels = self.levels.value.size >= _FIRST_LOSSES
        rises = has_levels and self.end - self.start > _EXPLODED * self.level_error
        return why_loss_says_nothing(self.objective, self.signal, self.needed_signal, rises=rises)

    @cached_property
    def start(self) -> float:
        """The loss at the start: the median of the first three rows, or the first before a burst.

        A burst has begun if a second or third loss exceeds the first by many standard deviations.
        """
        first = self.finite_loss.value[:_FIRST_LOSSES]
        if first.size and (first - first[0]).max() > _EXPLODED * self.noise > 0:
            return float(first[0])
        return float(np.median(first))

    @cached_property
    def best(self) -> float:
        """The lowest level, or the loss at the start if that is lower."""
        return min(self.start, float(self.levels.value.min()))

    @cached_property
    def end(self) -> float:
        """The loss at the end: the median of the last five levels."""
        return float(np.median(self.levels.value[-5:]))

    @cached_property
    def progress(self) -> np.ndarray | None:
        """The sum of the rates up to each level over the whole sum; None if no rate was above 0.

        Plotted against this sum, the loss of a run that is too slow falls on a straight line under any
        schedule, because each update moves the weights by the same small amount per unit of rate.
        """
        rate = self.rate
        if rate.step.size < 2 or self.peak <= 0:
            return None
        spans = np.diff(rate.step, append=2 * rate.step[-1] - rate.step[-2])
        sums = np.concatenate([[0.0], np.cumsum(rate.value * spans)])
        steps = np.append(rate.step, rate.step[-1] + spans[-1])
        return np.asarray(np.interp(self.levels.step.astype(float), steps, sums) / sums[-1])

    @property
    def fall(self) -> float:
        """How far the loss fell from its start to its lowest level."""
        return self.start - self.best

    @cached_property
    def largest_rise(self) -> tuple[float, int, int]:
        """The largest rise from a level to a later one, and the indices of the two.

        Levels are smoothed by a median of three, so that a rise for a sixtieth of the run, a spike,
        does not count.
        """
        smooth = median_of_three(self.levels.value)
        rise = smooth - np.minimum.accumulate(smooth)
        high = int(np.argmax(rise))
        return float(rise[high]), int(np.argmin(smooth[: high + 1])), high

    @cached_property
    def peak(self) -> float:
        """The highest rate of the run so far, without its sign."""
        return float(self.rate.value.max())

    @property
    def peak_or_none(self) -> float | None:
        """The highest rate; None if no rate was recorded."""
        return self.peak if self.rate.step.size else None

    @cached_property
    def warmup_end(self) -> int:
        """The step at which the rate first reached 95 % of its peak."""
        return int(self.rate.step[int(np.argmax(self.rate.value >= 0.95 * self.peak))])

    def rate_at(self, step: float) -> float | None:
        """The rate of the last row up to a step; None if no rate was recorded."""
        rate = self.rate
        if not rate.step.size:
            return None
        index = int(np.searchsorted(rate.step, step, side="right")) - 1
        return float(rate.value[max(0, index)])

    @cached_property
    def bound_schedule(self) -> Schedule | None:
        """The schedule over the whole run; None if it is not known, or its length is not."""
        schedule = self.observations.schedule
        if schedule is None or not self.rate.step.size:
            return None
        if not schedule.ready and self.observations.total_steps is not None:
            schedule = schedule.over(self.observations.total_steps)
        return schedule if schedule.ready else None

    @cached_property
    def scheduled(self) -> np.ndarray | None:
        """The rates that the schedule prescribes at the rate's rows; None if it is not known."""
        schedule = self.bound_schedule
        return None if schedule is None else np.abs(schedule(self.rate.step))

    @cached_property
    def course(self) -> RateCourse:
        """The course of the rate: its stairs and its breaks."""
        return RateCourse(self.rate)

    def follows(self, schedule: Schedule) -> np.ndarray:
        """In which rows the rate agrees with a schedule at the row's step, or at the step before or after.

        Some tools count updates from 1, some log the rate of the next update, and some warm-ups
        begin at 0.

        Args:
            schedule: a schedule that is ready.
        """
        step, value = self.rate
        nearby = np.abs([schedule(np.maximum(step + shift, 0)) for shift in (-1, 0, 1)])
        low, high = nearby.min(axis=0), nearby.max(axis=0)
        if step.size and step[0] <= 1:
            low[0] = 0.0
        tolerance = _RELATIVE * high + _ABSOLUTE * self.peak + self.course.tolerance
        return np.asarray((value >= low - tolerance) & (value <= high + tolerance))

    @cached_property
    def follows_schedule(self) -> np.ndarray | None:
        """In which rows the rate agrees with the known schedule; None if none is known."""
        return None if self.bound_schedule is None else self.follows(self.bound_schedule)

    def rate_equals(self, rates: np.ndarray) -> np.ndarray:
        """In which rows the recorded rate equals another, to within 2 % of the peak."""
        tolerance = _RATE_TOLERANCE * max(self.peak, float(rates.max()))
        return np.asarray(np.abs(self.rate.value - rates) <= tolerance)

    def decay_end(self, floor: float) -> int | None:
        """The step at which a decaying rate reached its last value; None if it did not.

        A rate that stands still after a jump is a stage of a step decay and has not ended; a rate
        of exactly 0 has ended, however it got there.

        Args:
            floor: the share of the peak at or below which the last value must lie.
        """
        rate = self.rate
        last = float(rate.value[-1])
        if last > floor * self.peak:
            return None
        changing = np.flatnonzero(np.abs(rate.value - last) > 1e-6 * self.peak)
        if not changing.size or changing[-1] + 1 >= rate.value.size - 1:
            return None
        first = int(changing[-1]) + 1
        before = rate.value[max(0, first - 4) : first]
        jumped = (
            before[-1] > 3.0 * max(last, 0.02 * self.peak) and np.ptp(before) < 0.01 * before[-1]
        )
        return None if jumped and last > 0 else int(rate.step[first])
