"""Recording: the rows that a run writes of its updates, and the time an update takes."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

import torch

from learnrate._errors import ArgumentError
from learnrate.run._system_meter import SystemMeter
from learnrate.watch import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch.optim import Optimizer

    from learnrate.run._inspection import Inspection
    from learnrate.run._loss_graph import LossGraph
    from learnrate.run._momentum_meter import MomentumMeter
    from learnrate.run._path_meter import PathMeter
    from learnrate.run._probe_runner import ProbeAnswer
    from learnrate.run._rates import RateWriter
    from learnrate.run._update_meter import UpdateMeter
    from learnrate.store import Recorder

__all__ = ["DeviceNumbers", "Recording"]

_NOT_FINITE = 3  # losses, from which on a watcher reports it
_SMOOTHING = 0.1  # weight of the last update in the average time of an update


class DeviceNumbers:
    """Copies numbers on their device, and reads a whole column of them in another thread."""

    def __init__(self) -> None:
        self._stream: Any = None

    def copied(self, number: torch.Tensor) -> torch.Tensor:
        """A copy on the device, so that no graph is kept and no reused buffer is read."""
        if number.device.type == "cuda":
            self._stream = torch.cuda.current_stream(number.device)
        return number.detach().clone()

    def __call__(self, column: Sequence[Any]) -> list[Any]:
        """The column with floats in place of tensors."""
        numbers = list(column)
        places = [i for i, number in enumerate(numbers) if isinstance(number, torch.Tensor)]
        if places:
            device = numbers[places[0]].device
            with self._after_training():
                stacked = torch.stack([numbers[i].reshape(()).to(device) for i in places])
                stacked = stacked.double() if device.type == "cpu" else stacked.float()
                floats = stacked.tolist()
            for i, number in zip(places, floats, strict=True):
                numbers[i] = number
        return numbers

    def _after_training(self) -> contextlib.AbstractContextManager[Any]:
        """Wait for the training's work on the device, in the training's stream."""
        if self._stream is None:
            return contextlib.nullcontext()
        stream: contextlib.AbstractContextManager[Any] = torch.cuda.stream(self._stream)
        return stream


class Recording:
    """Passes rows to a run's recorder; without a recorder, measures only what clipping needs.

    Args:
        recorder: writes the rows; None on other ranks, or if nothing is recorded.
        rates: have the rates of the last update.
        meter: measures the updates.
        momentum: notices changes of the momentum.
        path: measures the path of the weights; None to leave it out.
        inspections: inspect the updates of optimizers for faults, by the ids of the optimizers.
        loss_graph: reads the graphs of the first losses; None to leave them out.
        numbers: reads losses on a device later.
        every: updates from one row to the next.
        step: the first update.

    Attributes:
        first_step: the first update of this attempt.
        is_due: whether something is measured around the update about to happen; if not, `before` and
            `after` need not be called.
    """

    def __init__(
        self,
        recorder: Recorder | None,
        rates: RateWriter,
        meter: UpdateMeter,
        numbers: DeviceNumbers,
        *,
        every: int,
        step: int,
        momentum: MomentumMeter,
        path: PathMeter | None = None,
        inspections: Mapping[int, Inspection] | None = None,
        loss_graph: LossGraph | None = None,
    ) -> None:
        self.recorder, self.first_step = recorder, step
        self.is_due, self._next_due = True, float(step)
        self._is_measured = True  # whether something was measured of the last update
        self._rates, self._meter, self._numbers, self._every = rates, meter, numbers, every
        self._path, self._momentum = path, momentum
        self._inspections = dict(inspections or {})
        self._loss_graph = loss_graph
        self._inspected: dict[str, Any] = {}
        for inspection in self._inspections.values():
            inspection.restart(step)
        self._update_seconds: float | None = None
        self._last_call: float | None = None
        self._row_time: float | None = None
        self._row_step = step - 1
        self._loss: Any = None
        self._not_finite = 0  # losses of this attempt
        self._system = SystemMeter()
        self._is_adaptive = False  # whether an optimizer estimates a rate
        self._effective_rates: dict[int, Any] = {}  # of such optimizers

    @property
    def has_diverged(self) -> bool:
        """Whether the last loss was not finite."""
        return self._loss is not None and not math.isfinite(float(self._loss))

    def begin_attempt(self, step: int) -> None:
        """Start another attempt, whose first update is `step`."""
        self.is_due, self._next_due = True, float(step)
        self._row_step, self._row_time, self.first_step = step - 1, None, step
        self._not_finite = 0
        if self._path is not None:
            self._path.restart()
        for inspection in self._inspections.values():
            inspection.restart(step)

    def set_step(self, step: int) -> bool:
        """Set the update about to happen; whether it was recorded before, as after a rollback."""
        if self._row_step < step:
            self.is_due = step >= self._next_due
            return False
        self.begin_attempt(step)
        return True

    def before(self, optimizer: Optimizer, step: int) -> None:
        """Start to measure an update: called right before it."""
        self._is_measured = True
        row = self.recorder is not None and step % self._every == 0
        if _adapts(optimizer):
            self._is_adaptive = True
            if row:
                self._effective_rates[id(optimizer)] = _effective_rate(optimizer)
        self._meter.before(optimizer, step, self._update_seconds, row=row)
        momentum = self._momentum.before(optimizer)
        if momentum:
            self._add_columns(step, momentum)
        if self._path is not None:
            columns = self._path.before(optimizer, step)
            if columns is not None:
                self._add_columns(step, columns)
        inspection = self._inspections.get(id(optimizer))
        if inspection is not None:
            self._take(inspection.before(optimizer, step))

    def after(self, optimizer: Optimizer, step: int) -> None:
        """End the measurement of an update: called right after it."""
        self._meter.after(optimizer, step, self._update_seconds)
        if self._path is not None:
            self._path.after(optimizer)
        inspection = self._inspections.get(id(optimizer))
        if inspection is not None:
            self._take(inspection.after(optimizer, step))

    def _end_measurement(self, step: int, loss: Any) -> None:
        """Record what inspections and the graph of the loss show, and plan the next measurement."""
        if self._loss_graph is not None:
            self._inspected |= self._loss_graph.look(loss)
            self._loss_graph = None if self._loss_graph.is_over else self._loss_graph
        if self._inspected:
            self._add_inspected(step, loss)
        self._is_measured = self._loss_graph is not None
        self._next_due = self._due_after(step)

    def _due_after(self, step: int) -> float:
        """The next update that something is measured of, as far as is known after an update."""
        if self._is_adaptive:
            return step + 1
        due = [self._meter.due_after(step)]
        due += [inspection.due_after(step) for inspection in self._inspections.values()]
        return min(due if self._path is None else [*due, self._path.due_after(step)])

    def discard(self, optimizer: Optimizer) -> None:
        """Called after an update that was skipped."""
        self._meter.discard(optimizer)
        if self._path is not None:
            self._path.discard()
        inspection = self._inspections.get(id(optimizer))
        if inspection is not None:
            inspection.discard()

    def _take(self, columns: Mapping[str, Any]) -> None:
        """Keep what an inspection measured; the higher of two values of several optimizers."""
        for name, value in columns.items():
            others = [self._inspected[name]] if name in self._inspected else []
            self._inspected[name] = max([value, *others])

    def close(self) -> None:
        """Remove the hooks of inspections."""
        for inspection in self._inspections.values():
            inspection.close()

    def add_update(self, step: int, loss: Any, clipping: tuple[Any, Any], now: float) -> None:
        """Record an update, if its step has a row.

        Args:
            step: the step of the update.
            loss: its loss.
            clipping: the gradient norm before the training's own clipping and whether it clipped;
                None for what is not known.
            now: `time.perf_counter()`.

        Raises:
            ArgumentError: the loss is not a number.
        """
        if self.recorder is None:
            return
        if self._last_call is not None:
            seconds, average = now - self._last_call, self._update_seconds
            self._update_seconds = (
                seconds if average is None else average + _SMOOTHING * (seconds - average)
            )
        self._last_call = now
        self.recorder.step = step + 1
        if self._is_measured:
            self._end_measurement(step, loss)
        row = step % self._every == 0
        count = step - self._row_step
        norm, ratio, clips = self._meter.take(*clipping, row=row, count=count)
        if not row:
            return
        if loss is not None:
            self._loss = loss = self._as_number(loss)
        seconds_per_update = None if self._row_time is None else (now - self._row_time) / count
        clipped = None if clips is None else clips / count
        self._row_time, self._row_step = now, step
        lr, by_group = self._rates.used()
        if self._effective_rates:
            by_group = {**(by_group or {}), **self._take_effective_rate()}
        values = (lr, loss, None, norm, ratio, clipped, seconds_per_update)
        self.recorder.add((step, values, by_group))
        if now >= self._system.due:
            self._add_columns(step, self._system.take(now))
        if type(loss) is float and not math.isfinite(loss) and self._has_just_diverged():
            self.recorder.show_rows()
        else:
            self.recorder.show_rows_if_due(step)

    def _add_inspected(self, step: int, loss: Any) -> None:
        """Record what inspections measured of an update and of its loss."""
        for inspection in self._inspections.values():
            self._inspected |= inspection.after_loss(loss)
        self._add_columns(step, self._inspected)
        self._inspected = {}

    def _has_just_diverged(self) -> bool:
        """Count a loss that is not finite; whether it is the third of this attempt."""
        self._not_finite += 1
        return self._not_finite == _NOT_FINITE

    def _take_effective_rate(self) -> dict[str, Any]:
        """The column of the rates that optimizers such as Prodigy used."""
        (first, *_) = self._effective_rates.values()
        self._effective_rates.clear()
        return {"effective_lr": first}

    def add_validation(self, step: int, loss: Any) -> None:
        """Record a validation loss of the model before a step."""
        if self.recorder is not None:
            number = self._as_number(loss, "run.validation")
            values = (None, None, number, None, None, None, None)
            self.recorder.add((max(step - 1, self.first_step), values, None))

    def add_answer(self, step: int, answer: ProbeAnswer) -> None:
        """Record the answer of a probe; its time does not count as time of an update."""
        if self._last_call is not None:
            self._last_call += answer.seconds
        if self._row_time is not None:
            self._row_time += answer.seconds
        if self.recorder is None:
            return
        self._add_columns(step, answer.columns)
        for finding in answer.findings:
            self.recorder.add_finding(finding)

    def _add_columns(self, step: int, columns: Mapping[str, float]) -> None:
        """Record measurements that are not columns of every row."""
        if self.recorder is not None:
            self.recorder.add((step, (None,) * len(COLUMNS), columns))

    def _as_number(self, loss: Any, call: str = "run.step") -> Any:
        """A float, or a copy on the device that is read later."""
        if type(loss) is float:
            return loss
        try:
            if isinstance(loss, torch.Tensor):
                is_here = loss.is_cpu or loss.numel() != 1
                return loss.item() if is_here else self._numbers.copied(loss)
            return float(loss)
        except (TypeError, ValueError, RuntimeError):
            shown = f"shape {tuple(loss.shape)}" if hasattr(loss, "shape") else repr(loss)[:80]
            raise ArgumentError(
                f"{call}(loss=...) must be a number or a tensor of one element; got {shown}. "
                "Average it, for example with .mean()."
            ) from None


def _adapts(optimizer: Optimizer) -> bool:
    """Whether an optimizer multiplies its rate by an estimate, as Prodigy and D-Adaptation do."""
    group = optimizer.param_groups[0]
    return "d" in group and "growth_rate" in group


def _effective_rate(optimizer: Optimizer) -> Any:
    """The rate that such an optimizer uses in its update: the rate times the estimate."""
    return max(group["lr"] for group in optimizer.param_groups) * optimizer.param_groups[0]["d"]
