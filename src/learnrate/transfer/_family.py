"""A task at many widths: the same training, with muP or as its code makes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import nn

from learnrate._checks import check_whole, kind_of, refuse
from learnrate._errors import ArgumentError, TaskError
from learnrate.task import Task, as_task_error
from learnrate.transfer._groups import regroup
from learnrate.transfer._parametrize import Parametrization, parametrization_of, parametrize
from learnrate.trials import kept_random_state, seed_everything

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch

__all__ = ["WidthTask", "at_width", "checked_widths"]


@dataclass(frozen=True)
class WidthTask:
    """A task at a width.

    Attributes:
        task: what is trained.
        width: its width.
        peak_factor: the peak at this width divided by that at the base width, because a schedule sets
            the highest rate of all parameter groups; 1 with Adam at widths above the base.
        plain: the task as its code makes it.
        parametrization: the rules of muP for its parameters; None if the task is as its code makes it.
    """

    task: Task
    width: int
    plain: Task
    peak_factor: float = 1.0
    parametrization: Parametrization | None = None


def at_width(
    make_task: Callable[[int], Task],
    width: int,
    *,
    base: int | None,
    roles: Mapping[str, str] | None = None,
) -> WidthTask:
    """The task at a width, with the maximal-update parametrization relative to the base width.

    The rates of the optimizer that the task makes are those at the base width.

    Args:
        make_task: a function of the width that returns a `learnrate.Task`.
        width: the width to train at, at least 1.
        base: the width at which the rate was found; None leaves the task as its code makes it.
        roles: the roles of parameters whose role does not follow from their shapes; see
            `parametrize`.

    Raises:
        ArgumentError: a width is below 1, or the rules cannot be given to this model or optimizer.
        TaskError: `make_task` does not return a task.

    Examples:
        >>> import torch
        >>> from learnrate import Task
        >>> def make_task(width):
        ...     return Task(
        ...         model=lambda: torch.nn.Sequential(
        ...             torch.nn.Linear(3, width), torch.nn.ReLU(), torch.nn.Linear(width, 1)
        ...         ),
        ...         loss=torch.nn.MSELoss(),
        ...         data=[(torch.ones(4, 3), torch.ones(4, 1))],
        ...     )
        >>> wide = at_width(make_task, 256, base=32)
        >>> round(wide.parametrization.rules["2.weight"].init, 6)
        0.353553
    """
    check_whole("at_width", "width", width, 1)
    task = _task_of_width(make_task, width)
    if base is None:
        return WidthTask(task, width, task)
    check_whole("at_width", "base", base, 1)
    with kept_random_state():
        seed_everything(0)
        narrow = _model_of(_task_of_width(make_task, base))
    transferred = replace(
        task,
        model=_Parametrized(task, narrow, dict(roles or {})),
        optimizer=_Regrouped(task),
    )
    return _described(transferred, task, width)


def checked_widths(widths: Sequence[int], least: int) -> list[int]:
    """The widths in increasing order.

    Args:
        widths: whole numbers of at least 1.
        least: how many different ones are needed.

    Raises:
        ArgumentError: they are too few, or one is not a whole number above 0.
    """
    for width in widths:
        check_whole("transfer", "widths", width, 1)
    different = sorted(set(widths))
    if len(different) < least:
        refuse("transfer", "widths", f"at least {least} different widths", list(widths))
    return different


def _task_of_width(make_task: Callable[[int], Task], width: int) -> Task:
    with as_task_error(f"the task of width {width} could not be made"):
        task = make_task(width)
    if not isinstance(task, Task):
        raise TaskError(
            "make_task must be a function of the width that returns a learnrate.Task; for width "
            f"{width} it returned {kind_of(task)}."
        )
    if isinstance(task.model, nn.Module):
        raise ArgumentError(
            "Task(model=...) must be a function that makes the model, so that its initial weights "
            "are new; got a module. Write model=lambda: Model(width)."
        )
    return task


def _model_of(task: Task) -> nn.Module:
    assert not isinstance(task.model, nn.Module)  # noqa: S101 - _task_of_width has refused it
    with as_task_error("the model could not be made"):
        return task.model()


def _described(task: Task, plain: Task, width: int) -> WidthTask:
    """The task with the rules of muP for its parameters, from a model that is made for this."""
    with kept_random_state():
        seed_everything(0)
        model = _model_of(task)
        factor = regroup(plain.optimizers_of(model), model)
    return WidthTask(task, width, plain, factor, parametrization_of(model))


@dataclass(frozen=True)
class _Parametrized:
    """Makes a model and parametrizes it."""

    task: Task
    base: nn.Module
    roles: dict[str, str]

    def __call__(self) -> nn.Module:
        model = _model_of(self.task)
        parametrize(model, self.base, forward=self._forward, roles=self.roles)
        return model

    def _forward(self, model: nn.Module) -> Any:
        """Run the model on the first batch of the task."""
        data = self.task.data(0) if callable(self.task.data) else self.task.data
        batch = next(iter(data))
        return self.task.loss_of(model, batch)


@dataclass(frozen=True)
class _Regrouped:
    """Makes the optimizers of a parametrized model."""

    task: Task

    def __call__(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        optimizers = self.task.optimizers_of(model)
        regroup(optimizers, model)
        return optimizers
