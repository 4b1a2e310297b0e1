"""A run that must end by the clock, however fast its steps are."""

import math
from dataclasses import dataclass

from learnrate._errors import ScheduleError
from learnrate.schedules._base import Schedule

__all__ = ["Deadline"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A bound schedule read by elapsed time: at half the time it is at half its steps.

        value(elapsed) = schedule(floor(total elapsed / seconds))

    Both times are in seconds. The time is an argument and never read from the machine, so the same
    times give the same rates. From `seconds` on the value is the one after the last step.

    Examples:
        >>> from learnrate.schedules import Linear
        >>> by_eight = Linear(1000).by_deadline(seconds=8 * 3600)
        >>> by_eight(0), by_eight(4 * 3600), by_eight(9 * 3600)
        (1.0, 0.5, 0.0)
    """

    schedule: Schedule
    seconds: float

    def __post_init__(self) -> None:
        if not self.schedule.bound:
            raise ScheduleError(
                "Deadline(schedule=...) must be a bound schedule; got "
                f"{self.schedule}. Give a resolution: .by_deadline(seconds, total_steps=10_000)."
            )
        if not _real(self.seconds) or not 0 < self.seconds < math.inf:
            raise ScheduleError(
                f"Deadline(seconds=...) must be finite and above 0; got {self.seconds!r}."
            )

    def __call__(self, elapsed: float) -> float:
        """The rate after `elapsed` seconds."""
        return self.schedule(self.step(elapsed))

    def step(self, elapsed: float) -> int:
        """The step of the schedule that stands for `elapsed` seconds."""
        if not _real(elapsed) or not elapsed >= 0:
            raise ScheduleError(f"elapsed must be at least 0 seconds; got {elapsed!r}.")
        total_steps = self.schedule.total_steps or 0
        return math.floor(total_steps * min(elapsed / self.seconds, 1.0))


def _real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
