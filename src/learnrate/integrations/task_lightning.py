"""Lightning: a task made from a module, its data and the Trainer that is to train it."""

from __future__ import annotations

import copy
import math
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch

from learnrate._errors import ArgumentError, TaskError, needing
from learnrate.task import Task

with needing("lightning", "lightning", "learnrate.integrations.task_lightning"):
    from lightning.pytorch import LightningDataModule, LightningModule
    from lightning.pytorch.utilities.data import extract_batch_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lightning.pytorch import Trainer

__all__ = ["task_of"]

_AMP = {"bf16-mixed": "bfloat16", "16-mixed": "float16"}
_BATCH_HOOKS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


def task_of(
    module: LightningModule | Callable[[], LightningModule],
    data: LightningDataModule | Iterable[Any] | None = None,
    *,
    trainer: Trainer | None = None,
    validation: Iterable[Any] | None = None,
    monitor: str = "val_loss",
    total_steps: int | None = None,
) -> Task:
    """A task of a LightningModule, for `learnrate.plan`, `find` and `sweep`.

        trainer = Trainer(max_epochs=10, gradient_clip_val=1.0)
        plan = learnrate.plan(task_of(module, datamodule, trainer=trainer))

    Trials call `training_step`, `configure_optimizers`, `validation_step` with its epoch's two
    hooks, and the hooks around a batch's transfer, on copies of the module. Other hooks are not
    called. Schedulers of `configure_optimizers` are left out, since trials set the rates; what it
    asks of `self.trainer`, such as `estimated_stepping_batches`, is answered for the whole run.

    Args:
        module: the module, or a function that makes one, for first weights of each seed's own.
        data: a datamodule, or what yields training batches; the module's own
            `train_dataloader()` and `val_dataloader()` if None.
        trainer: tells length, accumulation, clipping by norm, precision and device; it is not
            changed. One device, no clipping, full precision, and `steps` without it.
        validation: batches to validate with, where `data` is none that has them.
        monitor: the logged value that trials are judged by; lower is better.
        total_steps: updates of the whole run; those of the trainer by default.

    Raises:
        ArgumentError: the module optimizes by hand, there is no training data, the trainer
            clips by value, or a datamodule changes batches by hooks of its own.
        TaskError: in a trial, `configure_optimizers` gives other than one optimizer, a step gives
            no loss, or `monitor` was not logged as a number.

    Examples:
        >>> import torch, learnrate
        >>> from lightning.pytorch import LightningModule
        >>> class Line(LightningModule):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = torch.nn.Linear(3, 1)
        ...     def training_step(self, batch):
        ...         return (self.layer(batch) - batch.sum(1, keepdim=True)).square().mean()
        ...     def configure_optimizers(self):
        ...         return torch.optim.Adam(self.parameters())
        >>> task = task_of(Line(), [torch.randn(8, 3)], total_steps=50)
        >>> learnrate.train(task, 0.1, progress=False).curve.steps
        50
    """
    sample = module if isinstance(module, LightningModule) else module()
    if not sample.automatic_optimization:
        raise ArgumentError(
            "task_of(module=...) must leave optimization to Lightning; this one sets "
            "automatic_optimization=False. Write learnrate.find(step=...) around its own update."
        )
    train, held_out = _loaders(sample, data, validation)
    facts = _facts_of(trainer, train)
    length = facts.pop("steps")
    total_steps = length if total_steps is None else total_steps
    trial = _Trial(total_steps, trainer)

    def model() -> LightningModule:
        made = copy.deepcopy(module) if isinstance(module, LightningModule) else module()
        trial.take(made)
        return made

    return Task(
        model=model,
        loss=_training_loss,
        data=train,
        optimizer=_optimizer_of,
        validate=None if held_out is None else _validation(held_out, monitor),
        total_steps=total_steps,
        name=type(sample).__name__,
        **facts,
    )


class _Trial:
    """What `self.trainer` is in a trial, and where `self.log` goes."""

    def __init__(self, total_steps: int | None, trainer: Trainer | None) -> None:
        if total_steps is not None:
            self.estimated_stepping_batches = self.max_steps = total_steps
        self.accumulate_grad_batches = getattr(trainer, "accumulate_grad_batches", 1)
        self.max_epochs = getattr(trainer, "max_epochs", None)
        self.current_epoch = self.global_step = 0
        self.training, self.validating, self.sanity_checking = True, False, False
        self.logger, self.loggers = None, ()
        self.world_size, self.is_global_zero = 1, True
        self.logged: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"self.trainer.{name} is asked for, which a trial does not have.")

    def take(self, module: LightningModule) -> None:
        """Be the trainer of a module and of those in it."""
        module.trainer = self  # type: ignore[assignment]  # it stands in for one
        for part in module.modules():
            if isinstance(part, LightningModule):
                part.log, part.log_dict = self.log, self.log_dict  # type: ignore[method-assign]

    def log(self, name: str, value: Any, *args: Any, **options: Any) -> None:
        """Keep a value, without its graph; Lightning's options say where to show it."""
        self.logged[name] = value.detach() if isinstance(value, torch.Tensor) else value

    def log_dict(self, dictionary: Any, *args: Any, **options: Any) -> None:
        """Keep several."""
        for name, value in dictionary.items():
            self.log(name, value)


def _training_loss(model: Any, batch: Any) -> torch.Tensor:
    loss = _called(model.training_step, _transferred(model, batch))
    loss = loss.get("loss") if isinstance(loss, dict) else loss
    if not isinstance(loss, torch.Tensor):
        raise TaskError(
            "training_step must return the loss, or a dictionary with it under 'loss'; "
            f"got {loss!r}."
        )
    return loss


def _validation(batches: Iterable[Any], monitor: str) -> Callable[[Any], float]:
    """The mean of what is logged as `monitor`, over examples as Lightning takes it."""

    def validate(model: Any) -> float:
        trial = model.trainer
        trial.training, trial.validating, trial.logged = False, True, {}
        model.on_validation_epoch_start()
        weighted_sum, examples = 0.0, 0
        for index, batch in enumerate(batches):
            trial.logged.pop(monitor, None)
            _called(model.validation_step, _transferred(model, batch), index)
            if monitor in trial.logged:
                size = extract_batch_size(batch)
                weighted_sum += size * _number(trial.logged[monitor], monitor)
                examples += size
        trial.logged.pop(monitor, None)
        model.on_validation_epoch_end()
        trial.training, trial.validating = True, False
        if monitor in trial.logged:
            return _number(trial.logged[monitor], monitor)
        if not examples:
            names = ", ".join(sorted(trial.logged)) or "nothing"
            raise TaskError(
                f"validation logged {names}, and no {monitor!r}. Log it with self.log, or name "
                "another value with task_of(monitor=...)."
            )
        return weighted_sum / examples

    return validate


def _number(value: Any, monitor: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TaskError(
            f"{monitor!r} must be logged as a number, lower is better; got a "
            f"{type(value).__name__}. Name another value with task_of(monitor=...)."
        ) from None


def _called(step: Callable[..., Any], batch: Any, index: int = 0) -> Any:
    """A step with the arguments that it takes."""
    return step(batch, index) if len(signature(step).parameters) > 1 else step(batch)


def _transferred(model: Any, batch: Any) -> Any:
    """A batch on the model's device, by the module's own hooks."""
    batch = model.on_before_batch_transfer(batch, 0)
    batch = model.transfer_batch_to_device(batch, model.device, 0)
    return model.on_after_batch_transfer(batch, 0)


def _optimizer_of(model: Any) -> torch.optim.Optimizer:
    """The one optimizer, at the rates that its groups were built with."""
    given = model.configure_optimizers()
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], list):
        given = given[0]  # optimizers, schedulers
    if isinstance(given, list | tuple) and len(given) == 1:
        given = given[0]
    if isinstance(given, dict):
        given = given.get("optimizer")
    if not isinstance(given, torch.optim.Optimizer):
        raise TaskError(
            f"configure_optimizers must give one torch.optim.Optimizer; got {given!r}. "
            "A schedule of learnrate sets the rates of one."
        )
    for group in given.param_groups:  # a scheduler, once made, has changed them already
        group["lr"] = group.get("initial_lr", group["lr"])
    return given


def _loaders(
    sample: LightningModule,
    data: LightningDataModule | Iterable[Any] | None,
    validation: Iterable[Any] | None,
) -> tuple[Iterable[Any], Iterable[Any] | None]:
    """What to train with, and what to validate with if there is anything."""
    source: Any = sample if data is None else data
    if isinstance(data, LightningDataModule):
        _refuse_batch_hooks(data)
        data.prepare_data()
        data.setup("fit")
    elif data is not None:
        return data, validation
    if not _overridden(source, "train_dataloader"):
        raise ArgumentError(
            "task_of(data=...) must be a datamodule or yield training batches, since the module "
            "has no train_dataloader(); got None."
        )
    if validation is None and _overridden(source, "val_dataloader"):
        validation = source.val_dataloader()
    return source.train_dataloader(), validation


def _refuse_batch_hooks(data: LightningDataModule) -> None:
    for name in _BATCH_HOOKS:
        if _overridden(data, name):
            raise ArgumentError(
                f"task_of(data=...) must leave batches as they are; this datamodule has "
                f"{name}(). Move it to the module."
            )


def _overridden(source: LightningModule | LightningDataModule, name: str) -> bool:
    base = LightningModule if isinstance(source, LightningModule) else LightningDataModule
    return getattr(type(source), name) is not getattr(base, name)


def _facts_of(trainer: Trainer | None, train: Any) -> dict[str, Any]:
    """What a Trainer says, in a Task's words."""
    if trainer is None:
        return {"steps": None}
    if trainer.gradient_clip_val and trainer.gradient_clip_algorithm == "value":
        raise ArgumentError(
            "task_of(trainer=...) must clip by norm, if at all; got "
            "gradient_clip_algorithm='value'."
        )
    steps = None if trainer.max_steps is None or trainer.max_steps < 0 else trainer.max_steps
    if trainer.max_epochs is not None and trainer.max_epochs > 0 and hasattr(train, "__len__"):
        of_epoch = math.ceil(len(train) / trainer.accumulate_grad_batches)
        epochs = trainer.max_epochs * of_epoch
        steps = epochs if steps is None else min(steps, epochs)
    return {
        "steps": steps,
        "accumulate": trainer.accumulate_grad_batches,
        "clip_norm": trainer.gradient_clip_val or None,
        "amp": _AMP.get(str(trainer.precision)),
        "device": trainer.strategy.root_device,
    }
