"""Tasks: the model, loss, data, optimizer, validation and length of a training."""

from __future__ import annotations

import copy
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from learnrate._checks import kind_of, refuse
from learnrate._errors import ArgumentError, TaskError
from learnrate.task._checkpoint import load_changed, read_state, state_parts
from learnrate.task._copied import copied_model

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Batch", "Task"]

_AMP_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}

Batch = Any
"""A batch of the data, as the loss takes it: a tuple, a dict, a tensor or any other object."""

LossFunction = Callable[[nn.Module, Batch], torch.Tensor]
"""`loss(model, batch)`, a scalar tensor."""

Optimizers = torch.optim.Optimizer | Sequence[torch.optim.Optimizer]
UpdateFunction = Callable[[nn.Module, Any, Batch], Any]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A training: model, loss, data, optimizer, validation and length.

    Args:
        model: a module, or a function that makes one. A function is called for each trial, with
            the generators seeded, so that each seed has its own initial weights. A module is
            copied for each trial and never changed.
        loss: `loss(model, batch) -> scalar tensor`, or a criterion module such as
            `torch.nn.CrossEntropyLoss()`, which is applied as `criterion(model(inputs), target)`
            to batches that are pairs. May be left out with `update`. If both are given, `update`
            trains; `loss` is used only where the loss of a batch alone is needed, such as in
            the checks of `learnrate.transfer`.
        data: a DataLoader, any iterable that can be iterated again, or a function of a seed that
            returns one. When a pass ends, another begins, so a run may have any length. A
            function is called for each pass, each time with another seed.
        optimizer: an optimizer class, a `functools.partial` of one, or a function
            `optimizer(model) -> torch.optim.Optimizer`, or of several in a list, which are all
            stepped at every update. The rates of several parameter groups keep their ratios, also
            across optimizers; a schedule sets the highest of them. AdamW by default.
        update: makes one whole update, for loops that are not forward, backward and step: two
            losses, a closure, two passes. `update(model, optimizer, batch) -> loss` gets the list
            of optimizers if there are several, and returns the loss of the batch before the
            update. It clips and scales by itself. None for the usual update.
        validate: `validate(model) -> float`, lower is better: a number or a tensor of one
            element. It is called at the end of a run, in evaluation mode without gradients.
            Without it, the training loss at the end of a run is used instead.
        total_steps: how many optimizer updates a whole run has; `plan`, `sweep` and `train` can
            be given another.
        clip_norm: the highest norm of the gradient: a longer gradient is scaled down to it before
            the update. None does not clip.
        accumulate: micro-batches per update; their losses are averaged.
        amp: `"bfloat16"` or `"float16"` runs the loss under `torch.autocast`, float16 with a
            gradient scaler; None is full precision.
        device: where the model and the batches are moved; None leaves both where they are.
        name: the name of the task, in reports.
        notes: sentences about the task, which the report of a plan repeats.

    Raises:
        ArgumentError: a value is outside its rule.

    Examples:
        >>> import torch
        >>> x = torch.randn(64, 3)
        >>> task = Task(
        ...     model=lambda: torch.nn.Linear(3, 1),
        ...     loss=torch.nn.MSELoss(),
        ...     data=[(x, x.sum(1, keepdim=True))],
        ...     total_steps=100,
        ... )
        >>> task.total_steps
        100
    """

    model: nn.Module | Callable[[], nn.Module]
    loss: nn.Module | LossFunction | None = None
    data: Iterable[Batch] | Callable[[int], Iterable[Batch]]
    optimizer: Callable[..., Optimizers] = torch.optim.AdamW
    update: UpdateFunction | None = None
    validate: Callable[[nn.Module], float] | None = None
    total_steps: int | None = None
    clip_norm: float | None = None
    accumulate: int = 1
    amp: str | None = None
    device: str | torch.device | None = None
    name: str = "task"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(callable(self.model), "model", "a module or a function making one", self.model)
        _require(
            self.update is None or callable(self.update),
            "update",
            "update(model, optimizer, batch), or None",
            self.update,
        )
        _require(
            callable(self.loss) or (self.loss is None and self.update is not None),
            "loss",
            "a criterion module or loss(model, batch)",
            self.loss,
        )
        _require(
            callable(self.data) or isinstance(self.data, Iterable),
            "data",
            "a DataLoader, an iterable, or a function of a seed that returns one",
            self.data,
        )
        _require(
            isinstance(self.data, Iterable) or _takes_one_argument(self.data),
            "data",
            "an iterable, or a function that takes a seed and nothing else, data(seed)",
            self.data,
        )
        _require(
            callable(self.optimizer),
            "optimizer",
            "an optimizer class or a function of the model; an existing optimizer belongs to one "
            "model, so write lambda model: SGD(model.parameters(), lr=0.1)",
            self.optimizer,
        )
        _require(
            self.validate is None or callable(self.validate),
            "validate",
            "a function of the model, or None",
            self.validate,
        )
        _require(
            self.validate is None or _takes_one_argument(self.validate),
            "validate",
            "a function that takes the model and nothing else, validate(model)",
            self.validate,
        )
        _require(
            self.total_steps is None or _whole(self.total_steps),
            "total_steps",
            "a whole number of at least 1",
            self.total_steps,
        )
        _require(
            self.clip_norm is None or _is_finite_above_0(self.clip_norm),
            "clip_norm",
            "a finite number above 0, or None for no clipping",
            self.clip_norm,
        )
        _require(
            _whole(self.accumulate),
            "accumulate",
            "a whole number of at least 1",
            self.accumulate,
        )
        _require(
            self.amp is None or self.amp in _AMP_TYPES,
            "amp",
            "'bfloat16', 'float16' or None",
            self.amp,
        )
        for name, default in (("clip_norm", None), ("accumulate", 1), ("amp", None)):
            _require(
                self.update is None or getattr(self, name) == default,
                name,
                f"{default} with update=..., which does this by itself",
                getattr(self, name),
            )

    def run_length(self, total_steps: int | None = None) -> int:
        """The length of a run: `total_steps` if it is given, else the task's.

        Raises:
            ArgumentError: `total_steps` is below 1, or neither is set.
        """
        if total_steps is None and self.total_steps is None:
            raise ArgumentError(
                "total_steps: the length of a whole run is not known; "
                "give total_steps=... (--total-steps N) or set Task(total_steps=...)."
            )
        length = self.total_steps if total_steps is None else total_steps
        if not _whole(length):
            raise ArgumentError(
                "total_steps must be a whole number of optimizer updates, at least 1; "
                f"got {length!r}."
            )
        return int(length)  # type: ignore[arg-type]  # _whole has excluded None

    @property
    def amp_type(self) -> torch.dtype | None:
        """The reduced precision of the loss; None is full precision."""
        return None if self.amp is None else _AMP_TYPES[self.amp]

    def loss_of(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """The loss of one micro-batch.

        Raises:
            TaskError: the task has no loss, or the batch does not fit it.
        """
        if self.loss is None:
            raise TaskError(
                "this needs the loss of a batch by itself, and the task has only update=...; give "
                "Task(loss=...) too."
            )
        if not isinstance(self.loss, nn.Module):
            return self.loss(model, batch)
        inputs, target = pair_in(batch, self.loss)
        result: torch.Tensor = self.loss(model(inputs), target)
        return result

    def optimizers_of(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """The new optimizers for `model`; usually one.

        Raises:
            TaskError: the factory returned something else.
        """
        argument = model.parameters() if _takes_parameters(self.optimizer) else model
        result = self.optimizer(argument)
        optimizers: list[Any] = list(result) if isinstance(result, list | tuple) else [result]
        for optimizer in optimizers:
            if not isinstance(optimizer, torch.optim.Optimizer):
                raise TaskError(
                    "optimizer(model) must return a torch.optim.Optimizer, or a list of them; "
                    f"got {kind_of(optimizer)}."
                )
        if not optimizers:
            raise TaskError("optimizer(model) must return an optimizer; got an empty list.")
        return optimizers

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        """The new optimizer for `model`.

        Raises:
            TaskError: the factory returned something else, or several optimizers.
        """
        return only_optimizer(self.optimizers_of(model))

    def starting_from(self, state: Mapping[str, Any] | str | Path) -> Task:
        """The same task, starting from a checkpoint.

        Every training of it starts with the checkpoint's weights, and with its optimizer state if
        it has one. The ratios of the rates are those that the optimizer factory sets; the decayed
        rates in the checkpoint are not used.

        Args:
            state: a model's `state_dict`; a mapping that has it under `"model"`,
                `"model_state_dict"` or `"state_dict"`, and optionally the optimizer's under
                `"optimizer"` or `"optimizer_state_dict"`, a list for several; or the path of a file saved by
                `torch.save` with either.

        Raises:
            TaskError: the state is none of these, or cannot be read. A state that does not fit the
                model raises when a training starts.

        Examples:
            >>> import torch
            >>> task = Task(model=lambda: torch.nn.Linear(2, 1), loss=torch.nn.MSELoss(), data=[])
            >>> trained = torch.nn.Linear(2, 1)
            >>> bool((task.starting_from(trained.state_dict()).model().bias == trained.bias).all())
            True
        """
        weights, moments = state_parts(read_state(state))

        def model() -> nn.Module:
            factory = self.model
            module = copied_model(factory) if isinstance(factory, nn.Module) else factory()
            load_changed(module, weights)
            return module

        def optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
            restored = self.optimizers_of(model)
            if len(restored) != len(moments):
                raise TaskError(
                    f"the checkpoint has the state of {len(moments)} optimizers; the task has "
                    f"{len(restored)}."
                )
            for optimizer, optimizer_state in zip(restored, moments, strict=True):
                rates = [group["lr"] for group in optimizer.param_groups]
                optimizer.load_state_dict(copy.deepcopy(dict(optimizer_state)))
                for group, lr in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = lr
            return restored

        return replace(self, model=model, optimizer=optimizers if moments else self.optimizer)


del Task.optimizer  # the default is in __init__; help(Task) would show all docs of AdamW here


def pair_in(batch: Batch, loss: nn.Module) -> tuple[Any, Any]:
    """The inputs and the target in a batch, for a loss that is a module.

    Raises:
        TaskError: the batch is not a pair.
    """
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[0], batch[1]
    length = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
    raise TaskError(
        f"loss={type(loss).__name__}() needs batches that are pairs (inputs, target); "
        f"this batch is {kind_of(batch)}{length}. Write a function loss(model, batch)."
    )


def _takes_parameters(factory: Callable[..., object]) -> bool:
    function = factory.func if isinstance(factory, functools.partial) else factory
    return isinstance(function, type) and issubclass(function, torch.optim.Optimizer)


def _takes_one_argument(function: Callable[..., object]) -> bool:
    """Whether a function can be called with one argument, as far as its signature is known."""
    try:
        signature = inspect.signature(function, follow_wrapped=False)  # of the wrapper
    except (TypeError, ValueError):  # a function in C may have no signature
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_finite_above_0(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value < math.inf  # type: ignore[operator]  # it is a number by then


def _require(holds: bool, argument: str, rule: str, value: object) -> None:
    if not holds:
        refuse("Task", argument, rule, value)


def check_is_task(verb: str, task: object) -> None:
    """Refuse what is not a `Task`, such as the text that the command line takes."""
    if not isinstance(task, Task):
        read = "Load it: learnrate.load_task('my_task.py:task')." if isinstance(task, str) else ""
        refuse(verb, "task", "a learnrate.Task", task, read)


def only_optimizer(optimizers: Sequence[torch.optim.Optimizer]) -> torch.optim.Optimizer:
    """The one optimizer of a task.

    Raises:
        TaskError: there are several.
    """
    if len(optimizers) > 1:
        names = " and ".join(type(optimizer).__name__ for optimizer in optimizers)
        raise TaskError(f"this needs a task with one optimizer; this one has {names}.")
    return optimizers[0]


def needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Whether `step` must be given a function that evaluates the loss again, as for LBFGS."""
    parameter = inspect.signature(type(optimizer).step).parameters.get("closure")
    return parameter is not None and parameter.default is inspect.Parameter.empty
