"""When to check the rows of a live run: often at first, and less often the more rows there are."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RowChecks", "next_check"]

_LEAST_NEW_ROWS = 8  # new rows before the next check
_GROWTH = 1.25  # factor by which the number of rows must have grown
_SHARE_OF_TIME = 0.005  # all checks together take at most this share of the run's time
_EXTRA_SECONDS = 0.02  # seconds beyond that share, so that short runs have checks too


def next_check(rows: int) -> int:
    """The rows at which to check again, so that the number of checks grows with their logarithm.

    Args:
        rows: the number of rows of the run at the last check.

    Examples:
        >>> next_check(0), next_check(24), next_check(400)
        (8, 32, 500)
    """
    return max(rows + _LEAST_NEW_ROWS, int(_GROWTH * rows))


class RowChecks:
    """Plans the checks of the rows of one run, within a share of its time.

    Args:
        clock: a time in seconds.

    Attributes:
        next_step: a check is due when this step has its row; infinite if none is planned.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: float | None = None
        self._spent = 0.0
        self._rows, self._first_step = 0, 0
        self.next_step: float = -math.inf

    def add(self, step: int, rows: int, seconds: float) -> None:
        """Note a check, and plan the next one.

        If there is no time for it, none is planned, and the rows wait until they are written.

        Args:
            step: the step of the last row that was checked.
            rows: the number of new rows.
            seconds: the seconds that the check took.
        """
        now = self._clock()
        if self._began is None or step < self._first_step:
            self._began, self._first_step, self._rows, self._spent = now, step, 0, 0.0
        self._rows += rows
        self._spent += seconds
        spacing = max(1.0, (step - self._first_step) / max(1, self._rows - 1))
        has_time = self._spent <= _EXTRA_SECONDS + _SHARE_OF_TIME * (now - self._began)
        further = next_check(self._rows) - self._rows
        self.next_step = step + spacing * further if has_time else math.inf
