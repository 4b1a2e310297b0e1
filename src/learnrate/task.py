"""Tasks: the model, loss, data, optimizer, validation and length of a training."""

from __future__ import annotations

import copy
import difflib
import functools
import importlib
import importlib.util
import math
import pickle
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from learnrate._errors import ArgumentError, LearnrateError, TaskError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Batch", "Task", "as_task_error", "load_object", "load_task"]

_MODEL_KEYS = ("model", "model_state_dict", "state_dict")
_OPTIMIZER_KEYS = ("optimizer", "optimizer_state_dict")
_AMP_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}

Batch = Any
"""What the data yields and the loss takes: a tuple, a dict, a tensor or any other object."""

Loaded = TypeVar("Loaded")

LossFunction = Callable[[nn.Module, Batch], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is trained.

    Args:
        model: a module, or a function that makes one. A function is called for each trial, with
            the generators seeded, so that each seed has its own initial weights. A module is
            copied for each trial and never changed.
        loss: `loss(model, batch) -> scalar tensor`, or a criterion module such as
            `torch.nn.CrossEntropyLoss()`, which is applied as `criterion(model(inputs), target)`
            to batches that are pairs.
        data: a DataLoader, any iterable that can be iterated again, or a function of a seed that
            returns one. When a pass ends, another begins, so a run may have any length. A
            function is called for each pass, each time with another seed.
        optimizer: an optimizer class, a `functools.partial` of one, or a function
            `optimizer(model) -> torch.optim.Optimizer`. The rates of several parameter groups keep
            their ratios; a schedule sets the highest of them. AdamW by default.
        validate: `validate(model) -> float`, lower is better; called in evaluation mode without
            gradients. Without it, the training loss at the end of a run is used instead.
        total_steps: how many optimizer updates a whole run has; `plan`, `sweep` and `train` can
            be given another.
        clip_norm: the gradient norm is clipped to this before each update; None clips nothing.
        accumulate: micro-batches per update; their losses are averaged.
        amp: `"bfloat16"` or `"float16"` runs the loss under `torch.autocast`, float16 with a
            gradient scaler; None is full precision.
        device: where the model and the batches are moved; None leaves both where they are.
        name: of the task, in reports.

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
    loss: nn.Module | LossFunction
    data: Iterable[Batch] | Callable[[int], Iterable[Batch]]
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW
    validate: Callable[[nn.Module], float] | None = None
    total_steps: int | None = None
    clip_norm: float | None = None
    accumulate: int = 1
    amp: str | None = None
    device: str | torch.device | None = None
    name: str = "task"

    def __post_init__(self) -> None:
        _require(callable(self.model), "model", "a module or a function making one", self.model)
        _require(
            callable(self.loss), "loss", "a criterion module or loss(model, batch)", self.loss
        )
        _require(
            callable(self.data) or isinstance(self.data, Iterable),
            "data",
            "a DataLoader, an iterable, or a function of a seed that returns one",
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
            self.total_steps is None or _whole(self.total_steps),
            "total_steps",
            "at least 1",
            self.total_steps,
        )
        _require(
            self.clip_norm is None or 0 < self.clip_norm < math.inf,
            "clip_norm",
            "a finite number above 0, or None for no clipping",
            self.clip_norm,
        )
        _require(_whole(self.accumulate), "accumulate", "at least 1", self.accumulate)
        _require(
            self.amp is None or self.amp in _AMP_TYPES,
            "amp",
            "'bfloat16', 'float16' or None",
            self.amp,
        )

    def run_length(self, total_steps: int | None = None) -> int:
        """The length of a run: `total_steps` if it is given, else that of the task.

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
        """The loss of one micro-batch."""
        if not isinstance(self.loss, nn.Module):
            return self.loss(model, batch)
        if not (isinstance(batch, tuple | list) and len(batch) == 2):
            raise TaskError(
                f"loss={type(self.loss).__name__}() needs batches that are pairs (inputs, target); "
                f"this batch is a {type(batch).__name__}. Write a function loss(model, batch)."
            )
        inputs, target = batch
        result: torch.Tensor = self.loss(model(inputs), target)
        return result

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        """A new optimizer for `model`."""
        argument = model.parameters() if _takes_parameters(self.optimizer) else model
        optimizer = self.optimizer(argument)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TaskError(
                "optimizer(model) must return a torch.optim.Optimizer; "
                f"got a {type(optimizer).__name__}."
            )
        return optimizer

    def starting_from(self, state: Mapping[str, Any] | str | Path) -> Task:
        """The same task, starting from a checkpoint.

        Every training of it starts with the checkpoint's weights, and with its optimizer state if
        it has one. The ratios of the rates are those that the optimizer factory sets; the decayed
        rates in the checkpoint are not used.

        Args:
            state: a model's `state_dict`; a mapping that has it under `"model"`,
                `"model_state_dict"` or `"state_dict"`, and optionally the optimizer's under
                `"optimizer"` or `"optimizer_state_dict"`; or the path of a file saved by
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
        weights, moments = _state_parts(_read_state(state))

        def model() -> nn.Module:
            factory = self.model
            module = copy.deepcopy(factory) if isinstance(factory, nn.Module) else factory()
            module.load_state_dict(weights)
            return module

        def optimizer(model: nn.Module) -> torch.optim.Optimizer:
            restored = self.optimizer_of(model)
            rates = [group["lr"] for group in restored.param_groups]
            restored.load_state_dict(copy.deepcopy(dict(moments)))
            for group, lr in zip(restored.param_groups, rates, strict=True):
                group["lr"] = lr
            return restored

        return replace(self, model=model, optimizer=optimizer if moments else self.optimizer)


def _read_state(state: Mapping[str, Any] | str | Path) -> Mapping[str, Any]:
    if isinstance(state, Mapping):
        return state
    try:
        content = torch.load(state, map_location="cpu", weights_only=True)
    except OSError as error:
        raise TaskError(
            f"the checkpoint {str(state)!r} cannot be read: {error.strerror}."
        ) from error
    except (RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise TaskError(
            f"{str(state)!r} is not a checkpoint of tensors and plain values. "
            "Save model.state_dict() and optimizer.state_dict() with torch.save."
        ) from error
    if not isinstance(content, Mapping):
        raise TaskError(f"{str(state)!r} has a {type(content).__name__}, not a state_dict.")
    return content


def _state_parts(state: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The model's state and the optimizer's, which may be empty."""
    weights = next((state[key] for key in _MODEL_KEYS if key in state), state)
    moments: Mapping[str, Any] = next((state[key] for key in _OPTIMIZER_KEYS if key in state), {})
    if not (
        isinstance(weights, Mapping)
        and weights
        and all(isinstance(name, str) for name in weights)
        and any(isinstance(value, torch.Tensor) for value in weights.values())
    ):
        raise TaskError(
            "starting_from(state) needs a model's state_dict, or one under 'model'; "
            f"got the keys {', '.join(map(repr, list(state)[:5])) or 'none'}."
        )
    return weights, moments


def _takes_parameters(factory: Callable[..., object]) -> bool:
    function = factory.func if isinstance(factory, functools.partial) else factory
    return isinstance(function, type) and issubclass(function, torch.optim.Optimizer)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _require(holds: bool, argument: str, rule: str, value: object) -> None:
    if not holds:
        raise ArgumentError(f"Task({argument}=...) must be {rule}; got {value!r}.")


def load_task(spec: str) -> Task:
    """Load a task from `"path/to/file.py:name"` or `"package.module:name"`.

    `name` is a `Task`, or a function without arguments that returns one. The file can import from
    its own folder, as when it is run as a script.

    Raises:
        TaskError: the file or module does not exist or does not import, it has no `name`, or
            `name` is not a task.
    """
    task = load_object(spec, Task, "learnrate.Task")
    return task if task.name != "task" else replace(task, name=spec)


def load_object(spec: str, kind: type[Loaded], kind_name: str) -> Loaded:
    """Load an object from `"file.py:name"` or `"module:name"`.

    Args:
        spec: the file or module, and the name in it: of the object, or of a function without
            arguments that returns it.
        kind: the type of the object.
        kind_name: what error messages call the type.

    Raises:
        TaskError: as for `load_task`.
    """
    place, separator, name = spec.rpartition(":")
    if not (separator and place and name.isidentifier()):
        raise TaskError(
            f"TASK must be file.py:name or module:name; got {spec!r}. "
            "Example: examples/digits.py:task"
        )
    module = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    if not hasattr(module, name):
        near = difflib.get_close_matches(name, vars(module), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise TaskError(f"{place} has no {name!r}.{hint}")
    loaded = getattr(module, name)
    if not isinstance(loaded, kind) and callable(loaded):
        with as_task_error(f"{spec} could not be called"):
            loaded = loaded()
    if not isinstance(loaded, kind):
        raise TaskError(
            f"{spec} must be a {kind_name}, or a function without arguments returning one; "
            f"got a {type(loaded).__name__}."
        )
    return loaded


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise TaskError(
            f"there is no file {str(path)!r} (the current folder is {str(Path.cwd())!r})."
        )
    name = f"learnrate_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TaskError(f"{str(path)!r} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that what the file defines can be pickled
    sys.path.insert(0, str(path.resolve().parent))
    with as_task_error(f"{path} does not import"):
        spec.loader.exec_module(module)
    return module


def _import_module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with as_task_error(f"module {name!r} does not import"):
        return importlib.import_module(name)


@contextmanager
def as_task_error(problem: str) -> Iterator[None]:
    """Turn an error in the user's code into a `TaskError` of one sentence, with its place.

    Args:
        problem: what could not be done; the message starts with it.
    """
    try:
        yield
    except LearnrateError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        if isinstance(error, SyntaxError) and error.filename:
            where = f" at {error.filename}:{error.lineno}"
        raise TaskError(f"{problem}: {type(error).__name__}: {error}{where}") from error
