"""Batches whose size follows a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Sampler

from learnrate._checks import check_seed, check_whole, refuse
from learnrate._errors import ArgumentError
from learnrate.schedules import Schedule
from learnrate.schedules import schedule as read

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ScheduledBatchSampler"]


class ScheduledBatchSampler(Sampler[list[int]]):
    """A batch sampler for a `DataLoader`, whose batch size is a schedule of the step.

        loader = DataLoader(dataset, batch_sampler=ScheduledBatchSampler(
            len(dataset), "256 * warmup(20%, start=0.125) >> constant()", total_steps=10_000))

    The batch of a step has `round(schedule(step))` examples, rounded to `multiple_of`. The examples are
    read in passes, each in a new order; a batch at the end of a pass is filled from the next one. The
    examples of a step depend only on the seed and the step. So a resumed run gets the batches that it
    would have had, even if the workers of the loader had fetched ahead.

    Args:
        examples: the number of examples of the dataset, at least 1.
        schedule: the schedule of the batch size in examples, at least 1 everywhere and at most
            `examples`.
        total_steps: length of the run in batches. May be omitted if the schedule has a length.
        multiple_of: sizes are rounded to a multiple of this, and are at least this.
        shuffle: whether each pass has an order of its own; otherwise examples come in order.
        seed: the seed of the orders.
        rank: the rank of this process, if several train together, from 0.
        ranks: how many processes share each batch; `multiple_of` must be a multiple of it.

    Raises:
        ArgumentError: an argument is outside its rule.
        ScheduleError: the schedule cannot be read or bound.

    Examples:
        >>> sampler = ScheduledBatchSampler(8, "warmup(2, start=0.5) >> constant(2) * 4", seed=1)
        >>> [len(batch) for batch in sampler]
        [2, 3, 4, 4]
        >>> rest = list(sampler)[2:]
        >>> sampler.start_at(2)
        >>> list(sampler) == rest
        True
    """

    def __init__(
        self,
        examples: int,
        schedule: Schedule | str | float,
        *,
        total_steps: int | None = None,
        multiple_of: int = 1,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        name = type(self).__name__
        check_whole(name, "examples", examples, 1)
        check_whole(name, "multiple_of", multiple_of, 1)
        check_whole(name, "ranks", ranks, 1)
        check_whole(name, "rank", rank, 0, high=ranks - 1)
        check_seed(name, seed)
        if multiple_of % ranks:
            refuse(name, "multiple_of", f"a multiple of ranks={ranks}", multiple_of)
        bound = read(schedule)
        bound = bound if total_steps is None else bound.over(total_steps)
        if bound.total_steps is None:
            raise ArgumentError(
                f"{name}: {bound} has no length; give total_steps=... or a schedule of fixed length."
            )
        self.schedule = bound
        self.sizes = _sizes(bound, multiple_of, examples)
        self.generator = torch.Generator().manual_seed(seed)  # a task seeds it for each trial
        self._ends = np.cumsum(self.sizes)
        self._examples, self._shuffle = examples, shuffle
        self._rank, self._ranks = rank, ranks
        self._first = 0

    def start_at(self, step: int) -> None:
        """Make every later pass through the loader begin at a step, such as `run.next_step`.

        Raises:
            ArgumentError: the step is not within the run.
        """
        check_whole("start_at", "step", step, 0, high=len(self.sizes))
        self._first = step

    def batch(self, step: int) -> list[int]:
        """The indices of the examples of a step; of this rank, if there are several.

        Raises:
            ArgumentError: the step is not within the run.
        """
        check_whole("batch", "step", step, 0, high=len(self.sizes) - 1)
        end = int(self._ends[step])
        return self._examples_between(end - int(self.sizes[step]), end)[self._rank :: self._ranks]

    def __iter__(self) -> Iterator[list[int]]:
        return (self.batch(step) for step in range(self._first, len(self.sizes)))

    def __len__(self) -> int:
        return len(self.sizes) - self._first

    def _examples_between(self, begin: int, end: int) -> list[int]:
        indices: list[int] = []
        while begin < end:
            number, offset = divmod(begin, self._examples)
            stop = min(self._examples, offset + end - begin)
            indices += self._order(number)[offset:stop].tolist()
            begin += stop - offset
        return indices

    def _order(self, number: int) -> np.ndarray:
        """The order of a pass."""
        if not self._shuffle:
            return np.arange(self._examples)
        key = (self.generator.initial_seed(), number)
        if self._cached[0] != key:
            order = np.random.default_rng(key).permutation(self._examples)
            self._cached = (key, order)
        return self._cached[1]

    _cached: tuple[tuple[int, int] | None, np.ndarray] = (None, np.empty(0, dtype=np.int64))


def _sizes(schedule: Schedule, multiple_of: int, examples: int) -> np.ndarray:
    wanted = schedule.table()
    if not (np.isfinite(wanted).all() and wanted.min() >= 1 and wanted.max() <= examples):
        raise ArgumentError(
            f"ScheduledBatchSampler(schedule=...) must give sizes from 1 to the {examples:,} examples; "
            f"{schedule} gives {wanted.min():.4g} to {wanted.max():.4g}."
        )
    sizes = np.floor(wanted / multiple_of + 0.5).astype(np.int64) * multiple_of
    return np.maximum(sizes, multiple_of)
