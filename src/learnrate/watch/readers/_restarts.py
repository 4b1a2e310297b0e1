"""Logs whose steps go back: steps that restart in each epoch, a second fit, or a resumed run."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from learnrate.watch._tracks import neighbour_std

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LoggedFit",
    "fits_of",
    "is_unordered",
    "joined_by_epoch",
    "shifted",
    "spacing_of",
    "starts_of",
]

_ERRORS = 4.0  # standard errors that a loss must have moved before its level tells anything
_WINDOW = 10  # rows at most whose median is the level of the loss at a start or an end
_SAME_RATE = 0.05  # two rates are the same if they differ by less, as a share of the higher
_UNORDERED_ROWS = 8  # at least, whose step is below that of the row above
_UNORDERED_SHARE = 0.25  # at least, of such rows; a log with restarts has fewer
_UNCLEAR, _FRESH, _CONTINUES = range(3)


@dataclass
class LoggedFit:
    """The rows of a log that one training wrote.

    Attributes:
        first: its first row.
        end: the row after its last.
        starts: its rows at which the counter restarted and training continued.
        offsets: what is added to the counter from each of these rows on.
        resumed_at: the steps at which training was resumed; not those at which only the counter restarted.
        steps_per_epoch: the length of an epoch, if the counter restarted in each.
    """

    first: int
    end: int
    starts: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    resumed_at: list[int] = field(default_factory=list)
    steps_per_epoch: int | None = None


def spacing_of(step: np.ndarray) -> int:
    """The usual distance between the steps of neighbouring rows; 1 if there are no two."""
    rises = np.diff(step)
    rises = rises[rises > 0]
    return max(1, int(np.median(rises))) if rises.size else 1


def starts_of(step: np.ndarray) -> np.ndarray:
    """The rows at which the counter is back at its beginning."""
    back = np.flatnonzero(np.diff(step) < 0) + 1
    return back[step[back] <= step[0] + spacing_of(step)] if back.size else back


def is_unordered(step: np.ndarray) -> bool:
    """Whether the rows are not in the order of training, as in a table sorted by another column.

    Args:
        step: the step of each row, as logged.
    """
    back = int(np.count_nonzero(np.diff(step) < 0))
    if back < _UNORDERED_ROWS or back < _UNORDERED_SHARE * step.size:
        return False
    starts = starts_of(step)
    ends = _highest_steps(step, [0, *starts.tolist(), step.size])
    return starts.size < back or not _are_equal(ends, spacing_of(step))


def joined_by_epoch(step: np.ndarray, epoch: np.ndarray) -> tuple[np.ndarray, int] | None:
    """Steps counted over all epochs, and the length of an epoch.

    Args:
        step: the step of each row, which restarts in each epoch.
        epoch: the epoch of each row.

    Returns:
        None if the steps do not restart where an epoch begins.
    """
    back = np.flatnonzero(np.diff(step) < 0) + 1
    if not back.size:
        return None
    whole = np.floor(epoch)
    advances = whole[back] > whole[back - 1]
    if advances.mean() <= 0.5:
        return None
    length = _epoch_length(step, np.r_[0, back[advances]])
    return ((whole - whole[0]) * length + step).astype(np.int64), length


def _epoch_length(step: np.ndarray, first_rows: np.ndarray) -> int:
    """Steps from one epoch to the next, from the highest and the usual first step in one."""
    spacing = spacing_of(step)
    counts_from_0 = int(np.median(step[first_rows])) < spacing
    return int(step.max()) + (spacing if counts_from_0 else 0)


def fits_of(
    step: np.ndarray, loss: np.ndarray, rate: np.ndarray, *, of_epochs: bool
) -> list[LoggedFit]:
    """The fits that wrote a log, split where its counter restarts.

    The loss decides what a restart means. If the loss is back at its first level too, a new model was
    trained, which is another run. If the loss continues from its last level, so does the run, and its
    steps continue. If the loss has not changed enough to tell, segments of equal length are epochs of one
    run, and any other earlier segment was an abandoned attempt, which the later one replaces.

    Args:
        step: whole numbers as logged.
        loss: the loss of each row, NaN where there is none.
        rate: as the loss.
        of_epochs: whether the counter covers all epochs, so that it restarts only with a fit.
    """
    bounds = [0, *starts_of(step).tolist(), step.size]
    fits = [LoggedFit(0, step.size)]
    if len(bounds) == 2:
        return fits
    spacing = spacing_of(step)
    ends = _highest_steps(step, bounds)
    equal = _are_equal(ends, spacing)
    epochs = equal and len(ends) > 2 and not of_epochs
    offset = 0
    for number, row in enumerate(bounds[1:-1], 1):
        before = slice(bounds[number - 1], row)
        after = slice(row, bounds[number + 1])
        first_rows = slice(fits[-1].first, bounds[bounds.index(fits[-1].first) + 1])
        verdict = _verdict(loss, first_rows, before, after)
        rate_restarts = _rate_restarts(rate, first_rows, before, after)
        if verdict == _FRESH and rate_restarts is not False:
            fits[-1].end = row
            fits.append(LoggedFit(row, step.size))
            offset = 0
        elif verdict == _CONTINUES or rate_restarts is False or equal:
            offset += ends[number - 1] + spacing - int(step[row])
            fits[-1].starts.append(row - fits[-1].first)
            fits[-1].offsets.append(offset)
            if epochs:
                fits[-1].steps_per_epoch = ends[0] + spacing * (int(step[row]) < spacing)
            else:
                fits[-1].resumed_at.append(int(step[row]) + offset)
    return fits


def shifted(step: np.ndarray, starts: Sequence[int], offsets: Sequence[int]) -> np.ndarray:
    """Steps that continue where those of the log restart.

    Args:
        step: as logged.
        starts: these rows, rising.
        offsets: what is added from each on.
    """
    part = np.searchsorted(np.asarray(starts, dtype=np.int64), np.arange(step.size), side="right")
    return np.asarray(step + np.asarray([0, *offsets], dtype=np.int64)[part])


def _highest_steps(step: np.ndarray, bounds: Sequence[int]) -> list[int]:
    return [int(step[a:b].max()) for a, b in pairwise(bounds)]


def _are_equal(ends: Sequence[int], spacing: int) -> bool:
    """Whether all segments end at the same step; the last one may end earlier."""
    return max(ends[:-1]) - min(ends[:-1]) <= spacing and ends[-1] <= ends[0] + spacing


def _verdict(loss: np.ndarray, first_rows: slice, before: slice, after: slice) -> int:
    """Whether the loss after a start is back at its first level, or continues from its last one."""
    parts = [part[np.isfinite(part)] for part in (loss[first_rows], loss[before], loss[after])]
    shortest = min(part.size for part in parts)
    if shortest == 0:
        return _UNCLEAR
    window = max(1, min(_WINDOW, shortest // 10))
    first, last, now = (
        float(np.median(rows))
        for rows in (parts[0][:window], parts[1][-window:], parts[2][:window])
    )
    noise = neighbour_std(parts[1]) if parts[1].size > 2 else 0.0
    if abs(first - last) <= _ERRORS * noise / np.sqrt(window):
        return _UNCLEAR
    if 2.0 * abs(now - first) < abs(now - last):
        return _FRESH
    return _CONTINUES if 2.0 * abs(now - last) < abs(now - first) else _UNCLEAR


def _rate_restarts(
    rate: np.ndarray, first_rows: slice, before: slice, after: slice
) -> bool | None:
    """Whether the rate is back at its first value; None if it is not known or never changed."""
    parts = [part[np.isfinite(part)] for part in (rate[first_rows], rate[before], rate[after])]
    if not all(part.size for part in parts):
        return None
    first, last, now = float(parts[0][0]), float(parts[1][-1]), float(parts[2][0])
    if _same(first, last):
        return None
    return _same(now, first)


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= _SAME_RATE * max(abs(a), abs(b))
