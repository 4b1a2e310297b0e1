"""Data-parallel training: several ranks train one model, each on its part of the data.

Every rank makes the same decisions, because they are made from numbers averaged over all ranks. A
rank that fails says so in the same exchange, so that no other rank waits for it.
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

_TIMEOUT = timedelta(minutes=10)  # for a rank that neither answers nor ends


class RankError(TaskError):
    """A rank failed. Every rank raises this, with the same message."""


@dataclass(frozen=True)
class Ranks:
    """The processes that train one model together. With a single rank no method changes anything.

    Attributes:
        rank: of this process, 0-based.
        size: how many ranks there are.
    """

    rank: int = 0
    size: int = 1

    def average_gradients(
        self, parameters: Sequence[torch.Tensor], loss: float, error: Exception | None
    ) -> float:
        """Average every gradient over the ranks, in place; returns the averaged loss.

        A gradient that only some ranks have counts as zero on the others; one that no rank has
        stays None. It is one exchange, with the loss and with whether a rank failed.

        Args:
            parameters: the tensors whose gradients are averaged, in the same order on every rank.
            loss: of this rank.
            error: what this rank raised; None if it did not fail.

        Raises:
            RankError: a rank passed an error.
            LostRankError: a rank cannot be reached.
        """
        if self.size == 1:
            if error is not None:
                raise error
            return loss
        buffer = self._packed(parameters, loss, error)
        self._sum(buffer)
        if float(buffer[0]):
            self._raise_on_all(error)
        present = buffer[2 : 2 + len(parameters)].tolist()
        ends = buffer[2 + len(parameters) :].split([parameter.numel() for parameter in parameters])
        for parameter, count, total in zip(parameters, present, ends, strict=True):
            if count:
                mean = (total / self.size).view_as(parameter).to(parameter.dtype)
                parameter.grad = mean if parameter.grad is None else parameter.grad.copy_(mean)
        return float(buffer[1]) / self.size

    def mean(self, value: float, error: Exception | None = None) -> float:
        """Average a number over the ranks.

        Raises:
            RankError: a rank passed an error.
            LostRankError: a rank cannot be reached.
        """
        return self.average_gradients((), value, error)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Wait at the end of the block for every rank; an error in it on one is raised on all.

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

    def from_first(self, value: _Value) -> _Value:
        """The first rank's value, on every rank."""
        if self.size == 1:
            return value
        values = [value]
        with _lost_rank_errors(self.rank):
            distributed.broadcast_object_list(values, device=_device())
        return values[0]

    def copy_from_first(self, tensors: Iterable[torch.Tensor]) -> None:
        """Copy the first rank's values to every rank, in place."""
        if self.size == 1:
            return
        with torch.no_grad(), _lost_rank_errors(self.rank):
            for tensor in tensors:
                distributed.broadcast(tensor, src=0)

    def _packed(
        self, parameters: Sequence[torch.Tensor], loss: float, error: Exception | None
    ) -> torch.Tensor:
        """One vector: whether it failed, the loss, which gradients there are, the gradients."""
        dtypes = {parameter.dtype for parameter in parameters}
        double = torch.float64 in dtypes or not parameters
        kind = torch.float64 if double else torch.float32
        device = parameters[0].device if parameters else _device()
        gradients = [parameter.grad if error is None else None for parameter in parameters]
        present = [float(gradient is not None) for gradient in gradients]
        parts = [
            (torch.zeros_like(parameter) if gradient is None else gradient).reshape(-1).to(kind)
            for parameter, gradient in zip(parameters, gradients, strict=True)
        ]
        header = [float(error is not None), loss if error is None else 0.0, *present]
        return torch.cat([torch.tensor(header, dtype=kind, device=device), *parts])

    def _sum(self, buffer: torch.Tensor) -> None:
        with _lost_rank_errors(self.rank):
            distributed.all_reduce(buffer)

    def _raise_on_all(self, error: Exception | None) -> None:
        messages = [""] * self.size
        with _lost_rank_errors(self.rank):
            distributed.all_gather_object(messages, "" if error is None else _message(error))
        if len(set(messages)) == 1:
            raise RankError(messages[0]) from error
        by_rank = (f"rank {rank}: {message}" for rank, message in enumerate(messages) if message)
        raise RankError("; ".join(by_rank)) from error


def ranks() -> Ranks:
    """The ranks of this job, connected. A process group that the user made is used as it is.

    Raises:
        LostRankError: torchrun started several ranks, and they cannot reach each other.
    """
    rank, size = rank_and_size()
    if size > 1 and not distributed.is_initialized():
        if torch.cuda.is_available():
            # A launcher may show each rank its own device only.
            local = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
            torch.cuda.set_device(local)
        # If it were imported after the group, it would keep the group and its threads alive, and a
        # thread of gloo's that frees a tensor while Python exits aborts the process.
        importlib.import_module("torch.distributed.nn")
        with _lost_rank_errors(rank):
            distributed.init_process_group(timeout=_TIMEOUT)
        atexit.register(_destroy_group)
    return Ranks(rank, size)


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, LearnrateError) else f"{type(error).__name__}: {error}"


def _destroy_group() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _device() -> torch.device:
    """The device for small exchanges, because some backends only work on the accelerator."""
    return torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")


@contextmanager
def _lost_rank_errors(rank: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        lines: list[Any] = str(error).strip().splitlines() or [""]
        raise LostRankError(
            f"rank {rank} has lost another rank, and the job cannot continue: {lines[0][:160]}. "
            "The output of that rank, or torchrun's report below, says why it ended."
        ) from error
