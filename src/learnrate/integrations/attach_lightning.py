"""Lightning: a callback that attaches a run to whatever a Trainer trains."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch.nn.utils import get_total_norm

from learnrate._errors import ArgumentError, needing
from learnrate.integrations._check import length_of
from learnrate.run import Run, attach
from learnrate.store import RunStatus

with needing("lightning", "lightning", "learnrate.integrations.attach_lightning"):
    from lightning.pytorch import Callback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from learnrate.schedules import Schedule

__all__ = ["LearnrateCallback"]

_EVERY = 10  # updates from one measured gradient norm to the next


class LearnrateCallback(Callback):
    """Attaches a run: `Trainer(callbacks=[LearnrateCallback("3e-4 * cosine()")])`.

    Rates are set and updates recorded as by `learnrate.attach`, on resuming to the same step and in
    the same run. With `schedule=None` those of `configure_optimizers` stay. The gradient norm is
    measured at every tenth update. `run` is the run, from the start of training on.

    Args:
        schedule: as of `attach`; shares are of the Trainer's own number of updates, unless it has a
            length of its own.
        validation: the logged value that is recorded as validation loss.
        sinks: called with what is recorded, such as a `TensorBoardSink`.
        **options: further arguments of `attach`, such as `store`, `controllers`, `probes`.

    Raises:
        ArgumentError: `clip_norm` is given: Lightning clips by `gradient_clip_val`.
    """

    def __init__(
        self,
        schedule: Schedule | str | float | None = None,
        *,
        validation: str = "val_loss",
        sinks: Iterable[Callable[..., Any]] = (),
        **options: Any,
    ) -> None:
        if "clip_norm" in options:
            raise ArgumentError(
                "LearnrateCallback(clip_norm=...): a Trainer computes gradients inside the "
                "optimizer's step; say Trainer(gradient_clip_val=...) instead."
            )
        self.run: Run | None = None
        self._schedule, self._options = schedule, options
        self._validation, self._sinks = validation, tuple(sinks)
        self._state: dict[str, Any] | None = None
        self._norm: Any = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach."""
        updates = trainer.estimated_stepping_batches
        total_steps = int(updates) if math.isfinite(updates) else None
        self.run = attach(
            list(trainer.optimizers),
            self._schedule,
            **{
                "total_steps": length_of(self._schedule, total_steps),
                "step": trainer.global_step // max(1, len(trainer.optimizers)),
                "model": pl_module,
                "gradient_every": 0,  # they are there only once the step has begun
                **self._options,
            },
        )
        if self._state is not None:
            self.run.load_state_dict(self._state)
            self._state = None
        self.run.observers.extend(self._sinks)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Look at the gradient, before it is clipped."""
        if trainer.global_step % _EVERY == 0:
            groups = optimizer.param_groups
            held = [one.grad for group in groups for one in group["params"]]
            self._norm = get_total_norm([one for one in held if one is not None])

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the update, if the batch completed one."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is not None:
            loss = loss.detach() * trainer.accumulate_grad_batches  # which Lightning divides by
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
        """End the run."""
        self._end(None)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End the run, and say how."""
        stopped = isinstance(exception, KeyboardInterrupt)
        self._end(RunStatus.STOPPED if stopped else RunStatus.FAILED)

    def state_dict(self) -> dict[str, Any]:
        """What goes into a checkpoint."""
        return {} if self.run is None else {"run": self.run.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Taken up when training starts."""
        self._state = state_dict.get("run")

    def _end(self, status: RunStatus | None) -> None:
        if self.run is not None:
            self.run.finish(status)
