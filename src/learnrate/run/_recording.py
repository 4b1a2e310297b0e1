"""Recording: what a run writes down of its updates, and how long one takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from learnrate._errors import ArgumentError
from learnrate.watch import COLUMNS

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from learnrate.run._floats import Floats
    from learnrate.run._measures import Measures
    from learnrate.run._questions import Probed
    from learnrate.run._rates import Rates
    from learnrate.store import Recorder

__all__ = ["Recording"]

_SMOOTH = 0.1  # how much the last update counts in the time an update takes


class Recording:
    """Rows of a run's updates for its recorder; without one, only measures what clipping needs.

    Args:
        recorder: writes them; None on other ranks, or where nothing is to be recorded.
        rates: tells the rates of the last update.
        measures: what updates do.
        floats: reads losses of a device later.
        every: updates from one row to the next.
        step: the first update.

    Attributes:
        begins: the first update of this stretch.
    """

    def __init__(
        self,
        recorder: Recorder | None,
        rates: Rates,
        measures: Measures,
        floats: Floats,
        *,
        every: int,
        step: int,
    ) -> None:
        self.recorder, self.begins = recorder, step
        self._rates, self._measures, self._floats, self._every = rates, measures, floats, every
        self._seconds: float | None = None  # what an update takes
        self._called: float | None = None
        self._row_time: float | None = None
        self._row_step = step - 1
        self._loss: Any = None

    @property
    def lost(self) -> bool:
        """Whether the last loss was not finite."""
        return self._loss is not None and not math.isfinite(float(self._loss))

    def go_on(self, step: int) -> None:
        """What comes is another stretch, from a step on."""
        self._row_step, self._row_time, self.begins = step - 1, None, step

    def move(self, step: int) -> bool:
        """A step is about to happen; whether that is one that was recorded, as after a rollback."""
        if self._row_step < step:
            return False
        self.go_on(step)
        return True

    def before(self, optimizer: Optimizer, step: int) -> None:
        """An update is about to be made."""
        row = self.recorder is not None and step % self._every == 0
        self._measures.before(optimizer, step, self._seconds, row=row)

    def after(self, optimizer: Optimizer, step: int) -> None:
        """It was made."""
        self._measures.after(optimizer, step, self._seconds)

    def discard(self, optimizer: Optimizer) -> None:
        """It was not made after all."""
        self._measures.discard(optimizer)

    def update(self, step: int, loss: Any, clipping: tuple[Any, Any], now: float) -> None:
        """All of an update is known: write its row, if there is to be one.

        Raises:
            ArgumentError: the loss is no number.
        """
        if self.recorder is None:
            return
        if self._called is not None:
            took = now - self._called
            known = self._seconds
            self._seconds = took if known is None else known + _SMOOTH * (took - known)
        self._called = now
        self.recorder.step = step + 1
        row = step % self._every == 0
        norm, ratio, clips = self._measures.take(*clipping, row=row)
        if not row:
            return
        if loss is not None:
            self._loss = loss = self._kept(loss)
        count = step - self._row_step
        seconds = None if self._row_time is None else (now - self._row_time) / count
        clipped = None if clips is None else clips / count
        self._row_time, self._row_step = now, step
        lr, groups = self._rates.used()
        self.recorder.add((step, (lr, loss, None, norm, ratio, clipped, seconds), groups))

    def validation(self, step: int, loss: Any) -> None:
        """Write a validation loss of the model before a step."""
        if self.recorder is not None:
            nothing = (None, None, None, None)
            row = (None, None, self._kept(loss), *nothing)
            self.recorder.add((max(step - 1, self.begins), row, None))

    def probed(self, step: int, found: Probed) -> None:
        """Write what a probe found; its time is not the updates'."""
        if self._called is not None:
            self._called += found.seconds
        if self._row_time is not None:
            self._row_time += found.seconds
        if self.recorder is None:
            return
        self.recorder.add((step, (None,) * len(COLUMNS), found.columns))
        for finding in found.findings:
            self.recorder.add_finding(finding)

    def _kept(self, loss: Any) -> Any:
        """A number, or what a device will know later."""
        if type(loss) is float:
            return loss
        if isinstance(loss, torch.Tensor) and loss.numel() == 1:
            return loss.item() if loss.device.type == "cpu" else self._floats.later(loss)
        try:
            return float(loss)
        except (TypeError, ValueError, RuntimeError):
            shown = f"shape {tuple(loss.shape)}" if hasattr(loss, "shape") else repr(loss)[:80]
            raise ArgumentError(
                f"run.step(loss=...) must be a number or a tensor of one; got {shown}. "
                "Average it, for example with .mean()."
            ) from None
