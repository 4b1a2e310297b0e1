"""What is trained: model, loss, data, optimizer, validation and length."""

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

__all__ = ["Batch", "Task", "blaming", "load_object", "load_task"]

_MODEL_KEYS = ("model", "model_state_dict", "state_dict")
_OPTIMIZER_KEYS = ("optimizer", "optimizer_state_dict")
_AMP_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}

Batch = Any
"""Whatever the data yields and the loss takes: a tuple, a dict, a tensor, an object."""

Made = TypeVar("Made")

LossFunction = Callable[[nn.Module, Batch], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is trained, from what people already have.

    Args:
        model: a module, or a function that makes one. A function is called anew for each trial,
            with the generators seeded, so that each seed has its own first weights. A module is
            copied for each trial and never touched.
        loss: `loss(model, batch) -> scalar tensor`, or a criterion module such as
            `torch.nn.CrossEntropyLoss()`, which is applied as `criterion(model(inputs), target)`
            to batches that are pairs.
        data: a DataLoader, any iterable that can be iterated again, or a function of a seed that
            returns one. A pass that ends is followed by another, so a run may be of any length. A
            function is called once a pass, each time with another seed.
        optimizer: an optimizer class, a `functools.partial` of one, or a function
            `optimizer(model) -> torch.optim.Optimizer`. Rates of several parameter groups keep
            their ratio; a schedule sets the highest of them. AdamW by default.
        validate: `validate(model) -> float`, lower is better; called in evaluation mode without
            gradients. Without one, the training loss at the end of a run stands in for it.
        total_steps: how many optimizer updates a whole run has; verbs that need it can be given
            another.
        clip_norm: the gradient norm is clipped to this before each update; None is no clipping.
        accumulate: micro-batches per update; their losses are averaged.
        amp: `"bfloat16"` or `"float16"` runs the loss under `torch.autocast`, float16 with a
            gradient scaler; None is full precision.
        device: where the model is put and batches are moved; None leaves both where they are.
        name: what reports call it.

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
            "an optimizer class or a function of the model; an optimizer that exists already "
            "holds one model's parameters, so write lambda model: SGD(model.parameters(), lr=0.1)",
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
        """The length of a run: `total_steps` if given, else the task's own.

        Raises:
            ArgumentError: `total_steps` is below 1, or neither states one.
        """
        if total_steps is None and self.total_steps is None:
            raise ArgumentError(
                "total_steps: the length of a whole run must be stated, in optimizer updates; "
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
        """The reduced precision of the loss, or None."""
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
        made = self.optimizer(model.parameters() if _takes_parameters(self.optimizer) else model)
        if not isinstance(made, torch.optim.Optimizer):
            raise TaskError(
                f"optimizer(model) must return a torch.optim.Optimizer; got a {type(made).__name__}."
            )
        return made

    def starting_from(self, state: Mapping[str, Any] | str | Path) -> Task:
        """The same task from a checkpoint on: its weights, and its optimizer's state if it has one.

        Every training of it starts there. Rates keep their ratios as the optimizer factory sets
        them: what a schedule had decayed them to by then is not taken over.

        Args:
            state: a model's `state_dict`, or a mapping with one under `"model"` and perhaps its
                optimizer's under `"optimizer"` (`"model_state_dict"`, `"state_dict"` and
                `"optimizer_state_dict"` too), or the path of a file that torch saved one in.

        Raises:
            TaskError: it is no such state, or cannot be read. One that does not fit the model
                raises where a training starts.

        Examples:
            >>> import torch
            >>> task = Task(model=lambda: torch.nn.Linear(2, 1), loss=torch.nn.MSELoss(), data=[])
            >>> trained = torch.nn.Linear(2, 1)
            >>> bool((task.starting_from(trained.state_dict()).model().bias == trained.bias).all())
            True
        """
        weights, moments = _state_parts(_read_state(state))

        def model() -> nn.Module:
            made = copy.deepcopy(self.model) if isinstance(self.model, nn.Module) else self.model()
            made.load_state_dict(weights)
            return made

        def optimizer(model: nn.Module) -> torch.optim.Optimizer:
            made = self.optimizer_of(model)
            rates = [group["lr"] for group in made.param_groups]
            made.load_state_dict(copy.deepcopy(dict(moments)))
            for group, lr in zip(made.param_groups, rates, strict=True):
                group["lr"] = lr
            return made

        return replace(self, model=model, optimizer=optimizer if moments else self.optimizer)


def _read_state(state: Mapping[str, Any] | str | Path) -> Mapping[str, Any]:
    if isinstance(state, Mapping):
        return state
    try:
        read = torch.load(state, map_location="cpu", weights_only=True)
    except OSError as error:
        raise TaskError(
            f"the checkpoint {str(state)!r} cannot be read: {error.strerror}."
        ) from error
    except (RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise TaskError(
            f"{str(state)!r} is no checkpoint of tensors and plain values that torch.load reads. "
            "Save model.state_dict() and optimizer.state_dict() with torch.save."
        ) from error
    if not isinstance(read, Mapping):
        raise TaskError(f"{str(state)!r} holds a {type(read).__name__}, not a state_dict.")
    return read


def _state_parts(state: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The model's part and the optimizer's, empty without one."""
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
    made_by = factory.func if isinstance(factory, functools.partial) else factory
    return isinstance(made_by, type) and issubclass(made_by, torch.optim.Optimizer)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _require(holds: bool, argument: str, rule: str, value: object) -> None:
    if not holds:
        raise ArgumentError(f"Task({argument}=...) must be {rule}; got {value!r}.")


def load_task(spec: str) -> Task:
    """Load a task from `"path/to/file.py:name"` or `"package.module:name"`.

    `name` is a `Task`, or a function without arguments that returns one. The file's folder can be
    imported from while it loads, as when it is run as a script.

    Raises:
        TaskError: the file or module is not there or does not import, `name` is not in it, or
            what it names is not a task.
    """
    made = load_object(spec, Task, "learnrate.Task")
    return made if made.name != "task" else replace(made, name=spec)


def load_object(spec: str, kind: type[Made], called: str) -> Made:
    """Load what `"file.py:name"` or `"module:name"` names: a `kind`, or a function returning one.

    Args:
        spec: the place and the name.
        kind: what it must be.
        called: what `kind` is called in messages.

    Raises:
        TaskError: as `load_task` raises it.
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
    found = getattr(module, name)
    made = found
    if not isinstance(found, kind) and callable(found):
        with blaming(f"{spec} could not be called"):
            made = found()
    if not isinstance(made, kind):
        raise TaskError(
            f"{spec} must be a {called}, or a function without arguments returning one; "
            f"got a {type(made).__name__}."
        )
    return made


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise TaskError(f"there is no file {str(path)!r} (seen from {str(Path.cwd())!r}).")
    name = f"learnrate_task_{path.stem}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise TaskError(f"{str(path)!r} cannot be imported as Python.")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # so that what the file defines can be pickled
    sys.path.insert(0, str(path.resolve().parent))
    with blaming(f"{path} does not import"):
        found.loader.exec_module(module)
    return module


def _import_module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with blaming(f"module {name!r} does not import"):
        return importlib.import_module(name)


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """Turn an error in the user's own file into one sentence that says where it happened."""
    try:
        yield
    except LearnrateError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        if isinstance(error, SyntaxError) and error.filename:
            where = f" at {error.filename}:{error.lineno}"
        raise TaskError(f"{what}: {type(error).__name__}: {error}{where}") from error
