"""The tasks that claims train: small real ones, whose trials can be stacked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypedDict, Unpack

import torch
from torch import nn

from learnrate.claims import _data as data
from learnrate.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.claims._data import Examples

__all__ = [
    "OPTIMIZERS",
    "batch_norm_cnn",
    "cnn",
    "digits_cnn",
    "digits_mlp",
    "fashion_cnn",
    "fashion_mlp",
    "mlp",
    "mlp_tasks",
    "narrow_mlp_tasks",
    "noisy_digits_mlp",
    "residual",
    "row_transformer",
    "task_on",
    "without_optimizer",
]

# The rates are placeholders: schedules overwrite them.
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": partial(torch.optim.SGD, lr=0.1),
    "SGD momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "RMSprop": torch.optim.RMSprop,
}


def mlp(
    inputs: int, width: int, classes: int = 10, *, layers: int = 2, batch_norm: bool = False
) -> nn.Sequential:
    """Hidden layers with ReLU, and an output layer.

    Args:
        inputs: features of an example.
        width: the width of each hidden layer.
        classes: outputs.
        layers: hidden layers.
        batch_norm: whether to normalise before each ReLU.
    """
    modules: list[nn.Module] = []
    for _ in range(layers):
        modules.append(nn.Linear(inputs, width))
        if batch_norm:
            modules.append(nn.BatchNorm1d(width))
        modules.append(nn.ReLU())
        inputs = width
    return nn.Sequential(*modules, nn.Linear(width, classes))


def cnn(side: int, width: int = 8, classes: int = 10) -> nn.Sequential:
    """Two convolutions over `side` x `side` grey pixels, flattened.

    Args:
        side: height and width of an image, in pixels, at least 1.
        width: channels of the first convolution; the second has twice as many.
        classes: outputs.
    """
    strides = (1, 2) if side < 16 else (2, 2)
    rest = -(-side // (strides[0] * strides[1]))
    return nn.Sequential(
        nn.Unflatten(1, (1, side, side)),
        nn.Conv2d(1, width, 3, stride=strides[0], padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=strides[1], padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * width * rest * rest, classes),
    )


class _ResidualBlock(nn.Module):
    """Two convolutions with BatchNorm, and a shortcut around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Identity() if inputs == outputs else _Shortcut(outputs, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.main(x) + self.shortcut(x))


class _Shortcut(nn.Module):
    """Every second pixel, and zeros for the new channels, as in He et al. (2015)."""

    def __init__(self, outputs: int, stride: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        subsampled = x[:, :, :: self.stride, :: self.stride]
        return nn.functional.pad(subsampled, (0, 0, 0, 0, 0, self.outputs - x.shape[1]))


def residual(
    shape: tuple[int, int, int], width: int = 8, classes: int = 10, *, blocks: int = 1
) -> nn.Sequential:
    """A residual network of three stages for images of shape (channels, height, width).

    Flattened images are accepted too. `width=16, blocks=9` is ResNet-56 of He et al., Deep residual
    learning, 2015, arXiv:1512.03385.

    Args:
        shape: the shape of an image.
        width: channels of the first stage; each later stage has twice as many.
        classes: outputs.
        blocks: the blocks of two convolutions each, in every stage.
    """
    modules: list[nn.Module] = [
        nn.Flatten(),
        nn.Unflatten(1, shape),
        nn.Conv2d(shape[0], width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]
    inputs = width
    for stage in range(3):
        for block in range(blocks):
            outputs = width * 2**stage
            modules.append(_ResidualBlock(inputs, outputs, 2 if stage > 0 and block == 0 else 1))
            inputs = outputs
    return nn.Sequential(
        *modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)
    )


def batch_norm_cnn(side: int, width: int = 8, classes: int = 10) -> nn.Sequential:
    """Three convolutions with BatchNorm over `side` x `side` grey pixels, flattened.

    Args:
        side: height and width of an image, in pixels, at least 1.
        width: channels of the first two convolutions; the third has twice as many.
        classes: outputs.
    """
    modules: list[nn.Module] = [nn.Unflatten(1, (1, side, side))]
    for inputs, outputs, stride in ((1, width, 2), (width, width, 1), (width, 2 * width, 2)):
        modules += [
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(
        *modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, classes)
    )


class _RowTransformer(nn.Module):
    """A transformer that reads an image row by row."""

    def __init__(self, side: int, width: int, layers: int, classes: int) -> None:
        super().__init__()
        self.side = side
        self.rows = nn.Linear(side, width)
        self.positions = nn.Parameter(0.02 * torch.randn(side, width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True)
            for _ in range(layers)
        )
        self.output = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rows(x.unflatten(1, (self.side, self.side))) + self.positions
        for layer in self.layers:
            x = layer(x)
        logits: torch.Tensor = self.output(x.mean(dim=1))
        return logits


def row_transformer(
    side: int, width: int = 16, classes: int = 10, *, layers: int = 2
) -> nn.Module:
    """A transformer over the rows of `side` x `side` grey pixels, flattened.

    Its layers normalise after each addition, as in Vaswani et al., Attention is all you need, 2017,
    arXiv:1706.03762.

    Args:
        side: rows of an image, and pixels in a row.
        width: features of a row.
        classes: outputs.
        layers: encoder layers.
    """
    return _RowTransformer(side, width, layers, classes)


def task_on(
    examples: Examples,
    model: Callable[[], nn.Module],
    optimizer: str | Callable[..., torch.optim.Optimizer] = "Adam",
    *,
    batch: int = 64,
    steps: int = 400,
    label: str = "network",
) -> Task:
    """A classifier on examples, judged by its cross-entropy on the validation examples.

    Args:
        examples: the examples for training and validation.
        model: makes the network.
        optimizer: a name in `OPTIMIZERS`, or a factory as `Task` takes it.
        batch: examples in a batch.
        steps: updates of a whole run.
        label: the label of the network, in the name of the task.
    """
    criterion = nn.CrossEntropyLoss()
    named = isinstance(optimizer, str)
    return Task(
        model=model,
        loss=criterion,
        data=examples.batches(batch),
        optimizer=OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer,
        validate=lambda network: criterion(network(examples.held_x), examples.held_y).item(),
        total_steps=steps,
        name=f"{examples.name} {label}" + (f", {optimizer}" if named else ""),
    )


class MLPSettings(TypedDict, total=False):
    """The options of an `MLPMaker` that a call may change."""

    width: int
    batch: int
    steps: int


@dataclass(frozen=True)
class MLPMaker:
    """Makes tasks of two hidden layers on the same examples.

    Attributes:
        examples: the examples for training and validation.
        width: the width of each hidden layer.
        batch: examples in a batch.
        steps: updates of a whole run.
    """

    examples: Callable[[], Examples]
    width: int = 64
    batch: int = 64
    steps: int = 400

    def __call__(self, optimizer: str = "Adam", **settings: Unpack[MLPSettings]) -> Task:
        """A task with this optimizer, a name in `OPTIMIZERS`, and with other settings if given."""
        chosen = replace(self, **settings)
        examples = chosen.examples()
        network = partial(mlp, examples.x[0].numel(), chosen.width)
        return task_on(
            examples, network, optimizer, batch=chosen.batch, steps=chosen.steps, label="MLP"
        )


digits_mlp = MLPMaker(data.digits)
noisy_digits_mlp = MLPMaker(data.noisy_digits, width=32, batch=32, steps=300)
"""Digits with new noise in every batch."""
fashion_mlp = MLPMaker(data.fashion, steps=800)


def digits_cnn(optimizer: str = "Adam", *, steps: int = 400) -> Task:
    """A network of two convolutions on the 8 x 8 pictures of `data.digits`."""
    return task_on(data.digits(), partial(cnn, 8), optimizer, steps=steps, label="CNN")


def fashion_cnn(optimizer: str = "Adam", *, steps: int = 800) -> Task:
    """A network of two convolutions on the 28 x 28 pictures of `data.fashion`."""
    return task_on(data.fashion(), partial(cnn, 28), optimizer, steps=steps, label="CNN")


def mlp_tasks(
    *optimizers: str, full_steps: int | None = None, **settings: Unpack[MLPSettings]
) -> Callable[[bool], list[Task]]:
    """The tasks of a claim: two hidden layers on digits, in the full test also on Fashion-MNIST.

    Args:
        optimizers: one task each.
        full_steps: updates of a run in the full test, if it differs.
        settings: the settings of `digits_mlp` and `fashion_mlp`.
    """

    def tasks(full: bool) -> list[Task]:
        chosen: MLPSettings = {**settings}
        if full and full_steps is not None:
            chosen["steps"] = full_steps
        makers = (digits_mlp, fashion_mlp) if full else (digits_mlp,)
        return [make(optimizer, **chosen) for make in makers for optimizer in optimizers]

    return tasks


def narrow_mlp_tasks(
    steps: int, full_steps: int, *, batch: int = 32
) -> Callable[[bool], list[Task]]:
    """Two hidden layers of 32 units on digits, with SGD and with Adam.

    Args:
        steps: updates of a run in the quick test.
        full_steps: the same in the full test.
        batch: examples in a batch.
    """

    def tasks(full: bool) -> list[Task]:
        chosen = full_steps if full else steps
        return [
            digits_mlp(optimizer, width=32, batch=batch, steps=chosen)
            for optimizer in ("SGD", "Adam")
        ]

    return tasks


def without_optimizer(task: Task) -> Task:
    """The task with a name that does not mention Adam, for a claim that sets the optimizer."""
    return replace(task, name=task.name.replace(", Adam", ""))
