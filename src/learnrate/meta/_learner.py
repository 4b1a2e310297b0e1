"""The inner loop, for many episodes of one or of several trials at once.

Episodes and trials share one leading dimension of rows. `torch.vmap` runs the model with separate
weights for every row. The gradient of the summed losses holds the gradient of every row, because no
row depends on another. Autograd computes second-order terms through the updates.
"""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from learnrate._checks import kind_of
from learnrate._errors import ArgumentError, TaskError
from learnrate.meta._rates import InnerRates, make_rates
from learnrate.task import as_task_error, pair_in
from learnrate.trials import Substitution, batchable, kept_random_state, seed_everything

if TYPE_CHECKING:
    from learnrate.meta._task import Loss, MetaTask

__all__ = ["Learner", "Weights", "spread"]

Weights = dict[str, torch.Tensor]


class _Objective(nn.Module):
    """A model and its loss as one module that takes a batch."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, batch: Any) -> torch.Tensor:
        if not isinstance(self.loss, nn.Module):
            return self.loss(self.model, batch)
        inputs, target = pair_in(batch, self.loss)
        return torch.as_tensor(self.loss(self.model(inputs), target))


class Learner:
    """A meta-task's model, run with weights that are passed to it.

    Args:
        task: what is meta-trained.
        model: the module; None to make the task's model with `seed`.
        seed: the seed of the initial weights, if the task's model is a function.

    Raises:
        ArgumentError: the model keeps running statistics, has nothing to train, or lacks the head.
    """

    def __init__(self, task: MetaTask, model: nn.Module | None = None, seed: int = 0) -> None:
        self.task = task
        self.model = _make_model(task, seed) if model is None else model
        _refuse_running_statistics(self.model)
        self.weights: Weights = {
            name: parameter
            for name, parameter in self.model.named_parameters()
            if parameter.requires_grad
        }
        if not self.weights:
            raise ArgumentError("MetaTask(model=...) has no parameter that requires a gradient.")
        self.adapted = _adapted_names(task, self.model, list(self.weights))
        self._batchable = batchable(self.model)
        self._substitution = Substitution(self.model, self.weights)
        self._inner = _Objective(self.model, task.loss)
        self._outer = _Objective(self.model, task.outer_loss or task.loss)
        self._metric = None if task.metric is None else _Objective(self.model, task.metric)

    def rates(self, spec: Any, steps: int, argument: str) -> InnerRates:
        """Rates of one trial for the adapted parameters.

        Args:
            spec: the rates, in any form that a user may give.
            steps: the number of inner steps.
            argument: the name of `spec`, for messages.
        """
        adapted_weights = {name: self.weights[name] for name in self.adapted}
        return make_rates(spec, adapted_weights, steps, argument)

    def inner(self, weights: Weights, batch: Any) -> torch.Tensor:
        """The inner loss of every row, shape (rows,)."""
        return self._run(self._inner, weights, batch)

    def outer(self, weights: Weights, batch: Any) -> torch.Tensor:
        """The outer loss of every row, shape (rows,)."""
        return self._run(self._outer, weights, batch)

    def metric(self, weights: Weights, batch: Any) -> torch.Tensor | None:
        """The task's metric of every row, shape (rows,); None without one."""
        return None if self._metric is None else self._run(self._metric, weights, batch)

    def descend(
        self,
        weights: Weights,
        batch: Any,
        rates: InnerRates,
        rows: torch.Tensor | None,
        steps: int,
        *,
        second_order: bool,
    ) -> tuple[Weights, torch.Tensor]:
        """Run the inner loop of every row.

        Args:
            weights: the weights before the loop, by parameter, shape (rows, *shape).
            batch: the support of every row.
            rates: the rates of one or several trials.
            rows: the trial of each row; None if there is one trial.
            steps: the number of inner steps.
            second_order: whether the gradients of the inner steps stay in the graph. The updates
                always do.

        Returns:
            The weights after the loop, and the losses before each step, shape (steps, rows).
        """
        losses = []
        for step in range(steps):
            loss = self.inner(weights, batch)
            losses.append(loss.detach())
            values = [weights[name] for name in self.adapted]
            slopes = torch.autograd.grad(
                loss.sum(), values, create_graph=second_order, allow_unused=True
            )
            weights = dict(weights)
            for name, value, slope in zip(self.adapted, values, slopes, strict=True):
                if slope is not None:
                    weights[name] = value - _broadcast(rates.at(name, step, rows), slope) * slope
        return weights, torch.stack(losses)

    def _run(self, objective: _Objective, weights: Weights, batch: Any) -> torch.Tensor:
        def of_one_row(values: Weights, part: Any) -> torch.Tensor:
            with self._substitution.active(values):
                return torch.as_tensor(objective(part))

        with self._batchable, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop")
            with as_task_error("the loss of the episodes could not be computed"):
                losses = torch.vmap(of_one_row, randomness="different")(weights, batch)
        if losses.dim() != 1:
            raise TaskError(
                f"a loss must be one number for each episode; got shape {tuple(losses.shape[1:])}. "
                "Average it over the examples."
            )
        return losses


def spread(leaf: torch.Tensor, rows: torch.Tensor | None, count: int) -> torch.Tensor:
    """The weights of each row's trial, in the graph.

    Args:
        leaf: one parameter of all trials, shape (trials, *shape).
        rows: the trial of each row; None if there is one trial.
        count: the number of rows.
    """
    return leaf.expand(count, *leaf.shape[1:]) if rows is None else leaf[rows]


def _broadcast(rate: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """A rate with as many dimensions as the gradient; one that all parameters share has only rows."""
    return rate if rate.dim() == slope.dim() else rate.reshape(-1, *[1] * (slope.dim() - 1))


def _make_model(task: MetaTask, seed: int) -> nn.Module:
    if isinstance(task.model, nn.Module):
        return copy.deepcopy(task.model)
    with kept_random_state():
        seed_everything(seed)
        with as_task_error("MetaTask(model=...) could not make a model"):
            model = task.model()
    if not isinstance(model, nn.Module):
        raise TaskError(f"model() must return a torch.nn.Module; got {kind_of(model)}.")
    return model


def _refuse_running_statistics(model: nn.Module) -> None:
    for name, part in model.named_modules():
        if getattr(part, "running_mean", None) is not None:
            kind = type(part).__name__
            raise ArgumentError(
                f"{kind} {name!r} keeps running statistics, which would mix the episodes. Use "
                f"{kind}(..., track_running_stats=False), which takes the statistics of each batch, "
                "or GroupNorm, which needs none."
            )


def _adapted_names(task: MetaTask, model: nn.Module, names: list[str]) -> list[str]:
    if task.algorithm != "anil":
        return names
    last = names[-1].rpartition(".")[0]
    head = last if task.head is None else task.head
    adapted = [name for name in names if name.startswith(f"{head}." if head else "")]
    if not adapted:
        modules = ", ".join(name for name, _ in model.named_modules() if name)
        raise ArgumentError(
            f"MetaTask(head={head!r}) is not a module with parameters. Modules: {modules}."
        )
    return adapted
