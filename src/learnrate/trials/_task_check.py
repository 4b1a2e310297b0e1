"""The check of a task before it is trained: its first batch, its loss and its models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from learnrate._checks import kind_of
from learnrate._errors import TaskError
from learnrate.task import as_task_error
from learnrate.trials._training import Training, preserved

if TYPE_CHECKING:
    from learnrate.task import Task

__all__ = ["check_task"]

_NOT_FINITE = (
    "the loss of the first batch, before any update, is {}; it must be finite. "
    "No learning rate can change it: check the data and the model's initial weights."
)


def check_task(task: Task) -> tuple[Training, float]:
    """Try a task's first batch, so that its errors are raised early.

    Returns:
        The training that was tried, under seed 0, and its loss on that batch.

    Raises:
        TaskError: the model has nothing to train, the factory returns one and the same module,
            the data is empty or can be read only once, or the loss is not a finite scalar that
            depends on the parameters.
    """
    with preserved(task):
        training = Training(task, seed=0)
        with training.ranks.together():
            _check_fresh_models(task, training.model)
            with as_task_error("Task(data=...) could not give its first batch"):
                training.batches_ahead(1)
            if task.update is not None:
                return training, _first_update(training)
            with as_task_error("the loss of the first batch could not be computed"):
                loss = training.loss()
            _check_loss(loss)
    return training, float(loss.detach())


def _first_update(training: Training) -> float:
    """The loss of the first update that a task makes by itself."""
    with as_task_error("the first update(model, optimizer, batch) could not be made"):
        loss = training.update(None)
    if not math.isfinite(loss):
        raise TaskError(_NOT_FINITE.format(loss))
    return loss


def _check_loss(loss: object) -> None:
    if not isinstance(loss, torch.Tensor):
        raise TaskError(f"loss(model, batch) must return a tensor; got {kind_of(loss)}.")
    if loss.dim() != 0:
        raise TaskError(
            f"loss(model, batch) must be a scalar; got shape {tuple(loss.shape)}. "
            "Average it, for example with .mean()."
        )
    if not torch.isfinite(loss):
        raise TaskError(_NOT_FINITE.format(loss.item()))
    if not loss.requires_grad:
        raise TaskError(
            "the loss does not depend on the model's parameters (it has no gradient). "
            "Is it computed under no_grad, or from detached values?"
        )


def _check_fresh_models(task: Task, first: nn.Module) -> None:
    if not isinstance(task.model, nn.Module) and task.model() is first:
        raise TaskError(
            "Task(model=...) is a function that returned the same module twice. "
            "Give the module itself (it is copied for each trial), or make a new one each time."
        )
