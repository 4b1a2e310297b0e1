"""Quiet times: when no alert is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from learnrate._errors import ArgumentError

__all__ = ["QuietTimes"]


@dataclass(frozen=True)
class QuietTimes:
    """A part of each day in which no alert is sent; alerts of this time are sent afterwards.

    Args:
        begin: its first minute, by the clock of this machine.
        end: the first minute after it; before `begin` if the part goes on past midnight.

    Examples:
        >>> quiet = QuietTimes.of("22:00-07:30")
        >>> quiet.holds(datetime(2026, 1, 1, 23, 0)), quiet.holds(datetime(2026, 1, 1, 7, 30))
        (True, False)
    """

    begin: time
    end: time

    @classmethod
    def of(cls, text: str) -> QuietTimes:
        """Read a text such as `22:00-07:30`.

        Raises:
            ArgumentError: it is not such a text.
        """
        begin, _, end = text.strip().partition("-")
        try:
            return cls(_time_of(begin), _time_of(end))
        except ValueError:
            raise ArgumentError(
                f"quiet times must be two times of the day, such as 22:00-07:30; got {text!r}."
            ) from None

    def holds(self, moment: datetime) -> bool:
        """Whether no alerts are sent at a moment."""
        now = moment.time()
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


def _time_of(text: str) -> time:
    hours, minutes = text.split(":")
    return time(int(hours), int(minutes))
