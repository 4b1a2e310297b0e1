"""Lightning: a callback that attaches a run to the training of a Trainer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch.nn.utils import get_total_norm

from learnrate._errors import ArgumentError, needing
from learnrate.integrations._check import length_of
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
    The gradient norm is measured every 10 updates. The attribute `run` is the run once training
    has started.

    Args:
        schedule: as for `attach`; shares of the run refer to the Trainer's number of updates,
            unless the schedule has its own length.
        validation: name of the logged value to record as validation loss.
        sinks: receive the recorded rows, such as a `TensorBoardSink`.
        **options: other arguments of `attach`, such as `store`, `controllers`, `probes`.

    Raises:
        ArgumentError: `measure` has a `clip_norm`: Lightning clips by `gradient_clip_val`.
    """

    def __init__(
        self,
        schedule: Schedule | str | float | None = None,
        *,
        validation: str = "val_loss",
        sinks: Iterable[Callable[..., Any]] = (),
        **options: Any,
    ) -> None:
        measure = options.pop("measure", Measure())
        if measure.clip_norm is not None:
            raise ArgumentError(
                "LightningCallback(measure=Measure(clip_norm=...)) is not possible, because a Trainer computes "
                "gradients inside the optimizer's step; set Trainer(gradient_clip_val=...) instead."
            )
        if measure.gradient_every is None:
            measure = replace(measure, gradient_every=0)  # gradients exist only inside the step
        self.run: Run | None = None
        self._measure = measure
        self._schedule, self._options = schedule, options
        self._validation, self._sinks = validation, tuple(sinks)
        self._state: dict[str, Any] | None = None
        self._norm: Any = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach the run."""
        updates = trainer.estimated_stepping_batches
        total_steps = int(updates) if math.isfinite(updates) else None
        self.run = attach(
            list(trainer.optimizers),
            self._schedule,
            **{
                "total_steps": length_of(self._schedule, total_steps),
                "step": trainer.global_step // max(1, len(trainer.optimizers)),
                "model": pl_module,
                "measure": self._measure,
                **self._options,
            },
        )
        if self._state is not None:
            self.run.load_state_dict(self._state)
            self._state = None
        self.run.observers.extend(self._sinks)

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
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is not None:
            loss = loss.detach() * trainer.accumulate_grad_batches  # Lightning divided it
        if self.run is not None:
            before = self.run.next_step
            self.run.step(loss, gradient_norm=self._norm)
            if self.run.next_step > before:
                self._norm = None

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Record the validation loss."""
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
