"""Data-parallel training: several ranks train one model, each on its part of the data.

Every rank makes the same decisions, because each is made from numbers that were averaged over all
of them. A rank that cannot go on says so in the same exchange, so that none waits for it.
"""

from __future__ import annotations

import atexit
import importlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import distributed

from learnrate._errors import LearnrateError, LostRankError, TaskError
from learnrate._ranks import rank_and_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["RankError", "Ranks", "ranks"]

_Value = TypeVar("_Value")

_PATIENCE = timedelta(minutes=10)  # for a rank that neither answers nor ends


class RankError(TaskError):
    """A rank failed; every rank raises this, with the same words."""


@dataclass(frozen=True)
class Ranks:
    """The processes that train together; with one alone every method returns what it is given."""

    rank: int = 0
    size: int = 1

    def average_gradients(
        self, parameters: Sequence[torch.Tensor], loss: float, error: Exception | None
    ) -> float:
        """Average every gradient over ranks, in place; returns the loss averaged likewise.

        A gradient that some ranks do not have counts as zero there; one that no rank has stays
        away. All goes in one exchange, with the loss and with whether a rank failed.

        Raises:
            RankError: a rank gave an error.
            LostRankError: a rank cannot be reached.
        """
        if self.size == 1:
            if error is not None:
                raise error
            return loss
        buffer = self._packed(parameters, loss, error)
        self._sum(buffer)
        if float(buffer[0]):
            self._raise_together(error)
        present = buffer[2 : 2 + len(parameters)].tolist()
        ends = buffer[2 + len(parameters) :].split([one.numel() for one in parameters])
        for parameter, count, total_steps in zip(parameters, present, ends, strict=True):
            if count:
                mean = (total_steps / self.size).view_as(parameter).to(parameter.dtype)
                parameter.grad = mean if parameter.grad is None else parameter.grad.copy_(mean)
        return float(buffer[1]) / self.size

    def mean(self, value: float, error: Exception | None = None) -> float:
        """A number averaged over ranks.

        Raises:
            RankError: a rank gave an error.
            LostRankError: a rank cannot be reached.
        """
        return self.average_gradients((), value, error)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Leave the block with every other rank; an error in it on one is raised on all.

        Raises:
            RankError: the block raised on some rank.
            LostRankError: a rank cannot be reached.
        """
        error = None
        try:
            yield
        except Exception as raised:
            if self.size == 1:
                raise
            error = raised
        self.mean(0.0, error)

    def agreed(self, value: _Value) -> _Value:
        """What the first rank has, on every rank."""
        if self.size == 1:
            return value
        held = [value]
        with _losing_ranks(self.rank):
            distributed.broadcast_object_list(held, device=_device())
        return held[0]

    def start_equal(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give every rank the first one's values, in place."""
        if self.size == 1:
            return
        with torch.no_grad(), _losing_ranks(self.rank):
            for tensor in tensors:
                distributed.broadcast(tensor, src=0)

    def _packed(
        self, parameters: Sequence[torch.Tensor], loss: float, error: Exception | None
    ) -> torch.Tensor:
        """Failed, loss, which gradients are there, the gradients: one vector."""
        double = any(one.dtype == torch.float64 for one in parameters) or not parameters
        kind = torch.float64 if double else torch.float32
        device = parameters[0].device if parameters else _device()
        gradients = [one.grad if error is None else None for one in parameters]
        present = [float(gradient is not None) for gradient in gradients]
        parts = [
            (torch.zeros_like(one) if gradient is None else gradient).reshape(-1).to(kind)
            for one, gradient in zip(parameters, gradients, strict=True)
        ]
        told = [float(error is not None), loss if error is None else 0.0, *present]
        return torch.cat([torch.tensor(told, dtype=kind, device=device), *parts])

    def _sum(self, buffer: torch.Tensor) -> None:
        with _losing_ranks(self.rank):
            distributed.all_reduce(buffer)

    def _raise_together(self, error: Exception | None) -> None:
        said = [""] * self.size
        with _losing_ranks(self.rank):
            distributed.all_gather_object(said, "" if error is None else _words(error))
        if len(set(said)) == 1:
            raise RankError(said[0]) from error
        named = (f"rank {rank}: {words}" for rank, words in enumerate(said) if words)
        raise RankError("; ".join(named)) from error


def ranks() -> Ranks:
    """The ranks of this job, connected; a process group of the user's own is used as it is.

    Raises:
        LostRankError: torchrun started several, and they cannot reach each other.
    """
    rank, size = rank_and_size()
    if size > 1 and not distributed.is_initialized():
        if torch.cuda.is_available():
            # Where a launcher shows each rank one device, that one.
            local = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
            torch.cuda.set_device(local)
        # Imported after the group it would keep it, and its threads, alive: a thread of gloo's that
        # lets go of a tensor while Python ends aborts the process.
        importlib.import_module("torch.distributed.nn")
        with _losing_ranks(rank):
            distributed.init_process_group(timeout=_PATIENCE)
        atexit.register(_leave)
    return Ranks(rank, size)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, LearnrateError) else f"{type(error).__name__}: {error}"


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _device() -> torch.device:
    """Where small exchanges are made: the group's backend may know the accelerator alone."""
    return torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")


@contextmanager
def _losing_ranks(rank: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        lines: list[Any] = str(error).strip().splitlines() or [""]
        raise LostRankError(
            f"rank {rank} has lost another rank, and the job cannot go on: {lines[0][:160]}. "
            "What that rank printed, or torchrun below, says why it ended."
        ) from error
