"""Keras 3: a callback that sets a schedule and records the run, on any of its backends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError, needing
from learnrate.integrations._check import length_of
from learnrate.integrations.keras import KerasSchedule, to_keras
from learnrate.schedules import schedule as read
from learnrate.store import Recorder, RunStatus, Store
from learnrate.watch import COLUMNS

with needing("keras", "keras", "learnrate.integrations.attach_keras"):
    import keras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from learnrate.schedules import Schedule

__all__ = ["KerasCallback"]


class KerasCallback(keras.callbacks.Callback):  # type: ignore[misc]  # keras leaves it untyped
    """Sets a schedule and records the run: `model.fit(..., callbacks=[KerasCallback(...)])`.

    With `schedule=None` the optimizer keeps its own rate or schedule. The callback records the
    rate, the loss of every batch, and `val_loss`. Keras shows only the running mean of the loss
    over an epoch; the losses of the last batches of a long epoch therefore have fewer digits.
    `recorder.run` is the run's id.

    Args:
        schedule: of the rate; shares of the run refer to this call of `fit`.
        store: a file or URL; None means the default store.
        name: of the run.
        sinks: receive the recorded rows, such as a `TensorBoardSink`.

    Raises:
        ArgumentError: when training begins: the model was compiled with `steps_per_execution`,
            which hides updates from callbacks; or the length of an epoch is unknown and the
            schedule has no length of its own.
    """

    def __init__(
        self,
        schedule: Schedule | str | float | None = None,
        *,
        store: str | Path | Store | None = None,
        name: str = "keras",
        sinks: Iterable[Callable[..., Any]] = (),
    ) -> None:
        super().__init__()
        self._schedule = None if schedule is None else read(schedule)
        self.schedule: Schedule | None = None
        self.recorder: Recorder | None = None
        self._store = store.url if isinstance(store, Store) else store
        self._name, self._sinks = name, tuple(sinks)
        self._step = self._epoch_batches = 0
        self._mean = 0.0

    def set_params(self, params: Any) -> None:
        """Set the optimizer's schedule before Keras compiles the training step."""
        super().set_params(params)
        model = self.model
        if getattr(model, "steps_per_execution", 1) not in {1, None}:
            raise ArgumentError(
                "KerasCallback needs compile(steps_per_execution=1), since Keras shows a "
                f"callback only one update of each execution; got {model.steps_per_execution}."
            )
        if self._schedule is not None and "epochs" in params:  # absent if Keras does not train
            model.optimizer.learning_rate = to_keras(self._schedule, self._total_steps())

    def on_train_begin(self, logs: Any = None) -> None:
        """Start recording."""
        rate = self.model.optimizer._learning_rate  # noqa: SLF001 - the public one is its value
        self.schedule = rate.schedule if isinstance(rate, KerasSchedule) else None
        self._step = self._epoch_batches = 0
        self.recorder = Recorder(
            self._store,
            name=self._name,
            total_steps=self._total_steps(),
            schedule=self.schedule,
            facts={"optimizer": type(self.model.optimizer).__name__, "model": self.model.name},
        )
        self.recorder.observers.extend(self._sinks)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start a new mean of the loss, as Keras does."""
        self._epoch_batches, self._mean = 0, 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Record the update."""
        mean = float((logs or {}).get("loss", math.nan))
        loss = mean + self._epoch_batches * (mean - self._mean)
        self._epoch_batches, self._mean = self._epoch_batches + 1, mean
        if self.schedule is not None:
            lr = self.schedule(self._step)
        else:
            lr = float(self.model.optimizer.learning_rate)
        self._add(self._step, lr=lr, loss=loss)
        self._step += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the validation loss."""
        if "val_loss" in (logs or {}):
            self._add(max(0, self._step - 1), validation=float(logs["val_loss"]))

    def on_train_end(self, logs: Any = None) -> None:
        """Record how the run ended."""
        if self.recorder is not None:
            lost = not math.isfinite(self._mean)
            self.recorder.close(RunStatus.DIVERGED if lost else RunStatus.FINISHED)

    def _add(self, step: int, **values: float) -> None:
        if self.recorder is not None:
            self.recorder.step = self._step + 1
            self.recorder.add((step, tuple(values.get(name) for name in COLUMNS), None))

    def _total_steps(self) -> int | None:
        steps, epochs = (self.params or {}).get("steps"), (self.params or {}).get("epochs")
        return length_of(self._schedule, steps * epochs if steps and epochs else None)
