"""Work: what a run trains, and how its progress is measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Batches", "Task", "Work", "dense", "standardised", "supervised"]

Batch = tuple[torch.Tensor, ...]


@dataclass(kw_only=True)
class Work:
    """A model with its data.

    Attributes:
        model: what is trained.
        batch: takes the 0-based number of a batch; the first tensor is the input, the second the
            target if there is one.
        loss: of a batch: what is minimised and what is reported, often the same tensor.
        metric: the progress, lower is better, on data that are not trained on.
        validation: the validation loss that a log would hold; None if such work has none.
        steps_per_epoch: batches in a pass over the data; None without passes.
        zero: whether the best imaginable metric is 0, so that shares of it mean something.
        others: further networks whose state belongs to a checkpoint.
    """

    model: nn.Module
    batch: Callable[[int], Batch]
    loss: Callable[[Batch], tuple[torch.Tensor, torch.Tensor]]
    metric: Callable[[], float]
    validation: Callable[[], float] | None = None
    steps_per_epoch: int | None = None
    zero: bool = True
    others: tuple[nn.Module, ...] = ()

    @classmethod
    def in_passes(
        cls,
        model: nn.Module,
        batches: Batches,
        loss: Callable[[Batch], tuple[torch.Tensor, torch.Tensor]],
        metric: Callable[[], float],
        *,
        zero: bool = True,
    ) -> Work:
        """Work in passes over batches, whose metric is its validation loss too.

        Args:
            model: what is trained.
            batches: the batches of every pass.
            loss: of a batch: what is minimised and what is reported.
            metric: the loss on data that are not trained on.
            zero: whether the best imaginable metric is 0.
        """
        return cls(
            model=model,
            batch=batches,
            loss=loss,
            metric=metric,
            validation=metric,
            steps_per_epoch=batches.steps_per_epoch,
            zero=zero,
        )


@dataclass(frozen=True, kw_only=True)
class Task:
    """A kind of work within a family.

    Attributes:
        name: of the task.
        make: takes a seed and whether the data are shuffled; makes the work.
        optimizers: the optimizers that it is trained with.
        steps: updates of a whole run.
        objective: what its loss says: `loss`, or why it says nothing of progress by itself.
        blanks: data faults that mean nothing for this task.
        has_classes: whether the model gives the logits of classes.
    """

    name: str
    make: Callable[[int, bool], Work]
    optimizers: tuple[str, ...]
    steps: int
    objective: str = "loss"
    blanks: frozenset[str] = field(default_factory=frozenset)
    has_classes: bool = False


class Batches:
    """Rows of tensors, in a new order in each pass.

    Args:
        tensors: inputs and targets with equally many rows.
        size: rows of a batch.
        seed: of the order.
        shuffled: whether the order is random; otherwise rows stay as they are, sorted by target.
    """

    def __init__(
        self,
        tensors: tuple[torch.Tensor, ...],
        size: int,
        seed: int,
        *,
        shuffled: bool = True,
    ) -> None:
        self._size, self._seed, self._shuffled = size, seed, shuffled
        if not shuffled:
            order = torch.argsort(tensors[-1].reshape(len(tensors[-1]), -1).float().mean(1))
            tensors = tuple(tensor[order] for tensor in tensors)
        self._tensors = tensors
        self.steps_per_epoch = max(1, len(tensors[0]) // size)
        self._epoch, self._order = -1, torch.arange(len(tensors[0]))

    def __call__(self, number: int) -> Batch:
        """The batch with a number."""
        epoch, place = divmod(number, self.steps_per_epoch)
        if self._shuffled and epoch != self._epoch:
            generator = torch.Generator().manual_seed(1000 * self._seed + epoch)
            self._order = torch.randperm(len(self._tensors[0]), generator=generator)
            self._epoch = epoch
        rows = self._order[place * self._size : (place + 1) * self._size]
        return tuple(tensor[rows] for tensor in self._tensors)


def supervised(
    model: nn.Module, batches: Batches, criterion: Callable[..., torch.Tensor], held_out: Batch
) -> Work:
    """Work that fits targets, measured by the loss on data that are held out.

    Args:
        model: what is trained.
        batches: inputs and targets.
        criterion: takes inputs and targets; the loss, through the model.
        held_out: inputs and targets.
    """

    def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        value = criterion(*batch)
        return value, value

    def metric() -> float:
        return criterion(*held_out).item()

    return Work.in_passes(model, batches, loss, metric)


def dense(*widths: int, activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """A dense network with these widths."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def standardised(values: Any) -> torch.Tensor:
    """Columns with mean 0 and standard deviation 1."""
    array = np.asarray(values, dtype=np.float32)
    return torch.tensor((array - array.mean(0)) / (array.std(0) + 1e-6))
