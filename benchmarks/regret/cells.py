"""What is measured: one cell is a task, an optimizer, a length and a batch size.

`CELLS` was chosen before any method was fitted to it. A third of the cells is held out: no constant,
prior or threshold of a method of learnrate may be chosen by their results, so that they show how a
method does on new tasks.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from learnrate import Task
from learnrate.trials import kept_random_state

from . import data, models

if TYPE_CHECKING:
    from collections.abc import Callable

    from .data import Examples, Text

__all__ = ["CELLS", "OPTIMIZERS", "Cell", "chosen_cells"]

# The rates are placeholders; the measurements set their own.
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}


@dataclass(frozen=True)
class Workload:
    """A model, its data, and how its updates are made.

    Args:
        model: makes a model with weights drawn from torch's generator.
        source: gives the data.
        clip_norm: the largest gradient norm, as `Task` takes it.
        seeds: number of seeds of the truth; more if the validation loss is noisy.
    """

    model: Callable[[], nn.Module]
    source: Callable[[], Examples | Text]
    clip_norm: float | None = None
    seeds: int = 3


def _tuned_from(
    base: Callable[[], nn.Sequential], classes: int, width: int
) -> Callable[[], nn.Module]:
    """A trained model with a new last layer."""

    def make() -> nn.Module:
        model = copy.deepcopy(base())
        model[-1] = nn.Linear(width, classes)
        return model

    return make


def _trained(make: Callable[[], nn.Sequential], source: Examples, steps: int) -> nn.Sequential:
    """A model trained with Adam at 3e-3, decayed to 0; the same in every process."""
    with kept_random_state():
        torch.manual_seed(0)
        model, batches = make(), source.batches(64)
    optimizer = torch.optim.Adam(model.parameters())
    criterion, step = nn.CrossEntropyLoss(), 0
    while step < steps:
        for x, y in batches(step):
            optimizer.param_groups[0]["lr"] = 3e-3 * max(0.0, 1 - step / steps)
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
            step += 1
    return model


@lru_cache
def _fashion_base() -> nn.Sequential:
    return _trained(lambda: models.cnn(5), data.fashion().of_classes(0, 4), 300)


WORKLOADS: dict[str, Workload] = {
    "digits-mlp": Workload(lambda: models.mlp(64, 64, 10), data.digits, seeds=10),
    "digits-cnn": Workload(models.digits_cnn, data.digits, seeds=10),
    "fashion-mlp": Workload(lambda: models.mlp(784, 64, 10), data.fashion),
    "fashion-cnn": Workload(models.cnn, data.fashion),
    "fashion-tuned": Workload(
        _tuned_from(_fashion_base, 5, 784), lambda: data.fashion().of_classes(5, 9).first(3000)
    ),
    "cifar-resnet": Workload(models.resnet, data.cifar),
    "chars-gru": Workload(lambda: models.GRUText(65, 48), data.chars, clip_norm=1.0),
    "chars-transformer": Workload(
        lambda: models.TransformerText(65, 32, data.LENGTH), data.chars, clip_norm=1.0
    ),
    "words-transformer": Workload(
        lambda: models.TransformerText(data.WORDS, 32, data.LENGTH), data.words, clip_norm=1.0
    ),
    "adult-mlp": Workload(lambda: models.mlp(123, 32, 2), data.adult),
}


@dataclass(frozen=True)
class Cell:
    """One row of the truth.

    Args:
        workload: what is trained, a name in `WORKLOADS`.
        optimizer: a name in `OPTIMIZERS`.
        batch: examples in a batch.
        total_steps: updates of a whole run.
        around: the middle of the first grid of rates for the truth.
        held_out: whether the cell is left out of every fit.
    """

    workload: str
    optimizer: str
    batch: int
    total_steps: int
    around: float
    held_out: bool = False

    @property
    def name(self) -> str:
        """The name of the cell in files and tables."""
        return f"{self.workload}-{self.optimizer}-b{self.batch}-t{self.total_steps}"

    @property
    def seeds(self) -> int:
        """Number of seeds of the truth."""
        return WORKLOADS[self.workload].seeds

    def task(self) -> Task:
        """The task, with its data in memory."""
        workload = WORKLOADS[self.workload]
        source = workload.source()
        criterion = nn.CrossEntropyLoss()

        def validate(model: nn.Module) -> float:
            return float(criterion(model(source.held_x), source.held_y))

        return Task(
            model=workload.model,
            loss=criterion,
            data=source.batches(self.batch),
            optimizer=OPTIMIZERS[self.optimizer],
            validate=validate,
            total_steps=self.total_steps,
            clip_norm=workload.clip_norm,
            name=self.name,
        )


CELLS: tuple[Cell, ...] = (
    Cell("digits-mlp", "sgd", 16, 1000, 0.1),
    Cell("digits-mlp", "adamw", 64, 400, 1e-2, held_out=True),
    Cell("digits-cnn", "adamw", 16, 1000, 1e-2),
    Cell("digits-cnn", "rmsprop", 128, 300, 3e-3),
    Cell("fashion-mlp", "sgd", 32, 2000, 0.05),
    Cell("fashion-mlp", "adamw", 16, 3000, 2e-3),
    Cell("fashion-mlp", "adam", 512, 300, 3e-3, held_out=True),
    Cell("fashion-cnn", "sgd", 128, 400, 0.1, held_out=True),
    Cell("fashion-cnn", "adam", 32, 1000, 5e-3),
    Cell("cifar-resnet", "sgd", 32, 500, 0.1),
    Cell("cifar-resnet", "adamw", 128, 200, 1e-2, held_out=True),
    Cell("chars-transformer", "adamw", 8, 800, 1e-2),
    Cell("chars-transformer", "sgd", 32, 300, 0.5, held_out=True),
    Cell("chars-gru", "adamw", 16, 500, 2e-2),
    Cell("chars-gru", "rmsprop", 4, 1000, 5e-3, held_out=True),
    Cell("words-transformer", "adamw", 8, 600, 1e-2, held_out=True),
    Cell("words-transformer", "sgd", 16, 300, 0.5),
    Cell("adult-mlp", "sgd", 16, 2500, 0.02),
    Cell("adult-mlp", "adamw", 256, 400, 3e-3),
    Cell("adult-mlp", "adagrad", 64, 1000, 0.05, held_out=True),
    Cell("fashion-tuned", "adamw", 16, 400, 2e-3),
    Cell("fashion-tuned", "sgd", 32, 300, 0.02, held_out=True),
)


def chosen_cells(pattern: str) -> list[Cell]:
    """The cells whose names contain one of the words, separated by commas; all for none.

    Raises:
        SystemExit: no name contains one of the words.
    """
    words = pattern.split(",")
    chosen = [cell for cell in CELLS if any(word in cell.name for word in words)]
    if not chosen:
        raise SystemExit(f"--cells {pattern}: no cell has such a name; there are:\n" + _names())
    return chosen


def _names() -> str:
    return "\n".join(cell.name for cell in CELLS)
