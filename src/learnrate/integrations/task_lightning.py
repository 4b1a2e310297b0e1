"""Lightning: a task made from a module, its data and its Trainer."""

from __future__ import annotations

import copy
import math
import warnings
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch

from learnrate._checks import kind_of
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
    """A task made from a LightningModule, for `learnrate.plan`, `find` and `sweep`.

        trainer = Trainer(max_epochs=10, gradient_clip_val=1.0)
        plan = learnrate.plan(task_of(module, datamodule, trainer=trainer))

    Trials call these methods on copies of the module: `training_step`, `configure_optimizers`,
    `validation_step`, `on_validation_epoch_start`, `on_validation_epoch_end`, and the hooks around the
    transfer of a batch. They call no other hooks. They ignore the schedulers of `configure_optimizers`,
    since trials set the rates. If one cycles the momentum, they keep the momentum of the optimizer, and
    warn. `self.trainer.estimated_stepping_batches` is that of the whole run.

    Args:
        module: the module, or a function that makes one, so that each seed has its own initial
            weights.
        data: a datamodule, or an iterable of training batches; None means the module's own
            `train_dataloader()` and `val_dataloader()`.
        trainer: sets length, accumulation, clipping by norm, precision and device; it is not
            changed. Without it: one device, no clipping, full precision, and `total_steps`.
        validation: validation batches, if `data` has none.
        monitor: name of the logged value that trials are compared by; lower is better.
        total_steps: updates of the whole run; by default the trainer's.

    Raises:
        ArgumentError: the module uses manual optimization, there is no training data, the trainer
            clips by value, or a datamodule changes batches with its own hooks.
        TaskError: in a trial, `configure_optimizers` does not return one optimizer, a step
            returns no loss, or `monitor` was not logged as a number.

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
            "task_of(module=...) must use automatic optimization; this module sets "
            "automatic_optimization=False. Use learnrate.find(step=...) with its own update."
        )
    train, held_out = _loaders(sample, data, validation)
    settings = _settings_of(trainer, train)
    length = settings.pop("steps")
    total_steps = length if total_steps is None else total_steps
    trial = _LightningTrial(total_steps, trainer)

    def model() -> LightningModule:
        trial_module = copy.deepcopy(module) if isinstance(module, LightningModule) else module()
        trial.attach_to(trial_module)
        return trial_module

    return Task(
        model=model,
        loss=_training_loss,
        data=train,
        optimizer=_optimizer_of,
        validate=None if held_out is None else _validation(held_out, monitor),
        total_steps=total_steps,
        name=type(sample).__name__,
        **settings,
    )


class _LightningTrial:
    """Takes the place of `self.trainer` in a trial, and keeps what `self.log` logs."""

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
        raise AttributeError(f"a trial has no self.trainer.{name}.")

    def attach_to(self, module: LightningModule) -> None:
        """Become the trainer of a module and of the modules in it."""
        module.trainer = self  # type: ignore[assignment]  # it takes a Trainer's place
        for part in module.modules():
            if isinstance(part, LightningModule):
                part.log, part.log_dict = self.log, self.log_dict  # type: ignore[method-assign]

    def log(self, name: str, value: Any, *args: Any, **options: Any) -> None:
        """Keep a value, without its graph; options of Lightning's `self.log` are ignored."""
        self.logged[name] = value.detach() if isinstance(value, torch.Tensor) else value

    def log_dict(self, dictionary: Any, *args: Any, **options: Any) -> None:
        """Keep several values."""
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
    """A function that returns the mean of `monitor` over examples, as Lightning computes it."""

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
                f"validation logged {names}, but not {monitor!r}. Log it with self.log, or name "
                "another value with task_of(monitor=...)."
            )
        return weighted_sum / examples

    return validate


def _number(value: Any, monitor: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TaskError(
            f"{monitor!r} must be logged as a number (lower is better); got "
            f"{kind_of(value)}. Name another value with task_of(monitor=...)."
        ) from None


def _called(step: Callable[..., Any], batch: Any, index: int = 0) -> Any:
    """Call a step with the arguments that it takes."""
    return step(batch, index) if len(signature(step).parameters) > 1 else step(batch)


def _transferred(model: Any, batch: Any) -> Any:
    """A batch on the model's device, transferred by the module's own hooks."""
    batch = model.on_before_batch_transfer(batch, 0)
    batch = model.transfer_batch_to_device(batch, model.device, 0)
    return model.on_after_batch_transfer(batch, 0)


def _optimizer_of(model: Any) -> torch.optim.Optimizer:
    """The optimizer, with the initial rates of its groups."""
    optimizer = model.configure_optimizers()
    if isinstance(optimizer, tuple) and len(optimizer) == 2 and isinstance(optimizer[0], list):
        optimizer = optimizer[0]  # optimizers, schedulers
    if isinstance(optimizer, list | tuple) and len(optimizer) == 1:
        optimizer = optimizer[0]
    if isinstance(optimizer, dict):
        optimizer = optimizer.get("optimizer")
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TaskError(
            f"configure_optimizers must return one torch.optim.Optimizer; got {kind_of(optimizer)}. "
            "A schedule of learnrate sets the rates of one optimizer."
        )
    for group in optimizer.param_groups:  # a scheduler changes the rates when it is made
        group["lr"] = group.get("initial_lr", group["lr"])
    _undo_cycle(optimizer)
    return optimizer


def _undo_cycle(optimizer: torch.optim.Optimizer) -> None:
    """Set the momentum of the optimizer again where a scheduler has begun to cycle it."""
    cycled = [group for group in optimizer.param_groups if "max_momentum" in group]
    if not cycled:
        return
    if "betas" in optimizer.defaults:
        key, momentum = "betas", optimizer.defaults["betas"]
    else:
        key, momentum = "momentum", optimizer.defaults["momentum"]
    for group in cycled:
        group[key] = momentum
    warnings.warn(
        f"the scheduler of configure_optimizers cycles the momentum; trials ignore it and keep {key}="
        f"{momentum} of the optimizer, so the best rate of the training may be another one. Make the "
        "scheduler with cycle_momentum=False, or train without it.",
        UserWarning,
        stacklevel=2,
    )


def _loaders(
    sample: LightningModule,
    data: LightningDataModule | Iterable[Any] | None,
    validation: Iterable[Any] | None,
) -> tuple[Iterable[Any], Iterable[Any] | None]:
    """The training batches, and the validation batches or None."""
    source: Any = sample if data is None else data
    if isinstance(data, LightningDataModule):
        _refuse_batch_hooks(data)
        data.prepare_data()
        data.setup("fit")
    elif data is not None:
        return data, validation
    if not _overridden(source, "train_dataloader"):
        raise ArgumentError(
            "task_of(data=...) must be a datamodule or an iterable of training batches, since the "
            "module has no train_dataloader(); got None."
        )
    if validation is None and _overridden(source, "val_dataloader"):
        validation = source.val_dataloader()
    return source.train_dataloader(), validation


def _refuse_batch_hooks(data: LightningDataModule) -> None:
    for name in _BATCH_HOOKS:
        if _overridden(data, name):
            raise ArgumentError(
                f"task_of(data=...) must not change batches; this datamodule has {name}(). "
                "Move it to the module."
            )


def _overridden(source: LightningModule | LightningDataModule, name: str) -> bool:
    base = LightningModule if isinstance(source, LightningModule) else LightningDataModule
    return getattr(type(source), name) is not getattr(base, name)


def _settings_of(trainer: Trainer | None, train: Any) -> dict[str, Any]:
    """The settings of a Trainer, as arguments of a Task; `steps` is its length."""
    if trainer is None:
        return {"steps": None}
    if trainer.gradient_clip_val and trainer.gradient_clip_algorithm == "value":
        raise ArgumentError(
            "task_of(trainer=...) must clip gradients by norm or not at all; got "
            "gradient_clip_algorithm='value'."
        )
    steps = None if trainer.max_steps is None or trainer.max_steps < 0 else trainer.max_steps
    if trainer.max_epochs is not None and trainer.max_epochs > 0 and hasattr(train, "__len__"):
        steps_per_epoch = math.ceil(len(train) / trainer.accumulate_grad_batches)
        steps_of_epochs = trainer.max_epochs * steps_per_epoch
        steps = steps_of_epochs if steps is None else min(steps, steps_of_epochs)
    return {
        "steps": steps,
        "accumulate": trainer.accumulate_grad_batches,
        "clip_norm": trainer.gradient_clip_val or None,
        "amp": _AMP.get(str(trainer.precision)),
        "device": trainer.strategy.root_device,
    }
