"""What is meta-trained: model, loss, episodes, the inner loop and its two rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from learnrate._errors import ArgumentError, TaskError
from learnrate.meta._episodes import Episodes
from learnrate.meta._rates import Learned, RateSpec
from learnrate.task import load_object

__all__ = ["ALGORITHMS", "MetaTask", "load_meta_task"]

ALGORITHMS = ("maml", "first-order", "reptile", "anil")
_WHOLE = ("inner_steps", "batch", "total_steps", "test_count")

Loss = nn.Module | Callable[[nn.Module, Any], torch.Tensor]


def _adam(tensors: list[torch.Tensor]) -> torch.optim.Optimizer:
    return torch.optim.Adam(tensors, lr=1e-3)


@dataclass(frozen=True, kw_only=True)
class MetaTask:
    """What is meta-trained, and how it is adapted at test time.

    Args:
        model: a module, or a function that makes one, called anew for each seed. Never touched.
            Layers that keep running statistics are refused; use
            `BatchNorm2d(n, track_running_stats=False)`, which takes those of each batch, or
            `GroupNorm`.
        loss: of the inner loop: `loss(model, batch) -> scalar`, or a criterion module, applied as
            `criterion(model(inputs), target)` to batches that are pairs.
        episodes: where episodes of meta-training come from, as `FewShot` or `Sinusoids`.
        test: where those of meta-test come from; `episodes` by default.
        outer_loss: of the query, `loss` by default.
        metric: a figure of the query to report besides, of the form of `loss`, as the accuracy.
        inner_lr: the inner loop's rate in meta-training: a number, one a step, a mapping from
            names to rates, or `Learned`; positive, zero or negative.
        adapt_lr: the rate of adaptation at test time; None for what was meta-trained with.
        inner_steps: inner steps in meta-training.
        adapt_steps: steps of adaptation at test time; None for as many.
        algorithm: `"maml"` (second order, exactly), `"first-order"`, `"reptile"` (adapts on the
            support and moves the weights there, the query unused; a negative rate therefore climbs
            the loss), or `"anil"`, which adapts the head alone.
        head: the module that ANIL adapts, by name; None for the last one that has parameters.
        optimizer: of the weights before adaptation and of learned rates: a class, a partial of
            one, or a function of a list of tensors; Adam at 1e-3 by default.
        batch: episodes of a meta-update.
        total_steps: meta-updates of a whole run.
        test_count: episodes that a test draws.
        at_once: the most episodes in one vectorised pass, for memory; None for no limit.
        name: what reports call it.

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
    at_once: int | None = None
    name: str = "meta-task"

    def __post_init__(self) -> None:
        for name in ("model", "loss", "optimizer"):
            if not callable(getattr(self, name)):
                raise ArgumentError(
                    f"MetaTask({name}=...) must be callable; got {getattr(self, name)!r}."
                )
        for name in ("episodes", "test"):
            given = getattr(self, name)
            if not (isinstance(given, Episodes) or (name == "test" and given is None)):
                raise ArgumentError(
                    f"MetaTask({name}=...) must have draw(count, seed) -> Episode, as FewShot and "
                    f"Sinusoids do; got a {type(given).__name__}."
                )
        if self.algorithm not in ALGORITHMS:
            raise ArgumentError(
                f"MetaTask(algorithm=...) must be one of {', '.join(ALGORITHMS)}; "
                f"got {self.algorithm!r}."
            )
        if self.algorithm == "reptile" and isinstance(self.inner_lr, Learned):
            raise ArgumentError(
                "MetaTask(inner_lr=Learned(...)) needs a gradient through the inner loop, which "
                "reptile has not; use maml, first-order or anil."
            )
        for name in (*_WHOLE, "adapt_steps", "at_once"):
            value = getattr(self, name)
            optional = name in {"adapt_steps", "at_once"} and value is None
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
        """Where a test's episodes come from."""
        return self.test or self.episodes

    def optimizer_of(self, tensors: list[torch.Tensor]) -> torch.optim.Optimizer:
        """A new optimizer of the weights and of learned rates.

        Raises:
            TaskError: it is none.
        """
        made = self.optimizer(tensors)
        if not isinstance(made, torch.optim.Optimizer):
            raise TaskError(
                f"optimizer(tensors) must return a torch.optim.Optimizer; got a "
                f"{type(made).__name__}."
            )
        return made


def load_meta_task(spec: str) -> MetaTask:
    """Load a meta-task from `"path/to/file.py:name"` or `"package.module:name"`.

    Raises:
        TaskError: the file or module is not there or does not import, `name` is not in it, or
            what it names is not a `MetaTask`, nor a function without arguments that returns one.
    """
    made = load_object(spec, MetaTask, "learnrate.meta.MetaTask")
    return made if made.name != "meta-task" else replace(made, name=spec)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < math.inf
