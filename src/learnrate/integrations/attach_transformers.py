"""transformers: a callback that attaches a run to whatever its Trainer trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError, needing
from learnrate.integrations._check import length_of
from learnrate.run import Run, attach
from learnrate.watch import COLUMNS

with needing("transformers", "transformers", "learnrate.integrations.attach_transformers"):
    from transformers import TrainerCallback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from learnrate.schedules import Schedule

__all__ = ["LearnrateCallback"]

_LOGGED = {"loss": "loss", "grad_norm": "gradient_norm"}


class LearnrateCallback(TrainerCallback):
    """Attaches a run: `Trainer(..., callbacks=[LearnrateCallback("3e-4 * cosine()")])`.

    Rates are set and updates recorded as by `learnrate.attach`. With `schedule=None` those of the
    Trainer's own scheduler stay; with one, the Trainer's logs go on showing its own. A Trainer
    tells its callbacks the loss only where it logs, as an average since the log before: say
    `logging_steps=1` for every update's. `run` is the run, from the start of training on.

    Args:
        schedule: as of `attach`; shares are of the Trainer's own number of updates, unless it has a
            length of its own.
        sinks: called with what is recorded, such as a `TensorBoardSink`.
        **options: further arguments of `attach`, such as `store`, `probes`.

    Raises:
        ArgumentError: `clip_norm` is given: the Trainer clips by `max_grad_norm`.
    """

    def __init__(
        self,
        schedule: Schedule | str | float | None = None,
        *,
        sinks: Iterable[Callable[..., Any]] = (),
        **options: Any,
    ) -> None:
        if "clip_norm" in options:
            raise ArgumentError(
                "LearnrateCallback(clip_norm=...): say TrainingArguments(max_grad_norm=...)."
            )
        self.run: Run | None = None
        self._schedule, self._options, self._sinks = schedule, options, tuple(sinks)

    def on_train_begin(self, args: Any, state: Any, control: Any, **held: Any) -> None:
        """Attach."""
        self.run = attach(
            held["optimizer"],
            self._schedule,
            **{
                "total_steps": length_of(self._schedule, state.max_steps),
                "step": state.global_step,
                "model": held["model"],
                "gradient_every": 0,  # the Trainer has clipped it by then
                **self._options,
            },
        )
        self.run.observers.extend(self._sinks)

    def on_step_end(self, args: Any, state: Any, control: Any, **held: Any) -> None:
        """Record the update."""
        if self.run is not None:
            self.run.step()

    def on_log(self, args: Any, state: Any, control: Any, **held: Any) -> None:
        """Record what the Trainer logs of the last updates."""
        logs = held.get("logs") or {}
        found = {ours: logs[theirs] for theirs, ours in _LOGGED.items() if theirs in logs}
        run = self.run
        if run is not None and run.recorder is not None and found and run.next_step > 0:
            values = tuple(found.get(name) for name in COLUMNS)
            run.recorder.add((run.next_step - 1, values, None))

    def on_evaluate(self, args: Any, state: Any, control: Any, **held: Any) -> None:
        """Record the validation loss."""
        value = (held.get("metrics") or {}).get("eval_loss")
        if self.run is not None and value is not None:
            self.run.validation(value)

    def on_train_end(self, args: Any, state: Any, control: Any, **held: Any) -> None:
        """End the run."""
        if self.run is not None:
            self.run.finish()
