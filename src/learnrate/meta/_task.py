"""The meta-task: model, loss, episodes, the inner loop and its two rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from learnrate._checks import kind_of, refuse
from learnrate._errors import ArgumentError, TaskError
from learnrate.meta._episodes import Episodes
from learnrate.meta._rates import Learned, RateSpec
from learnrate.task import load_object

__all__ = ["ALGORITHMS", "MetaTask", "check_meta_task", "load_meta_task"]

ALGORITHMS = ("maml", "first-order", "reptile", "anil")
_WHOLE = ("inner_steps", "batch", "total_steps", "test_count")

Loss = nn.Module | Callable[[nn.Module, Any], torch.Tensor]


def _adam(tensors: list[torch.Tensor]) -> torch.optim.Optimizer:
    return torch.optim.Adam(tensors, lr=1e-3)


@dataclass(frozen=True, kw_only=True)
class MetaTask:
    """A meta-training, and the adaptation at test time.

    Args:
        model: a module, or a function that makes one, which is called once for each seed. A module
            is copied and never changed. Layers that keep running statistics are refused; use
            `BatchNorm2d(n, track_running_stats=False)`, which takes those of each batch, or
            `GroupNorm`.
        loss: the inner loss, `loss(model, batch) -> scalar`, or a criterion module, applied as
            `criterion(model(inputs), target)` to batches that are pairs.
        episodes: the source of episodes for meta-training, such as `FewShot` or `Sinusoids`.
        test: the source of episodes for testing; `episodes` by default.
        outer_loss: the loss on the query; `loss` by default.
        metric: a further quantity of the query to report, such as the accuracy, in the form of `loss`.
        inner_lr: the inner loop's rate in meta-training: a number, a list with one per step, a
            mapping from names to rates, or `Learned`; positive, zero or negative.
        adapt_lr: the rate of adaptation at test time; None for the rate of meta-training.
        inner_steps: inner steps in meta-training.
        adapt_steps: steps of adaptation at test time; None for `inner_steps`.
        algorithm: `"maml"` (with exact second-order gradients), `"first-order"`, `"reptile"` (moves
            the weights towards those adapted on the support, and does not use the query; a negative
            rate therefore raises the loss), or `"anil"`, which adapts the head only.
        head: the name of the module that ANIL adapts; None for the last one with parameters.
        optimizer: updates the weights before adaptation and the learned rates: a class, a partial of
            one, or a function of a list of tensors; Adam at 1e-3 by default.
        batch: episodes in a meta-update.
        total_steps: meta-updates of a whole run.
        test_count: episodes in a test.
        chunk_size: the most episodes in one vectorised pass, to limit memory; None for no limit.
        name: the task's name in reports.

    Raises:
        ArgumentError: a value is outside its rule.

    Examples:
        >>> import torch
        >>> from learnrate.meta import Sinusoids
        >>> task = MetaTask(
        ...     model=lambda: torch.nn.Sequential(
        ...         torch.nn.Linear(1, 20), torch.nn.ReLU(), torch.nn.Linear(20, 1)
        ...     ),
        ...     loss=torch.nn.MSELoss(),
        ...     episodes=Sinusoids(shots=10),
        ...     inner_lr=-0.01,
        ...     adapt_lr=0.01,
        ... )
        >>> task.algorithm
        'maml'
    """

    model: nn.Module | Callable[[], nn.Module]
    loss: Loss
    episodes: Episodes
    test: Episodes | None = None
    outer_loss: Loss | None = None
    metric: Loss | None = None
    inner_lr: RateSpec | Learned = 0.01
    adapt_lr: RateSpec | None = None
    inner_steps: int = 1
    adapt_steps: int | None = None
    algorithm: str = "maml"
    head: str | None = None
    optimizer: Callable[..., torch.optim.Optimizer] = _adam
    batch: int = 16
    total_steps: int = 1000
    test_count: int = 100
    chunk_size: int | None = None
    name: str = "meta-task"

    def __post_init__(self) -> None:
        for name in ("model", "loss", "optimizer"):
            if not callable(getattr(self, name)):
                raise ArgumentError(
                    f"MetaTask({name}=...) must be callable; got {getattr(self, name)!r}."
                )
        for name in ("episodes", "test"):
            source = getattr(self, name)
            if not (isinstance(source, Episodes) or (name == "test" and source is None)):
                raise ArgumentError(
                    f"MetaTask({name}=...) must have a method draw(count, seed) -> Episode, like "
                    f"FewShot and Sinusoids; got {kind_of(source)}."
                )
        if self.algorithm not in ALGORITHMS:
            raise ArgumentError(
                f"MetaTask(algorithm=...) must be one of {', '.join(ALGORITHMS)}; "
                f"got {self.algorithm!r}."
            )
        if self.algorithm == "reptile" and isinstance(self.inner_lr, Learned):
            raise ArgumentError(
                "MetaTask(inner_lr=Learned(...)) needs a gradient through the inner loop, and reptile "
                "has none. Use maml, first-order or anil."
            )
        for name in (*_WHOLE, "adapt_steps", "chunk_size"):
            value = getattr(self, name)
            optional = name in {"adapt_steps", "chunk_size"} and value is None
            if not (optional or _whole(value)):
                raise ArgumentError(
                    f"MetaTask({name}=...) must be a whole number, at least 1; got {value!r}."
                )

    @property
    def test_steps(self) -> int:
        """Steps of adaptation at test time."""
        return self.adapt_steps or self.inner_steps

    @property
    def test_episodes(self) -> Episodes:
        """The source of episodes for testing."""
        return self.test or self.episodes

    def optimizer_of(self, tensors: list[torch.Tensor]) -> torch.optim.Optimizer:
        """A new optimizer of the weights and of the learned rates.

        Raises:
            TaskError: the task's function does not return an optimizer.
        """
        optimizer = self.optimizer(tensors)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TaskError(
                "optimizer(tensors) must return a torch.optim.Optimizer; got "
                f"{kind_of(optimizer)}."
            )
        return optimizer


def load_meta_task(spec: str) -> MetaTask:
    """Load a meta-task from `"path/to/file.py:name"` or `"package.module:name"`.

    Raises:
        TaskError: the file or module does not exist or cannot be imported, has no `name`, or `name`
            is neither a `MetaTask` nor a function without arguments that returns one.
    """
    task = load_object(spec, MetaTask, "learnrate.meta.MetaTask")
    return task if task.name != "meta-task" else replace(task, name=spec)


def check_meta_task(owner: str, task: object) -> None:
    """Raise ArgumentError unless `task` is a meta-task.

    Args:
        owner: the function that was called, for the error.
        task: what it was given.
    """
    if not isinstance(task, MetaTask):
        refuse(owner, "task", "a learnrate.meta.MetaTask", task)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < math.inf
