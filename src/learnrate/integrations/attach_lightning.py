"""Lightning: a callback that attaches a run to the training of a Trainer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch.nn.utils import get_total_norm

from learnrate._errors import needing
from learnrate.integrations._check import check_options, length_of, measured_outside
from learnrate.integrations._resume import load_state
from learnrate.run import Measure, Run, attach
from learnrate.store import RunStatus

with needing("lightning", "lightning", "learnrate.integrations.attach_lightning"):
    from lightning.pytorch import Callback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from learnrate.schedules import Schedule

__all__ = ["LightningCallback"]

_NORM_EVERY = 10  # updates between measured gradient norms


class LightningCallback(Callback):
    """Attaches a run: `Trainer(callbacks=[LightningCallback("3e-4 * cosine()")])`.

    It sets rates and records updates like `learnrate.attach`. A resumed training continues at the
    same step and in the same run. With `schedule=None` the rates of `configure_optimizers` stay.
    The gradient norm is measured every 10 updates. Training ends when a person or the guard stops
    the run. The attribute `run` is the run once training has started.

    With automatic optimization the recorded loss is the one that `training_step` returns. With
    manual optimization it is the sum of the losses passed to `manual_backward` since the update
    before, unless `training_step` returns one or `loss` names one.

    Args:
        schedule: as for `attach`; shares of the run refer to the Trainer's number of updates,
            unless the schedule has its own length.
        loss: name of the logged value to record as the loss, such as `"g_loss"`.
        validation: name of the logged value to record as validation loss.
        change_schedule: continue a checkpoint under this schedule, although it was saved under
            another one, for example in a longer run.
        sinks: receive the recorded rows, such as a `TensorBoardSink`.
        **options: other arguments of `attach`, such as `store`, `controllers`, `probes`.

    Raises:
        ArgumentError: `attach` does not take an option, or `measure` has a `clip_norm`: Lightning clips
            by `gradient_clip_val`.
    """

    def __init__(
        self,
        schedule: Schedule | str | float | None = None,
        *,
        loss: str | None = None,
        validation: str = "val_loss",
        change_schedule: bool = False,
        sinks: Iterable[Callable[..., Any]] = (),
        **options: Any,
    ) -> None:
        self.run: Run | None = None
        check_options("LightningCallback", options, attach)
        self._measure = measured_outside(
            "LightningCallback",
            options.pop("measure", Measure()),
            reason="a Trainer computes gradients inside the optimizer's step; set "
            "Trainer(gradient_clip_val=...) instead.",
        )
        self._schedule, self._options = schedule, options
        self._loss, self._validation, self._sinks = loss, validation, tuple(sinks)
        self._change_schedule = change_schedule
        self._state: dict[str, Any] | None = None
        self._norm: Any = None
        self._backward_loss: Any = None  # the sum since the update before; manual optimization

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach to all optimizers of the trainer, with its number of steps."""
        count = max(1, len(trainer.optimizers))  # Lightning counts the steps of every optimizer
        self._backward_loss = None
        self.run = attach(
            list(trainer.optimizers),
            self._schedule,
            **{
                "total_steps": length_of(self._schedule, _updates_of(trainer, count)),
                "step": trainer.global_step // count if self._state is None else 0,
                "model": pl_module,
                "measure": self._measure,
                **self._options,
            },
        )
        if self._state is not None:
            load_state(
                self.run,
                self._state,
                "LightningCallback",
                change_schedule=self._change_schedule,
            )
            self._state = None
        self.run.observers.extend(self._sinks)

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        """Keep the loss of a manual optimization.

        Args:
            trainer: the Trainer; not used.
            pl_module: the module in training; it knows whether its optimization is manual.
            loss: the loss that is about to be differentiated.
        """
        if not pl_module.automatic_optimization:
            loss = loss.detach().clone()
            before = self._backward_loss
            self._backward_loss = loss if before is None else before + loss

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Measure the gradient norm before clipping.

        Args:
            trainer: the Trainer; its number of updates so far decides whether to measure.
            pl_module: the module in training; not used.
            optimizer: the optimizer about to make the update; its parameters hold the gradients.
        """
        if trainer.global_step % _NORM_EVERY == 0:
            groups = optimizer.param_groups
            gradients = [weight.grad for group in groups for weight in group["params"]]
            self._norm = get_total_norm([grad for grad in gradients if grad is not None])

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the update, if the batch completed one.

        Args:
            trainer: the Trainer; it knows how many batches make an update.
            pl_module: the module in training; not used.
            outputs: what `training_step` returned: the loss, a dictionary with "loss", or None.
            batch: the batch; not used.
            batch_idx: the number of the batch in its epoch, from 0; not used.
        """
        if self.run is None:
            return
        before = self.run.next_step
        self.run.step(self._loss_of(trainer, pl_module, outputs), gradient_norm=self._norm)
        if self.run.next_step != before:
            self._norm = self._backward_loss = None
        if self.run.stopped is not None:
            trainer.should_stop = True

    def _loss_of(self, trainer: Any, pl_module: Any, outputs: Any) -> Any:
        if self._loss is not None:
            return trainer.callback_metrics.get(self._loss)
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is None:
            return self._backward_loss
        if not pl_module.automatic_optimization:
            return loss
        return loss.detach() * trainer.accumulate_grad_batches  # Lightning divided it

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Record the validation loss, except in the sanity check before training."""
        value = trainer.callback_metrics.get(self._validation)
        if self.run is not None and value is not None and not trainer.sanity_checking:
            self.run.validation(value)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """End the run as finished or diverged."""
        self._end(None)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End the run as stopped or failed.

        Args:
            trainer: the Trainer; not used.
            pl_module: the module in training; not used.
            exception: the error; a KeyboardInterrupt stops the run, any other fails it.
        """
        stopped = isinstance(exception, KeyboardInterrupt)
        self._end(RunStatus.STOPPED if stopped else RunStatus.FAILED)

    def state_dict(self) -> dict[str, Any]:
        """The state of the run, for a checkpoint."""
        return {} if self.run is None else {"run": self.run.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state of a checkpoint until training starts."""
        self._state = state_dict.get("run")

    def _end(self, status: RunStatus | None) -> None:
        if self.run is not None:
            self.run.finish(status)


def _updates_of(trainer: Any, optimizers: int) -> int | None:
    """The updates of the whole training, of which each may take a step of several optimizers."""
    batches: float = trainer.estimated_stepping_batches
    if not math.isfinite(batches) or batches < 0:
        return None
    if trainer.max_steps == -1:
        return int(batches)
    longest: int = math.ceil(trainer.max_steps / optimizers)
    return min(int(batches), longest)
