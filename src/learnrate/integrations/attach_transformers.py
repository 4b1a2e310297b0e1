"""transformers: a callback that attaches a run to the training of a Trainer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnrate._errors import needing
from learnrate.integrations._check import check_options, length_of, measured_outside
from learnrate.integrations._resume import load_state
from learnrate.run import Measure, Run, attach
from learnrate.store import RunStatus
from learnrate.watch import COLUMNS

with needing("transformers", "transformers", "learnrate.integrations.attach_transformers"):
    from transformers import TrainerCallback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from learnrate.schedules import Schedule

__all__ = ["TransformersCallback"]

_KEY = "learnrate"  # of the run's state among the states of callbacks in trainer_state.json
_COLUMN_OF_LOG = {"loss": "loss", "grad_norm": "gradient_norm"}


class TransformersCallback(TrainerCallback):
    """Attaches a run: `Trainer(..., callbacks=[TransformersCallback("3e-4 * cosine()")])`.

    It sets rates and records updates like `learnrate.attach`. With `schedule=None` the rates of
    the Trainer's own scheduler stay. With a schedule, the Trainer's logs still show the rates of
    its own scheduler. A Trainer passes the loss to callbacks only when it logs, as the mean since
    the last log; set `logging_steps=1` to record the loss of every update. The attribute `run` is
    the run once training has started.

    Args:
        schedule: as for `attach`; shares of the run refer to the Trainer's number of updates,
            unless the schedule has its own length.
        sinks: receive the recorded rows, such as a `TensorBoardSink`.
        **options: other arguments of `attach`, such as `store`, `probes`.

    Raises:
        ArgumentError: `attach` does not take an option, or `measure` has a `clip_norm`; the Trainer clips by `max_grad_norm`.
    """

    def __init__(
        self,
        schedule: Schedule | str | float | None = None,
        *,
        change_schedule: bool = False,
        sinks: Iterable[Callable[..., Any]] = (),
        **options: Any,
    ) -> None:
        self.run: Run | None = None
        check_options("TransformersCallback", options, attach)
        self._measure = measured_outside(
            "TransformersCallback",
            options.pop("measure", Measure()),
            reason="the Trainer clips gradients itself, before the step; set "
            "TrainingArguments(max_grad_norm=...) instead.",
        )
        self._change_schedule = change_schedule
        self._schedule, self._options, self._sinks = schedule, options, tuple(sinks)

    def on_train_begin(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Attach the run.

        Args:
            args: the Trainer's arguments; not used.
            state: the Trainer's state; it holds the numbers of updates made and planned.
            control: the Trainer's flags, such as whether to stop; not used.
            **objects: other objects that the Trainer passes; `optimizer` and `model` are used.
        """
        if self.run is not None:
            self.run.finish(RunStatus.STOPPED)  # no effect, unless an error ended that training
        saved = _saved_run(state)
        self.run = attach(
            objects["optimizer"],
            self._schedule,
            **{
                "total_steps": length_of(self._schedule, state.max_steps),
                "step": state.global_step if saved is None else 0,
                "model": objects["model"],
                "measure": self._measure,
                **self._options,
            },
        )
        if saved is not None:
            load_state(
                self.run,
                saved,
                "TransformersCallback",
                change_schedule=self._change_schedule,
            )
        self.run.observers.extend(self._sinks)

    def on_step_end(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Record the update, and keep the state of the run for a checkpoint.

        Args:
            args: the Trainer's arguments; not used.
            state: the Trainer's state; it receives the state of the run.
            control: the Trainer's flags, such as whether to save or to stop.
            **objects: other objects that the Trainer passes; not used.
        """
        if self.run is None:
            return
        self.run.step()
        if self.run.stopped is not None:
            control.should_training_stop = True
        if control.should_save:
            self._keep_state(state)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Keep the state of the run for a checkpoint at the end of an epoch.

        Args:
            args: the Trainer's arguments; not used.
            state: the Trainer's state; it receives the state of the run.
            control: the Trainer's flags, such as whether to save.
            **objects: other objects that the Trainer passes; not used.
        """
        if control.should_save:
            self._keep_state(state)

    def on_save(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Add the state of the run to a checkpoint that another callback asked for.

        Args:
            args: the Trainer's arguments; they know the folder of checkpoints.
            state: the Trainer's state; it receives the state of the run.
            control: the Trainer's flags; not used.
            **objects: other objects that the Trainer passes; not used.
        """
        if self.run is None or _saved_run(state) is not None:
            return
        self._keep_state(state)
        file = Path(args.output_dir) / f"checkpoint-{state.global_step}" / "trainer_state.json"
        if state.is_world_process_zero and file.exists():
            state.save_to_json(str(file))

    def _keep_state(self, state: Any) -> None:
        """Put the state of the run into the state that the Trainer saves."""
        if self.run is not None:
            document = {"args": {}, "attributes": {"run": self.run.state_dict()}}
            state.stateful_callbacks[_KEY] = document

    def on_log(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Record the loss and gradient norm that the Trainer logs.

        Args:
            args: the Trainer's arguments; not used.
            state: the Trainer's state; not used.
            control: the Trainer's flags, such as whether to stop; not used.
            **objects: other objects that the Trainer passes; `logs` is used.
        """
        logs = objects.get("logs") or {}
        values = {column: logs[name] for name, column in _COLUMN_OF_LOG.items() if name in logs}
        run = self.run
        if run is not None and run.recorder is not None and values and run.next_step > 0:
            row = tuple(values.get(name) for name in COLUMNS)
            run.recorder.add((run.next_step - 1, row, None))

    def on_evaluate(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Record the validation loss.

        Args:
            args: the Trainer's arguments; not used.
            state: the Trainer's state; not used.
            control: the Trainer's flags, such as whether to stop; not used.
            **objects: other objects that the Trainer passes; `metrics` is used.
        """
        value = (objects.get("metrics") or {}).get("eval_loss")
        if self.run is not None and value is not None:
            self.run.validation(value)

    def on_train_end(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """End the run as finished or diverged.

        Args:
            args: the Trainer's arguments; not used.
            state: the Trainer's state; not used.
            control: the Trainer's flags, such as whether to stop; not used.
            **objects: other objects that the Trainer passes; not used.
        """
        if self.run is not None:
            self.run.finish()


def _saved_run(state: Any) -> dict[str, Any] | None:
    """The state of the run in the Trainer's state, if it belongs to the Trainer's step."""
    document = (state.stateful_callbacks or {}).get(_KEY)
    if document is None:
        return None
    saved: dict[str, Any] = document["attributes"]["run"]
    return saved if saved["step"] == state.global_step else None
