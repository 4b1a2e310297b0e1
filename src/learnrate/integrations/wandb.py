"""Weights & Biases: the recorded values of a run, in one of its runs, online or offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate._errors import needing
from learnrate.integrations._named_values import named_values
from learnrate.store import Sink

if TYPE_CHECKING:
    from learnrate.watch import Observations

__all__ = ["WandbSink"]


class WandbSink(Sink):
    """Logs the recorded values of a run to a Weights & Biases run.

        run = learnrate.attach(optimizer, schedule)
        run.observers.append(WandbSink(project="mine", mode="offline"))

    The run calls it about once a second, in a thread of its own, and closes it when it ends. A
    Weights & Biases run that the sink made is finished then. Charts have `learnrate/step` on their
    horizontal axis: the own steps of Weights & Biases never go back, but a validation loss
    belongs to an earlier step.

    Args:
        run: an existing Weights & Biases run, which is not finished; by default a new one is made.
        prefix: the prefix of the names of values.
        **init: arguments of `wandb.init` for a new run.

    Raises:
        MissingExtraError: wandb is not installed.
    """

    def __init__(self, run: Any = None, *, prefix: str = "learnrate/", **init: Any) -> None:
        with needing("wandb", "wandb", "WandbSink"):
            import wandb  # noqa: PLC0415 - slow to load

        self._made_run = run is None
        self.run = wandb.init(**init) if run is None else run
        self._prefix = prefix
        self.run.define_metric(f"{prefix}*", step_metric=f"{prefix}step")

    def __call__(self, observations: Observations, /) -> None:
        """Log the values of rows."""
        for step, values in named_values(observations, self._prefix):
            self.run.log({**values, f"{self._prefix}step": step})

    def close(self) -> None:
        """Finish the Weights & Biases run if the sink made it."""
        if self._made_run:
            self.run.finish()
