"""One training: a model, its optimizer and its batches, one update at a time."""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from learnrate._checks import kind_of
from learnrate._errors import TaskError
from learnrate._gradients import clip_gradients
from learnrate._group_scales import rate_ratios
from learnrate._sharded import is_sharded
from learnrate.task import as_task_error, copied_model, needs_closure, only_optimizer
from learnrate.trials._batches import Batches, kept_data_state
from learnrate.trials._distributed import ranks
from learnrate.trials._kept import kept_state, without_hooks
from learnrate.trials._random import (
    RandomState,
    derived_seed,
    kept_random_state,
    seed_everything,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from learnrate.task import Batch, Task

__all__ = ["Training", "preserved", "set_rates"]


@contextmanager
def preserved(task: Task) -> Iterator[None]:
    """Restore the generators and the data's state on leaving the block, also after an error or Ctrl-C.

    Weights and optimizers need not be restored, because trainings work on copies.
    """
    with kept_random_state(), kept_data_state(task.data):
        yield


class Training:
    """A copy of a task's model with its optimizer and its batches.

    Draws from the global generators, which it seeds; use inside `preserved(task)`, one at a time.
    If several ranks were started, for example by torchrun, they train one model together:
    gradients, losses and validation losses are averaged over the ranks.

    Args:
        task: what is trained.
        seed: of the first weights, the batches and every draw.
    """

    def __init__(self, task: Task, seed: int) -> None:
        self._task = task
        self.ranks = ranks()  # before the model is made, because it selects this rank's device
        seed_everything(seed)
        with self.ranks.together(), as_task_error("the model or its optimizer could not be made"):
            self.model = _build_model(task)
            self.optimizers = task.optimizers_of(self.model)
        self.gradient_norm: torch.Tensor | None = None  # of the last update, before clipping
        self._device = task.device if task.device is None else torch.device(task.device)
        self._device_type = next(iter(self.model.parameters())).device.type
        self.scaler = torch.amp.GradScaler(self._device_type, enabled=task.amp == "float16")
        self._ratios = rate_ratios(_groups(self.optimizers))
        self._evaluates_again = any(map(needs_closure, self.optimizers)) and task.update is None
        self._check_loop()
        self._batches = Batches(task, seed)
        self._parameters = _differentiable(self.model, self.optimizers)
        if self.ranks.size > 1:
            self.ranks.copy_from_first([*self.model.parameters(), *self.model.buffers()])
            torch.manual_seed(derived_seed(seed, 4, self.ranks.rank))  # for what the model draws
        self.model.train()
        self.set_mode("train")

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer.

        Raises:
            TaskError: there are several.
        """
        return only_optimizer(self.optimizers)

    @property
    def trained_parameters(self) -> list[torch.Tensor]:
        """The parameters that the optimizers train."""
        groups = _groups(self.optimizers)
        return [p for group in groups for p in group["params"] if p.requires_grad]

    def set_mode(self, mode: str) -> None:
        """Switch optimizers that have modes, such as schedule-free ones: "train" or "eval"."""
        for optimizer in self.optimizers:
            if hasattr(optimizer, "train") and hasattr(optimizer, "eval"):
                getattr(optimizer, mode)()

    def _check_loop(self) -> None:
        """Refuse what an update by closure, or one of the task's own, cannot do."""
        if self.ranks.size > 1 and (self._evaluates_again or self._task.update is not None):
            raise TaskError(
                "training on several ranks supports neither Task(update=...) nor an optimizer that "
                "needs a closure. Train in one process."
            )
        if not self._evaluates_again:
            return
        if len(self.optimizers) > 1 or self._task.amp == "float16":
            name = next(type(o).__name__ for o in self.optimizers if needs_closure(o))
            raise TaskError(
                f"{name}.step needs a closure, which works neither with several optimizers nor "
                "with amp='float16'. Write the update yourself, in Task(update=...)."
            )

    def update(self, lr: float | None) -> float:
        """Make one optimizer update; returns the mean loss of its micro-batches.

        Args:
            lr: the rate; None leaves the optimizers' rates as they are.
        """
        if lr is not None:
            set_rates(self.optimizers, lr, self._ratios)
        if self._task.update is not None:
            return self._own_update()
        if self._evaluates_again:
            return self._update_by_closure()
        self._zero_gradients()
        losses = self._accumulated() if self.ranks.size == 1 else [self._averaged()]
        self._clip()
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        return _mean(losses)  # read last: it waits for the device

    def _own_update(self) -> float:
        """An update that the task makes by itself."""
        assert self._task.update is not None  # noqa: S101 - checked by the caller
        optimizers = self.optimizers[0] if len(self.optimizers) == 1 else self.optimizers
        loss = self._task.update(self.model, optimizers, self.next_batch())
        return _returned_number("update(model, optimizer, batch) must return the loss", loss)

    def _update_by_closure(self) -> float:
        """An update whose optimizer evaluates the loss of its micro-batches several times."""
        batches = [self.next_batch() for _ in range(self._task.accumulate)]
        first: list[float] = []

        @torch.enable_grad()
        def closure() -> torch.Tensor:
            self._zero_gradients()
            losses = [self._add_gradient(batch) for batch in batches]
            self._clip()
            first.append(_mean(losses))
            return torch.stack(losses).mean()

        self.optimizer.step(closure)  # type: ignore[arg-type]  # torch's type wants a float
        return first[0]

    def _zero_gradients(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def _clip(self) -> None:
        if self._task.clip_norm is not None:
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
            self.gradient_norm = clip_gradients(self.model.parameters(), self._task.clip_norm)

    def validate(self) -> float | None:
        """The validation loss of the model as it is; None if the task has none."""
        self.ranks.copy_from_first(self.model.buffers())
        if self._task.validate is None:
            return None
        with (
            self.ranks.together(),
            kept_random_state(),
            torch.no_grad(),
            _evaluating(self.model),
        ):
            self.set_mode("eval")
            try:
                loss = _returned_number(
                    "Task(validate=...) must return the loss of the model",
                    self._task.validate(self.model),
                )
            finally:
                self.set_mode("train")
        return self.ranks.mean(loss)

    def _accumulated(self) -> list[torch.Tensor]:
        """The losses of the next micro-batches; adds the gradient of their mean to the parameters."""
        return [self._accumulate() for _ in range(self._task.accumulate)]

    def _averaged(self) -> torch.Tensor:
        """The mean loss of the next micro-batches, with it and the gradients averaged over ranks."""
        loss, error = 0.0, None
        try:
            loss = _mean(self._accumulated())
            _refuse_sparse(self._parameters)
        except Exception as raised:  # noqa: BLE001 - raised again when every rank knows
            error = raised
        loss = self.ranks.average_gradients(self._parameters, loss, error)
        return torch.tensor(loss, dtype=torch.float64)

    def _accumulate(self) -> torch.Tensor:
        return self._add_gradient(self.next_batch())

    def _add_gradient(self, batch: Batch) -> torch.Tensor:
        """The loss of a micro-batch; adds its share of the gradient to the parameters."""
        loss = self.loss_of(batch)
        self.scaler.scale(loss / self._task.accumulate).backward()
        return loss.detach()

    def loss(self) -> torch.Tensor:
        """The loss of the next micro-batch."""
        return self.loss_of(self.next_batch())

    def next_batch(self) -> Batch:
        """The next micro-batch, on the task's device."""
        return self._placed(next(self._batches))

    @property
    def passes(self) -> int | None:
        """Passes over the data that were begun; None in a first pass that may have no end."""
        return self._batches.passes

    def batches_ahead(self, count: int) -> list[Batch]:
        """The next `count` micro-batches, on the task's device, without consuming them."""
        return [self._placed(batch) for batch in self._batches.ahead(count)]

    @contextmanager
    def fork(self, updates: int) -> Iterator[Callable[[], None]]:
        """Train on for a moment; yields a function that goes back to the state of the beginning.

        The state is also restored on leaving, to the bit, after an error or Ctrl-C too: weights,
        buffers, optimizers, scaler, the loss module, the generators and the place in the data.
        Whoever is attached to the optimizers sees nothing of it.

        Args:
            updates: the most that are made before the state is restored.
        """
        rewind = self._batches.rewinder(updates * self._task.accumulate)
        random_state, norm = RandomState.capture(), self.gradient_norm
        outside = nn.ParameterList(_outside(self.model, self.optimizers))
        criterion = [self._task.loss] if isinstance(self._task.loss, nn.Module) else []
        with contextlib.ExitStack() as stack:
            for optimizer in self.optimizers:
                stack.enter_context(without_hooks(optimizer))
            restore_state = stack.enter_context(
                kept_state([self.model, *self.optimizers, self.scaler, outside, *criterion])
            )

            def restore() -> None:
                restore_state()
                random_state.restore()
                rewind()
                self.gradient_norm = norm

            try:
                yield restore
            finally:
                restore()

    def _placed(self, batch: Batch) -> Batch:
        return batch if self._device is None else _moved(batch, self._device)

    def loss_of(self, batch: Batch) -> torch.Tensor:
        """The loss of a micro-batch, in the task's precision."""
        with self._autocast():
            return self._task.loss_of(self.model, batch)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        reduced = self._task.amp_type
        if reduced is None:
            return contextlib.nullcontext()
        return torch.autocast(self._device_type, dtype=reduced)


def _differentiable(
    model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]
) -> list[torch.Tensor]:
    """The parameters of the model and of the optimizers that get a gradient, each once."""
    parameters = [*model.parameters()]
    for group in _groups(optimizers):
        parameters += group["params"]
    unique = {id(parameter): parameter for parameter in parameters}
    return [parameter for parameter in unique.values() if parameter.requires_grad]


def _outside(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> list[nn.Parameter]:
    """The parameters of optimizers that are not of the model."""
    inside = {id(parameter) for parameter in model.parameters()}
    parameters = {id(p): p for group in _groups(optimizers) for p in group["params"]}
    return [parameter for key, parameter in parameters.items() if key not in inside]


def _returned_number(rule: str, value: Any) -> float:
    """The number that a function of the task returned.

    Args:
        rule: what it must return, as the beginning of a sentence.
        value: what it returned.
    """
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return float(value.detach())
    if not isinstance(value, torch.Tensor | str):  # float() reads text
        with contextlib.suppress(TypeError, ValueError):
            return float(value)
    is_array = isinstance(value, torch.Tensor | np.ndarray)
    returned = f"{kind_of(value)} of shape {tuple(value.shape)}" if is_array else kind_of(value)
    raise TaskError(f"{rule} as a number or a tensor of one element; it returned {returned}.")


def _mean(losses: list[torch.Tensor]) -> float:
    return float(sum(loss.item() for loss in losses) / len(losses))


def _refuse_sparse(parameters: list[torch.Tensor]) -> None:
    gradients = (parameter.grad for parameter in parameters)
    if any(gradient is not None and gradient.is_sparse for gradient in gradients):
        raise TaskError(
            "a sparse gradient cannot be averaged over ranks: give the embedding sparse=False, "
            "or train in one process."
        )


def _groups(optimizers: Iterable[torch.optim.Optimizer]) -> list[dict[str, Any]]:
    """The parameter groups of optimizers, in order."""
    return [group for optimizer in optimizers for group in optimizer.param_groups]


def set_rates(
    optimizers: Sequence[torch.optim.Optimizer], lr: float, ratios: Sequence[float]
) -> None:
    """Set the rate of every parameter group to its ratio times `lr`.

    Args:
        optimizers: whose rates are set; a rate that is a tensor is set in place.
        lr: the rate of a group whose ratio is 1.
        ratios: one for each parameter group.
    """
    for group, ratio in zip(_groups(optimizers), ratios, strict=True):
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(lr * ratio)
        else:
            group["lr"] = lr * ratio


def _build_model(task: Task) -> nn.Module:
    model = _copied(task.model) if isinstance(task.model, nn.Module) else task.model()
    if not isinstance(model, nn.Module):
        raise TaskError(f"Task(model=...) must make a torch.nn.Module; got {kind_of(model)}.")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise TaskError(
            "the model has no trainable parameter: it has none, or all are frozen "
            "(requires_grad=False)."
        )
    if any(map(is_sharded, model.parameters())):
        raise TaskError(
            "Task(model=...) must make a model whose weights are whole on every rank; FSDP or tensor "
            "parallelism has split them. Make it without fully_shard: learnrate averages the gradients "
            "of the ranks itself. For a split model, use learnrate.find(step=...) and learnrate.attach."
        )
    return model if task.device is None else model.to(task.device)


def _copied(model: nn.Module) -> nn.Module:
    try:
        return copied_model(model)
    except Exception as error:
        raise TaskError(
            f"the model cannot be copied ({type(error).__name__}: {error}); every trial trains a "
            "copy. Give a function that makes the model instead."
        ) from error


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _moved(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return type(batch)({key: _moved(value, device) for key, value in batch.items()})
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_moved(value, device) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(_moved(value, device) for value in batch)
    return batch
