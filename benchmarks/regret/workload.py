"""What is trained in a cell: a model, its data, a loss, and the domain they come from."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from learnrate.trials import kept_random_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from learnrate.task import LossFunction

__all__ = ["Sampled", "Source", "Workload", "generator", "pretrained", "tuned_from"]

Batch = tuple[torch.Tensor, ...]


class Source(Protocol):
    """Data for training and for validation."""

    def batches(self, size: int | None) -> Callable[[int], Iterable[Batch]]:
        """A function of a seed that gives one pass; without a size, all examples at once."""

    @property
    def validation(self) -> Batch:
        """The validation set, as one batch."""


@dataclass(frozen=True)
class Sampled:
    """Batches that are drawn from a generator, such as noise or points of an equation.

    Args:
        draw: draws a batch of a size from a generator; the size is None for all examples.
        validation: the validation set, as one batch.
    """

    draw: Callable[[torch.Generator, int | None], Batch]
    validation: Batch

    def batches(self, size: int | None) -> Callable[[int], Iterator[Batch]]:
        """100 batches that depend on the seed."""

        def one_pass(seed: int) -> Iterator[Batch]:
            random = generator(seed)
            for _ in range(100):
                yield self.draw(random, size)

        return one_pass


@dataclass(frozen=True)
class Workload:
    """A model, its data, and how its updates are made.

    Args:
        domain: the kind of work; a method that is fitted is judged on a domain without it.
        model: makes a model with weights drawn from torch's generator.
        source: gives the data.
        loss: as `Task` takes it.
        score: the validation loss of a batch; the loss by default.
        clip_norm: the largest gradient norm, as `Task` takes it.
        seeds: number of seeds of the truth; more if the validation loss is noisy.
    """

    domain: str
    model: Callable[[], nn.Module]
    source: Callable[[], Source]
    loss: nn.Module | LossFunction = field(default_factory=nn.CrossEntropyLoss)
    score: LossFunction | None = None
    clip_norm: float | None = None
    seeds: int = 2

    def validate(self, model: nn.Module) -> float:
        """The validation loss of a model."""
        validation = self.source().validation
        if self.score is not None:
            return float(self.score(model, validation))
        if isinstance(self.loss, nn.Module):
            inputs, target = validation
            return float(self.loss(model(inputs), target))
        return float(self.loss(model, validation))


def generator(seed: int) -> torch.Generator:
    """A generator with a seed."""
    return torch.Generator().manual_seed(seed)


def pretrained(workload: Workload, batch: int, steps: int) -> nn.Module:
    """A model trained with Adam at 3e-3, decayed to 0; the same in every process.

    Args:
        workload: what is trained.
        batch: examples in a batch.
        steps: updates.
    """
    with kept_random_state():
        torch.manual_seed(0)
        model, batches = workload.model(), workload.source().batches(batch)
    optimizer = torch.optim.Adam(model.parameters())
    step = 0
    while step < steps:
        for examples in batches(step):
            optimizer.param_groups[0]["lr"] = 3e-3 * max(0.0, 1 - step / steps)
            optimizer.zero_grad()
            _loss(workload, model, examples).backward()
            optimizer.step()
            step += 1
    return model


def _loss(workload: Workload, model: nn.Module, batch: Any) -> torch.Tensor:
    if isinstance(workload.loss, nn.Module):
        inputs, target = batch
        return torch.as_tensor(workload.loss(model(inputs), target))
    return workload.loss(model, batch)


def tuned_from(
    base: Callable[[], nn.Module], change: Callable[[nn.Module], nn.Module]
) -> Callable[[], nn.Module]:
    """Makes a changed copy of a trained model.

    Args:
        base: gives the trained model.
        change: returns what is trained next, such as the model with a new last layer.
    """
    return lambda: change(copy.deepcopy(base()))
