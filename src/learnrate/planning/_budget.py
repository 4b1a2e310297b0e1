"""The budget of a plan: a share of one run, or a time, which the speed of training turns into a share."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from learnrate._errors import ArgumentError

__all__ = ["WHOLE_SWEEP", "Budget", "Pace", "Spending"]

DEFAULT_SHARE = 0.5
DEFAULT_SECONDS = 60.0
WHOLE_SWEEP = 40.0  # runs, which pay for a sweep of whole runs with several seeds
_CLEARLY_LESS = 0.9
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_TIME = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(s|min|h)\s*")


@dataclass(frozen=True)
class Pace:
    """How long training takes.

    Attributes:
        update: seconds for one optimizer update.
        validation: seconds for one validation.
    """

    update: float
    validation: float

    def updates_in(self, seconds: float) -> int:
        """How many updates take a time; at least 1."""
        return max(1, round(seconds / self.update))


@dataclass(frozen=True)
class Budget:
    """The most that a plan may cost: a share of one run, a time, or whichever of the two is more.

    Attributes:
        share: of one run, in (0, 1]; None if only the time counts.
        seconds: None if only the share counts.
    """

    share: float | None
    seconds: float | None

    @classmethod
    def of(cls, budget: float | str | None) -> Budget:
        """A budget as the user gives it: a share, a time such as "90s", or None for the default.

        Raises:
            ArgumentError: it is neither a share above 0 and at most 1 nor a time above 0.

        Examples:
            >>> Budget.of("1.5min").seconds, Budget.of(0.25).share, Budget.of("0.25").share
            (90.0, 0.25, 0.25)
        """
        if budget is None:
            return cls(DEFAULT_SHARE, DEFAULT_SECONDS)
        if isinstance(budget, str):
            time = _TIME.fullmatch(budget)
            if time is not None and float(time[1]) > 0:
                return cls(None, float(time[1]) * _UNITS[time[2]])
        share = _number(budget)
        if share is None or not 0 < share <= 1:
            raise ArgumentError(
                "budget must be a time such as 90s, 10min or 1h, or a share of one run, above 0 and at "
                f"most 1, such as 0.5 or 50%; got {budget!r}."
            )
        return cls(share, None)

    def __str__(self) -> str:
        if self.seconds is None:
            return f"{self.share:g}"
        time = _time_text(self.seconds)
        return time if self.share is None else f"{self.share:g} or {time}"

    def updates(self, total_steps: int, pace: Pace | None) -> int:
        """How many updates the budget pays for; a validation counts as the updates that take as long.

        For a time, the number is rounded down to a power of the square root of 2, in runs, so that plans
        made again on the same machine usually agree.

        Args:
            total_steps: the length of one run, in updates.
            pace: of training; needed if there is a time.
        """
        by_share = 0 if self.share is None else math.floor(self.share * total_steps)
        if self.seconds is None or pace is None:
            return by_share
        runs = self.seconds / (pace.update * total_steps + pace.validation)
        rounded = 2 ** (math.floor(2 * math.log2(runs)) / 2)
        by_time = math.floor(rounded * total_steps)
        return max(by_share, by_time)


@dataclass(frozen=True)
class Spending:
    """The allowed and the actual cost of a plan, in updates.

    Attributes:
        budget: as the user gave it.
        updates: what it was expected to pay for.
        spent: what the range test and the trials of the budget cost. It is more than `updates` if
            training turned out to be faster than it was when a time was turned into updates.
        further: what the trials after the budget cost (`more`).
        shapes: what the comparison of shapes cost.
        late: whether the time was over before all that it should pay for was trained.
    """

    budget: Budget
    updates: int
    spent: int
    further: int = 0
    shapes: int = 0
    late: bool = False

    @property
    def total(self) -> int:
        """The updates of all trials: within the budget, after it, and to compare shapes."""
        return self.spent + self.further + self.shapes

    def runs(self, total_steps: int) -> float:
        """The largest cost that was allowed, in runs; never less than what was spent."""
        expected = min(WHOLE_SWEEP * total_steps, self.updates)
        return (max(expected, self.spent) + self.further + self.shapes) / total_steps

    def text(self, total_steps: int) -> str:
        """The budget in words: what decided it, and what was made if that differs clearly.

        Args:
            total_steps: the length of one run, in updates.

        Examples:
            >>> Spending(Budget.of(0.5), 200, 198, further=112).text(400)
            '50% of one run, and 28% for further trials'
        """
        text = self._decided(total_steps)
        for updates, purpose in ((self.further, "further trials"), (self.shapes, "shapes")):
            text += f", and {updates / total_steps:.0%} for {purpose}" if updates else ""
        return text

    def _decided(self, total_steps: int) -> str:
        budget = self.budget
        if budget.seconds is None:
            return f"{budget.share:.0%} of one run"
        time, runs = _time_text(budget.seconds), self.updates / total_steps
        if budget.share is not None and self.updates <= math.floor(budget.share * total_steps):
            return f"{budget.share:.0%} of one run, which takes longer than {time}"
        used = self.spent / total_steps
        if used > runs:
            return f"{time}, which paid for {used:.2g} runs"
        if self.late:
            return f"{time}, which was over after {used:.2g} runs instead of {runs:.2g}"
        pays = "a sweep of whole runs" if runs >= WHOLE_SWEEP else f"{runs:.2g} runs"
        training = f"; {used:.2g} runs were made" if used < _CLEARLY_LESS * runs else ""
        return f"{time}, which pays for {pays}{training}"


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        if isinstance(value, str) and value.rstrip().endswith("%"):
            return float(value.rstrip().removesuffix("%")) / 100
        return float(value)
    except ValueError:
        return None


def _time_text(seconds: float) -> str:
    """A time in the largest unit in which it is at least 1.

    Examples:
        >>> _time_text(90.0), _time_text(60.0), _time_text(7200.0)
        ('90 s', '1 min', '2 h')
    """
    for unit in ("h", "min"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g} {unit}"
    return f"{seconds:g} s"
