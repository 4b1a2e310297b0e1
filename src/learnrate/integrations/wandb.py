"""Weights & Biases: what a run records, in one of its runs, online or offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate._errors import needing
from learnrate.integrations._rows import rows

if TYPE_CHECKING:
    from learnrate.watch import Observations

__all__ = ["WandbSink"]


class WandbSink:
    """Logs what a run records into a Weights & Biases run.

        run = learnrate.attach(optimizer, schedule)
        run.observers.append(WandbSink(project="mine", mode="offline"))

    It is called in the run's own thread, about once a second, and closed when the run ends: a run
    that it has made is then finished. Values stand over `learnrate/step`, since Weights & Biases
    counts its own steps, which only go up, while a validation loss belongs to an earlier one.

    Args:
        run: a run that exists already; by default one is made.
        prefix: before the names of values.
        **init: arguments of `wandb.init` for a new one.

    Raises:
        MissingExtraError: wandb is not installed.
    """

    def __init__(self, run: Any = None, *, prefix: str = "learnrate/", **init: Any) -> None:
        with needing("wandb", "wandb", "WandbSink"):
            import wandb  # noqa: PLC0415 - slow to load

        self._ours = run is None
        self.run = wandb.init(**init) if run is None else run
        self._prefix = prefix
        self.run.define_metric(f"{prefix}*", step_metric=f"{prefix}step")

    def __call__(self, seen: Observations, /) -> None:
        """Log rows."""
        for step, values in rows(seen, self._prefix):
            self.run.log({**values, f"{self._prefix}step": step})

    def close(self) -> None:
        """Finish the run, if it was made here."""
        if self._ours:
            self.run.finish()
