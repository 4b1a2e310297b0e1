"""Keras 3: a callback that sets a schedule and records the run, on any of its backends."""

from __future__ import annotations

import math
from contextlib import closing
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError, needing
from learnrate.edits import edit_in
from learnrate.integrations._check import bound_schedule, length_of
from learnrate.integrations._stored_edits import StoredEdits
from learnrate.integrations._watched_rows import WatchedRows
from learnrate.integrations.keras import KerasSchedule
from learnrate.schedules import schedule as read
from learnrate.steering import login
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
    rate, the loss of every update, and `val_loss`. Keras shows only the running mean of the loss
    over an epoch; the losses of the last batches of a long epoch therefore have fewer digits.
    `recorder.run` is the run's id.

    A run with a schedule is steered like any other: `learnrate steer last "scale 0.5"`, or `steer`.
    An edit changes the rates of the whole schedule, so Keras compiles its step again once.

    With `resume=True` a training that Keras continues, by `BackupAndRestore`, by `initial_epoch` or
    with an optimizer that has made updates, continues in the newest run of this name in the store, at
    the same step and with its edits. A training that starts from the beginning is a new run.

    Args:
        schedule: the schedule of the rate; shares of the run refer to this call of `fit`, from
            epoch 0 on.
        store: a file or URL; None means the default store.
        name: the name of the run.
        resume: whether a training that Keras continues is recorded in its stored run.
        change_schedule: continue the stored run under this schedule, although it has another one,
            for example in a longer run.
        sinks: receive the recorded rows, such as a `TensorBoardSink`.

    Raises:
        ArgumentError: when training begins: the model was compiled with `steps_per_execution`,
            which hides updates from callbacks; or the length of an epoch is unknown and the
            schedule has no length of its own; or the stored run has another schedule.
    """

    def __init__(
        self,
        schedule: Schedule | str | float | None = None,
        *,
        store: str | Path | Store | None = None,
        name: str = "keras",
        resume: bool = False,
        change_schedule: bool = False,
        sinks: Iterable[Callable[..., Any]] = (),
    ) -> None:
        super().__init__()
        self._schedule = None if schedule is None else read(schedule)
        self.schedule: Schedule | None = None
        self.recorder: Recorder | None = None
        self._store = store.url if isinstance(store, Store) else store
        self._name, self._sinks = name, tuple(sinks)
        self._resume, self._change_schedule = resume, change_schedule
        self._edits: StoredEdits | None = None
        self._step = self._batches = self._epoch_batches = 0
        self._iterations = 0  # of the optimizer, when this training began
        self._mean, self._losses = 0.0, list[float]()
        self._lr = math.nan
        self._row: tuple[int, dict[str, float]] | None = None  # may still get a validation loss

    def steer(self, words: str, *, author: str | None = None, reason: str = "") -> None:
        """Edit this run, as `learnrate steer` does from a shell.

        Args:
            words: the edit as text, such as "scale 0.5"; see `learnrate.edits.Edit`.
            author: who makes the edit; by default LEARNRATE_AUTHOR or the login name.
            reason: why.

        Raises:
            ArgumentError: the text is not an edit, or it does not fit, or no run is training.
            StoreError: the store cannot be written.
        """
        if self._edits is None:
            raise ArgumentError("KerasCallback.steer() needs a training run.")
        self._edits.request(edit_in(words, author=author or login(), reason=reason))
        self._apply_edits()

    def set_params(self, params: Any) -> None:
        """Set the optimizer's schedule before Keras compiles the training step.

        Raises:
            ArgumentError: Keras makes several updates in one execution, or the schedule does not fit.
        """
        super().set_params(params)
        model = self.model
        if getattr(model, "steps_per_execution", 1) not in {1, None}:
            raise ArgumentError(
                "KerasCallback needs compile(steps_per_execution=1), since Keras shows a "
                f"callback only one update of each execution; got {model.steps_per_execution}."
            )
        if self._schedule is not None and "epochs" in params:  # absent if Keras does not train
            total_steps = self._total_steps()
            call = "KerasCallback(schedule=...)"
            self.schedule = bound_schedule(call, self._schedule, total_steps)
            self._set_rates(self.schedule, self._updates)

    def on_train_begin(self, logs: Any = None) -> None:
        """Wait for the first epoch: only then has Keras restored what it continues."""
        self.recorder, self._edits, self._row = None, None, None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start a new mean of the loss, as Keras does; before the first epoch, start recording."""
        self._epoch_batches, self._mean = 0, 0.0
        if self.recorder is None:
            self._begin(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Read the rate of the update about to happen."""
        rate = self.model.optimizer._learning_rate  # noqa: SLF001 - the public one is its value
        if isinstance(rate, KerasSchedule):
            self._lr = rate.schedule(self._step)
        elif isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            # the number of updates, which jax hides within an epoch
            self._lr = float(rate(self._iterations + self._batches))
        else:
            self._lr = float(self.model.optimizer.learning_rate)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Record the update, if the batch completed one, and apply edits."""
        mean = float((logs or {}).get("loss", math.nan))
        self._losses.append(mean + self._epoch_batches * (mean - self._mean))
        self._epoch_batches, self._mean = self._epoch_batches + 1, mean
        self._batches += 1
        if (self._iterations + self._batches) % self._accumulate:
            return
        self._write_row()
        self._row = self._step, {"lr": self._lr, "loss": sum(self._losses) / len(self._losses)}
        self._losses.clear()
        self._step += 1
        if self.recorder is not None:
            self.recorder.step = self._step
        self._apply_edits()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record `val_loss` in the row of the last update of the epoch, if Keras measured it."""
        if "val_loss" in (logs or {}) and self._row is not None:
            self._row[1]["validation"] = float(logs["val_loss"])
        self._write_row()

    def on_train_end(self, logs: Any = None) -> None:
        """Write the last row and whether the run finished, was stopped or diverged."""
        self._write_row()
        if self.recorder is not None:
            status = RunStatus.FINISHED
            if self._edits is not None and self._edits.stopped is not None:
                status = RunStatus.STOPPED
            if not math.isfinite(self._mean):
                status = RunStatus.DIVERGED
            self.recorder.close(status)
        self._edits = None

    # Steps

    @property
    def _accumulate(self) -> int:
        """The batches of an update."""
        return self.model.optimizer.gradient_accumulation_steps or 1

    @property
    def _updates(self) -> int:
        """The updates that the optimizer has made, in this training or before."""
        return int(self.model.optimizer.iterations) // self._accumulate

    def _begin(self, epoch: int) -> None:
        """Start recording at the step where Keras starts, in a new run or in the stored one."""
        self._batches, self._iterations = 0, int(self.model.optimizer.iterations)
        self._step = self._first_step(epoch)
        rate = self.model.optimizer._learning_rate  # noqa: SLF001 - the public one is its value
        if self.schedule is None and isinstance(rate, KerasSchedule):
            self.schedule = rate.schedule
        is_continued = self._resume and self._step > 0
        run = self._newest_run() if is_continued else None
        recorder = Recorder(
            self._store,
            name=self._name,
            total_steps=self._total_steps(),
            schedule=self.schedule,
            facts={"optimizer": type(self.model.optimizer).__name__, "model": self.model.name},
        )
        recorder.step = self._step
        if self._step > 0:
            recorder.begin_attempt(self._step, "started" if run is None else "resumed", run)
        self.recorder = recorder
        self._edits = StoredEdits(recorder, self.schedule)
        if self.schedule is not None:
            if run is not None and recorder.run == run:
                self._take_stored(self._edits)
            self._set_rates(self._edits.edited.schedule, self._updates - self._step)
        recorder.observers.append(WatchedRows(self._edits, recorder.url))
        recorder.observers.extend(self._sinks)

    def _take_stored(self, edits: StoredEdits) -> None:
        assert self.recorder is not None  # noqa: S101 - it was made
        try:
            edits.resume(self._step, change_schedule=self._change_schedule)
        except ArgumentError:
            self.recorder.close(RunStatus.STOPPED)
            raise

    def _first_step(self, epoch: int) -> int:
        """The step at which Keras continues; 0 in a training that starts from the beginning."""
        if epoch == 0 and not self._resume:
            return 0
        per_epoch = (self.params or {}).get("steps")
        if self._updates == 0 and per_epoch:  # an optimizer that was not restored
            return int(epoch * per_epoch) // self._accumulate
        return self._updates

    def _newest_run(self) -> str | None:
        with closing(Store(self._store)) as store:
            runs = [run for run in store.runs() if run.name == self._name]
        return runs[0].id if runs else None

    def _total_steps(self) -> int | None:
        steps, epochs = (self.params or {}).get("steps"), (self.params or {}).get("epochs")
        batches = steps * epochs if steps and epochs else None
        return length_of(self._schedule, None if batches is None else batches // self._accumulate)

    # Rates and rows

    def _set_rates(self, schedule: Schedule, first: int) -> None:
        """Let the optimizer follow a schedule whose step 0 is its update `first`."""
        optimizer = self.model.optimizer
        present = optimizer._learning_rate  # noqa: SLF001 - the public one is its value
        if isinstance(present, KerasSchedule) and (
            present.schedule,
            present.first,
            present.accumulate,
        ) == (schedule, first, self._accumulate):
            return
        optimizer.learning_rate = KerasSchedule(schedule, self._accumulate, first)
        if self.model.train_function is not None:
            self.model.make_train_function(force=True)  # a compiled step has the old rates

    def _apply_edits(self) -> None:
        if self._edits is None:
            return
        if self._edits.apply(self._step) and self._edits.edited.base is not None:
            self.schedule = self._edits.edited.schedule
            present = self.model.optimizer._learning_rate  # noqa: SLF001 - see _set_rates
            self._set_rates(self.schedule, present.first)
        if self._edits.stopped is not None:
            self.model.stop_training = True

    def _write_row(self) -> None:
        if self.recorder is not None and self._row is not None:
            step, values = self._row
            self.recorder.add((step, tuple(values.get(name) for name in COLUMNS), None))
            self.recorder.show_rows_if_due(step)
        self._row = None
