"""The micro-batches of one seed, without end, and without disturbing anybody's draws."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, DistributedSampler

from learnrate._errors import TaskError
from learnrate._ranks import rank_and_size
from learnrate.trials._random import derived_seed

if TYPE_CHECKING:
    from learnrate.task import Batch, Task

__all__ = ["Batches", "kept_data_state"]


class Batches:
    """Pass after pass over a task's data, the same for the same seed whatever the model draws.

    Several ranks read the same data in the same order and take its batches in turns, across passes,
    unless a `DistributedSampler` gives each its own already; that one is told each new pass.

    Construct it right after seeding the global generators: what the data draws from Python's and
    NumPy's comes from there. Torch's generator is the data's own, because models draw from it too.
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
        self._split = False
        self._ahead: deque[Batch] = deque()

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        return self._ahead.popleft() if self._ahead else self._drawn()

    def ahead(self, count: int) -> list[Batch]:
        """The next so many, which are still to come: they are drawn now and held until then."""
        while len(self._ahead) < count:
            self._ahead.append(self._drawn())
        return list(self._ahead)[:count]

    def _drawn(self) -> Batch:
        outside = torch.get_rng_state()
        torch.set_rng_state(self._torch_state)
        try:
            return self._pull_own()
        finally:
            self._torch_state = torch.get_rng_state()
            torch.set_rng_state(outside)

    def _pull_own(self) -> Batch:
        while True:
            batch = self._pull()
            turn, self._read = self._read % self._ranks, self._read + 1
            if turn == self._rank or self._split:
                return batch

    def _pull(self) -> Batch:
        for batch in self._iterator:
            return batch
        data = self._next_pass()
        self._split = bool(_splitters(data))
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
            return self._data(seed)
        if isinstance(self._data, Iterator):
            raise TaskError(
                f"Task(data=...) is a {type(self._data).__name__}, which can be read only once; "
                "every trial reads it again. Give a list, a DataLoader, or a function of a seed."
            )
        if self._ranks > 1:
            for sampler in _splitters(self._data):
                sampler.set_epoch(derived_seed(self._seed, 5, self._passes))
        if isinstance(self._data, DataLoader):
            return _detached(self._data)
        return self._data


def _detached(loader: DataLoader[Any]) -> DataLoader[Any]:
    """A shallow copy, so that workers kept by the user's own loader stay at their position."""
    twin = copy.copy(loader)
    twin._iterator = None  # noqa: SLF001 - torch offers no other way to leave it alone
    return twin


def _samplers(data: object) -> list[Any]:
    """A loader's samplers, of examples and of batches."""
    batches = getattr(data, "batch_sampler", None)
    return [getattr(data, "sampler", None), batches, getattr(batches, "sampler", None)]


def _splitters(data: object) -> list[DistributedSampler[Any]]:
    """The samplers that give each rank its own part."""
    return [one for one in _samplers(data) if isinstance(one, DistributedSampler)]


def _generators(data: object) -> list[torch.Generator]:
    """The generators a loader draws from: its own and its samplers'."""
    found = [getattr(holder, "generator", None) for holder in (data, *_samplers(data))]
    unique = {id(one): one for one in found if isinstance(one, torch.Generator)}
    return list(unique.values())


def _seed_generators(data: object, seed: int) -> None:
    for generator in _generators(data):
        generator.manual_seed(seed)


@contextmanager
def kept_data_state(data: object) -> Iterator[None]:
    """Leave a loader's generators, epoch, and position if it can state one, as they were."""
    epochs = [(sampler, sampler.epoch) for sampler in _splitters(data)]
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
