"""The endless micro-batches of one seed, drawn without changing the global generators."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, DistributedSampler

from learnrate._checks import kind_of
from learnrate._errors import TaskError
from learnrate._ranks import rank_and_size
from learnrate.trials._random import derived_seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.task import Batch, Task

__all__ = ["Batches", "kept_data_state"]


class Batches:
    """Pass after pass over a task's data; the same for the same seed, whatever the model draws.

    Several ranks read the same data in the same order and take its batches in turns, across passes.
    If a `DistributedSampler` gives each rank its own batches, each rank takes all of those, and the
    sampler gets a new epoch for each pass.

    Construct it right after seeding the global generators: the data draws from those of Python and
    NumPy. It has a torch generator of its own, because models draw from the global one.

    Args:
        task: whose data is read.
        seed: of the order of the data.
    """

    def __init__(self, task: Task, seed: int) -> None:
        self._data = task.data
        self._seed = seed
        self._passes = 0
        self._torch_state = torch.Generator().manual_seed(derived_seed(seed, 1)).get_state()
        _seed_generators(self._data, derived_seed(seed, 2))
        self._iterator: Iterator[Batch] = iter(())
        self._rank, self._ranks = rank_and_size()
        self._read = 0
        self._is_split = False
        self._is_sized = False
        self._ahead: deque[Batch] = deque()

    @property
    def passes(self) -> int | None:
        """Passes over the data that were begun; None in a first pass that may have no end."""
        return self._passes if self._is_sized or self._passes > 1 else None

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        return self._ahead.popleft() if self._ahead else self._drawn()

    def ahead(self, count: int) -> list[Batch]:
        """The next `count` batches, without consuming them."""
        while len(self._ahead) < count:
            self._ahead.append(self._drawn())
        return list(self._ahead)[:count]

    def rewinder(self, count: int) -> Callable[[], None]:
        """A function that goes back to this place, for as long as `count` batches are read."""
        self.ahead(count)
        batches = list(self._ahead)

        def rewind() -> None:
            self._ahead = deque(batches)

        return rewind

    def _drawn(self) -> Batch:
        if type(self._data) in {list, tuple}:  # reading it draws nothing
            return self._pull_of_rank()
        outside = torch.get_rng_state()
        torch.set_rng_state(self._torch_state)
        try:
            return self._pull_of_rank()
        finally:
            self._torch_state = torch.get_rng_state()
            torch.set_rng_state(outside)

    def _pull_of_rank(self) -> Batch:
        while True:
            batch = self._pull()
            turn, self._read = self._read % self._ranks, self._read + 1
            if turn == self._rank or self._is_split:
                return batch

    def _pull(self) -> Batch:
        for batch in self._iterator:
            return batch
        data = self._next_pass()
        self._is_split = bool(_distributed_samplers(data))
        self._is_sized = _has_length(data)
        self._iterator = iter(data)
        for batch in self._iterator:
            return batch
        raise TaskError(
            f"Task(data=...) gave no batch in pass {self._passes}; it must give at least one. "
            "Is the dataset empty, or smaller than one batch under drop_last=True?"
        )

    def _next_pass(self) -> Iterable[Batch]:
        self._passes += 1
        if not isinstance(self._data, Iterable):
            seed = self._seed if self._passes == 1 else derived_seed(self._seed, 3, self._passes)
            return _checked(self._data(seed))
        if isinstance(self._data, Iterator):
            raise TaskError(
                f"Task(data=...) is {kind_of(self._data)}, which can be read only once; "
                "every trial reads it again. Give a list, a DataLoader, or a function of a seed."
            )
        if self._ranks > 1:
            for sampler in _distributed_samplers(self._data):
                sampler.set_epoch(derived_seed(self._seed, 5, self._passes))
        if isinstance(self._data, DataLoader):
            return _detached(self._data)
        return self._data


def _checked(returned: Any) -> Iterable[Batch]:
    """The data that a function of a seed returned, refused if it cannot be iterated."""
    if not isinstance(returned, Iterable) and not hasattr(returned, "__getitem__"):
        raise TaskError(
            "Task(data=...) is a function, so it must return the batches of a pass for a seed: a "
            f"DataLoader, a list or any other iterable; it returned {kind_of(returned)}."
        )
    batches: Iterable[Batch] = returned
    return batches


def _detached(loader: DataLoader[Any]) -> DataLoader[Any]:
    """A shallow copy, so that persistent workers of the user's loader stay at their position."""
    duplicate = copy.copy(loader)
    duplicate._iterator = None  # noqa: SLF001 - torch offers no other way to leave it alone
    return duplicate


def _has_length(data: Any) -> bool:
    try:
        len(data)
    except TypeError:  # also of a loader over an iterable dataset
        return False
    return True


def _samplers(data: object) -> list[Any]:
    """The samplers of a loader, of examples and of batches."""
    batches = getattr(data, "batch_sampler", None)
    return [getattr(data, "sampler", None), batches, getattr(batches, "sampler", None)]


def _distributed_samplers(data: object) -> list[DistributedSampler[Any]]:
    """The samplers that give each rank its own part of the data."""
    return [sampler for sampler in _samplers(data) if isinstance(sampler, DistributedSampler)]


def _generators(data: object) -> list[torch.Generator]:
    """The generators that a loader and its samplers draw from, each once."""
    candidates = [getattr(holder, "generator", None) for holder in (data, *_samplers(data))]
    unique = {id(generator): generator for generator in candidates}
    return [generator for generator in unique.values() if isinstance(generator, torch.Generator)]


def _seed_generators(data: object, seed: int) -> None:
    for generator in _generators(data):
        generator.manual_seed(seed)


@contextmanager
def kept_data_state(data: object) -> Iterator[None]:
    """Restore a loader's generators, epoch and, if it has a `state_dict`, its position."""
    epochs = [(sampler, sampler.epoch) for sampler in _distributed_samplers(data)]
    states = [(generator, generator.get_state()) for generator in _generators(data)]
    keeps_position = hasattr(data, "state_dict") and hasattr(data, "load_state_dict")
    position = copy.deepcopy(data.state_dict()) if keeps_position else None  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)
        for sampler, epoch in epochs:
            sampler.epoch = epoch
        if keeps_position:
            data.load_state_dict(position)  # type: ignore[attr-defined]
