"""Optimizers that need no learning rate, from their authors' packages, made for a task's model.

Each keeps its defaults, except that it gets the weight decay of the task's parameter groups where it
has one.
"""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import torch

from learnrate._errors import MissingExtraError, needing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import nn

    from learnrate.task import Task

__all__ = ["TUNING_FREE", "TuningFree"]

_EXTRA = "compare"
_MOMENTUM = 0.9


@dataclass(frozen=True, kw_only=True)
class TuningFree:
    """An optimizer that, according to its authors, needs no choice of a rate.

    Attributes:
        name: what the authors call it.
        package: the distribution that has it.
        module: the module to import.
        adam: the class, for a task whose optimizer scales every weight's gradient, such as AdamW.
        sgd: the class for a task with SGD.
        shape: the shape of the schedule that the authors recommend; it is multiplied by `lr`.
        lr: the rate that the authors recommend for each class, by the class's name.
        source: where the method is published.
        settings: further arguments of a class, by its name.
        warms_up: whether the optimizer itself warms up over 5 % of the run.
        needs_loss: whether its step needs the loss.
        averages: whether it is judged by the average of its weights, as `dog` makes it.
        wraps: whether the classes are torch's own, which the module's `mechanize` wraps.
    """

    name: str
    package: str
    module: str
    adam: str
    sgd: str
    shape: str
    lr: Mapping[str, float]
    source: str
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    warms_up: bool = False
    needs_loss: bool = False
    averages: bool = False
    wraps: bool = False

    @property
    def installed_version(self) -> str | None:
        """The version of the installed package; None if it is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    def class_name(self, *, sgd: bool) -> str:
        """The class for a task with SGD, or for any other one."""
        return self.sgd if sgd else self.adam

    def make(
        self,
        model: nn.Module,
        groups: Sequence[Mapping[str, Any]] | None = None,
        *,
        sgd: bool,
        total_steps: int,
    ) -> torch.optim.Optimizer:
        """The optimizer for a model.

        Args:
            model: the model to train.
            groups: parameter groups, of which `params` and `weight_decay` are used; by default one
                group of all parameters without weight decay. Frozen parameters are left out.
            sgd: whether to take the class for a task with SGD.
            total_steps: the length of the run.

        Raises:
            MissingExtraError: the package is not installed.
        """
        name = self.class_name(sgd=sgd)
        with needing(self.module, _EXTRA, f"{self.name} in a comparison"):
            module = import_module(self.module)
        kind = self._class_of(module, name)
        settings: dict[str, Any] = {"lr": self.lr[name], **self.settings.get(name, {})}
        if self.warms_up:
            settings["warmup_steps"] = total_steps // 20
        group_keys = {"params", "weight_decay"} & {"params", *_arguments(kind)}
        parameters: Any = (
            _trained(model.parameters())
            if groups is None
            else [
                {key: group[key] for key in group_keys & group.keys()} | {"params": trained}
                for group in groups
                if (trained := _trained(group["params"]))
            ]
        )
        with contextlib.redirect_stdout(None):  # some optimizers print messages
            optimizer: torch.optim.Optimizer = kind(parameters, **settings)
        if self.averages:
            _judge_by_average(optimizer, module.PolynomialDecayAverager(model))
        return optimizer

    def _class_of(self, module: Any, name: str) -> Callable[..., torch.optim.Optimizer]:
        kind: type[torch.optim.Optimizer] = (
            module.mechanize(getattr(torch.optim, name), store_delta=True)
            if self.wraps
            else getattr(module, name)
        )
        return _with_closure(kind) if self.needs_loss else kind

    def for_task(
        self, task: Task, total_steps: int
    ) -> Callable[[nn.Module], torch.optim.Optimizer]:
        """Makes the optimizer in place of the task's own, with the same groups and weight decay.

        Args:
            task: whose optimizer is replaced.
            total_steps: the length of the run.
        """

        def optimizer(model: nn.Module) -> torch.optim.Optimizer:
            replaced = task.optimizer_of(model)
            sgd = isinstance(replaced, torch.optim.SGD)
            return self.make(model, replaced.param_groups, sgd=sgd, total_steps=total_steps)

        return optimizer


def _trained(parameters: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Those that are not frozen; not every optimizer skips what has no gradient, as DoG with weight decay."""
    return [parameter for parameter in parameters if parameter.requires_grad]


def _arguments(kind: Callable[..., object]) -> set[str]:
    return set(inspect.signature(kind).parameters)


def _with_closure(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """The class with a step that needs a closure, so that every training loop gives it the loss."""

    def step(optimizer: Any, closure: Callable[[], Any]) -> Any:
        return kind.step(optimizer, closure)

    # inspect.signature of the class must still be that of the authors' class
    return type(kind.__name__, (kind,), {"step": step})


def _judge_by_average(optimizer: torch.optim.Optimizer, averager: Any) -> None:
    """Give an optimizer the modes "train" and "eval", in which the model has the averaged weights.

    Schedule-free optimizers have these modes, and the training switches them around a validation.
    """
    is_averaged = False

    def exchange() -> None:
        pairs = zip(
            averager.base_model.state_dict().values(),
            averager.averaged_model.state_dict().values(),
            strict=True,
        )
        unique = {weight.data_ptr(): (weight, average) for weight, average in pairs}  # may be tied
        for weight, average in unique.values():
            trained = weight.clone()
            weight.copy_(average)
            average.copy_(trained)

    def switch(*, averaged: bool) -> None:
        nonlocal is_averaged
        if averaged != is_averaged:
            with torch.no_grad():
                exchange()
            is_averaged = averaged

    def add(*_: object) -> None:
        with torch.no_grad():
            averager.step()

    modes: dict[str, Callable[[], None]] = {
        "train": lambda: switch(averaged=False),
        "eval": lambda: switch(averaged=True),
    }
    vars(optimizer).update(modes)
    optimizer.register_step_post_hook(add)


_LINEAR = "warmup(5%) >> linear()"
_ALL = (
    TuningFree(
        name="Prodigy",
        package="prodigyopt",
        module="prodigyopt",
        adam="Prodigy",
        sgd="Prodigy",
        shape="linear()",
        lr={"Prodigy": 1.0},
        source="arXiv:2306.06101",
    ),
    TuningFree(
        name="D-Adaptation",
        package="dadaptation",
        module="dadaptation",
        adam="DAdaptAdam",
        sgd="DAdaptSGD",
        shape=_LINEAR,
        lr={"DAdaptAdam": 1.0, "DAdaptSGD": 1.0},
        settings={"DAdaptAdam": {"decouple": True}, "DAdaptSGD": {"momentum": _MOMENTUM}},
        source="arXiv:2301.07733",
    ),
    TuningFree(
        name="DoG",
        package="dog-optimizer",
        module="dog",
        adam="DoG",
        sgd="DoG",
        shape="constant()",
        lr={"DoG": 1.0},
        source="arXiv:2302.12022",
        averages=True,
    ),
    TuningFree(
        name="schedule-free",
        package="schedulefree",
        module="schedulefree",
        adam="AdamWScheduleFree",
        sgd="SGDScheduleFree",
        shape="constant()",
        lr={"AdamWScheduleFree": 0.0025, "SGDScheduleFree": 1.0},
        source="arXiv:2405.15682",
        warms_up=True,
    ),
    TuningFree(
        name="MoMo",
        package="momo-opt",
        module="momo",
        adam="MomoAdam",
        sgd="Momo",
        shape="constant()",
        lr={"MomoAdam": 0.01, "Momo": 1.0},
        source="arXiv:2305.07583",
        needs_loss=True,
    ),
    TuningFree(
        name="Mechanic",
        package="mechanic-pytorch",
        module="mechanic_pytorch",
        adam="AdamW",
        sgd="SGD",
        shape=_LINEAR,
        lr={"AdamW": 1.0, "SGD": 1.0},
        settings={"SGD": {"momentum": _MOMENTUM}},
        source="arXiv:2306.00144",
        wraps=True,
    ),
    TuningFree(
        name="AdamG",
        package="pytorch_optimizer",
        module="pytorch_optimizer",
        adam="AdamG",
        sgd="AdamG",
        shape="constant()",
        lr={"AdamG": 1.0},
        source="arXiv:2405.04376",
    ),
)
TUNING_FREE: dict[str, TuningFree] = {optimizer.name: optimizer for optimizer in _ALL}
"""Every optimizer that is compared, by its name."""


def missing(optimizer: TuningFree) -> MissingExtraError:
    """The error for an optimizer whose package is not installed."""
    return MissingExtraError(optimizer.package, _EXTRA, f"{optimizer.name} in a comparison")
