"""What rules read off a run, worked out once: the loss's levels, the rate's course, the limits."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from learnrate.watch._observations import Observations

__all__ = ["LEVELS", "Reading", "Track", "share_text"]

LEVELS = 60  # medians that stand for a series: enough for its shape, few enough for rank tests
_FIRST = 3  # losses that say where a run began


class Track(NamedTuple):
    """The rows of a column that have a value: their steps, and the values."""

    step: np.ndarray
    value: np.ndarray

    def since(self, step: float) -> Track:
        """The rows from a step on."""
        first = int(np.searchsorted(self.step, step))
        return Track(self.step[first:], self.value[first:])

    def before(self, step: float) -> Track:
        """The rows before a step."""
        first = int(np.searchsorted(self.step, step))
        return Track(self.step[:first], self.value[:first])


class Reading:
    """A run as rules see it; everything is worked out when it is first asked for.

    Args:
        observations: what was recorded.
        live: whether the run goes on; a run of unknown total is then never taken as finished.
    """

    def __init__(self, observations: Observations, *, live: bool = False) -> None:
        self.observations = observations
        self.live = live

    @property
    def facts(self) -> dict[str, Any]:
        """What is known beside the columns."""
        return dict(self.observations.facts)

    def track(self, name: str) -> Track:
        """A column without the rows that have no value; inf where a value was not finite."""
        held = self.observations.column(name)
        there = ~np.isnan(held)
        return Track(self.observations.step[there], held[there])

    @cached_property
    def loss(self) -> Track:
        """The training loss, inf where it was not finite."""
        return self.track("loss")

    @cached_property
    def finite(self) -> Track:
        """The training loss where it was finite."""
        there = np.isfinite(self.loss.value)
        return Track(self.loss.step[there], self.loss.value[there])

    @cached_property
    def rate(self) -> Track:
        """The rate's size, where it was recorded and finite."""
        held = self.track("lr")
        there = np.isfinite(held.value)
        return Track(held.step[there], np.abs(held.value[there]))

    @cached_property
    def validation(self) -> Track:
        """The validation loss where it was finite."""
        held = self.track("validation")
        there = np.isfinite(held.value)
        return Track(held.step[there], held.value[there])

    @cached_property
    def clipped(self) -> Track:
        """The share of updates clipped: as recorded, or by the norms and the limit."""
        if self.observations.has("clipped"):
            return self.track("clipped")
        norms, limit = self.track("gradient_norm"), self.facts.get("clip_norm")
        if isinstance(limit, int | float) and limit > 0 and len(norms.value):
            return Track(norms.step, (norms.value > limit).astype(float))
        return Track(norms.step[:0], norms.value[:0])

    @cached_property
    def moved(self) -> float | None:
        """The sizes of all updates so far, summed, as a share of the weights'; None if unrecorded."""
        ratio = self.track("update_ratio").value
        ratio = ratio[np.isfinite(ratio)]
        return float(ratio.mean()) * self.seen if ratio.size else None

    @property
    def chance(self) -> float | None:
        """The loss of a model that knows nothing, where the facts say it or count the classes."""
        chance, classes = self.facts.get("chance"), self.facts.get("classes")
        if isinstance(chance, int | float) and math.isfinite(chance) and chance > 0:
            return float(chance)
        if isinstance(classes, int) and classes > 1:
            return math.log(classes)
        return None

    @property
    def seen(self) -> int:
        """Updates from the start to the last row."""
        return int(self.observations.step[-1]) + 1 if self.observations.step.size else 0

    @property
    def length(self) -> int:
        """Updates of the whole run: the total where it is known, else what was seen."""
        return max(self.seen, self.observations.total_steps or 0)

    @cached_property
    def finished(self) -> bool:
        """Whether the last row is the end of the run, give or take two rows."""
        total_steps = self.observations.total_steps
        if total_steps is None:
            return not self.live
        steps = self.observations.step
        spacing = float(np.median(np.diff(steps[-50:]))) if steps.size > 1 else 1.0
        return self.seen + 2.0 * spacing >= total_steps

    @cached_property
    def levels(self) -> Track:
        """At most 60 medians of neighbouring finite losses, at the steps of their first rows."""
        return levels_of(self.finite, LEVELS)

    @cached_property
    def wobble(self) -> float:
        """By how much a level is uncertain: a robust scale of what two neighbours differ by."""
        steps = np.diff(self.levels.value)
        if steps.size < 4:
            return 0.0
        return float(1.4826 * np.median(np.abs(steps - np.median(steps))) / math.sqrt(2.0))

    @cached_property
    def start(self) -> float:
        """The loss at the beginning: the median of the first three rows."""
        return float(np.median(self.finite.value[:_FIRST]))

    @cached_property
    def best(self) -> float:
        """The lowest level."""
        return min(self.start, float(self.levels.value.min()))

    @cached_property
    def end(self) -> float:
        """The loss at the end: the median of the last five levels' rows."""
        return float(np.median(self.levels.value[-5:]))

    @property
    def fall(self) -> float:
        """From the start to the lowest level."""
        return self.start - self.best

    @cached_property
    def peak(self) -> float:
        """The highest rate."""
        return float(self.rate.value.max())

    @cached_property
    def warm(self) -> int:
        """The step at which the rate first came within a twentieth of its peak."""
        return int(self.rate.step[int(np.argmax(self.rate.value >= 0.95 * self.peak))])

    def rate_at(self, step: float) -> float | None:
        """The rate of the last row up to a step; None where no rate was recorded."""
        rate = self.rate
        if not rate.step.size:
            return None
        index = int(np.searchsorted(rate.step, step, side="right")) - 1
        return float(rate.value[max(0, index)])

    @cached_property
    def meant(self) -> np.ndarray | None:
        """What the schedule says at the rate's rows; None where no schedule is known."""
        schedule = self.observations.schedule
        if schedule is None or not self.rate.step.size:
            return None
        if not schedule.ready and self.observations.total_steps is not None:
            schedule = schedule.over(self.observations.total_steps)
        return np.abs(schedule(self.rate.step)) if schedule.ready else None


def levels_of(track: Track, count: int) -> Track:
    """Medians of `count` neighbouring parts of a track, or its rows where there are fewer."""
    n = track.value.size
    if n <= count:
        return track
    edges = np.linspace(0, n, count + 1).astype(int)
    sizes = np.diff(edges)
    place = edges[:-1, None] + np.arange(sizes.max())
    parts = np.where(place < edges[1:, None], track.value[np.minimum(place, n - 1)], np.inf)
    parts.sort(axis=1)
    rows = np.arange(count)
    medians = 0.5 * (parts[rows, (sizes - 1) // 2] + parts[rows, sizes // 2])
    return Track(track.step[edges[:-1]], medians)


def share_text(share: float) -> str:
    """A share for people.

    Examples:
        >>> share_text(0.123), share_text(0.004)
        ('12 %', '0.4 %')
    """
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
