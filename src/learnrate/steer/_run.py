"""Run: one training under a schedule, its rates set and its numbers recorded."""

from __future__ import annotations

import math
import sys
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Self

import torch

from learnrate._errors import ArgumentError, ScheduleError
from learnrate.schedules import from_json
from learnrate.steer._record import whole
from learnrate.store import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from learnrate.schedules import Schedule
    from learnrate.steer._controlled import Controlled
    from learnrate.steer._controller import Change
    from learnrate.steer._floats import Floats
    from learnrate.steer._measures import Measures
    from learnrate.steer._rates import Rates
    from learnrate.store import Recorder
    from learnrate.watch import Finding, Observations

    Observer = Callable[[Observations], Iterable[Finding] | None]

__all__ = ["ATTACHED", "Run"]

ATTACHED = "_learnrate_run"  # of an optimizer: who writes its rates

_FORMAT = "learnrate.run"
_VERSION = 1
_PATIENT = 1000  # calls without an update before something must be wrong
_SMOOTH = 0.1  # how much the last update counts in the time an update takes


class Run:
    """A training in progress: what `attach` gives.

    Call `step` once after every `optimizer.step()`. Everything else happens on its own: the
    rate of the next update is set, and what the last one did is recorded.

    Attributes:
        schedule: what the rate follows; None where a torch scheduler decides.
        total: updates of the whole run, if known.
        controlled: the schedule with its controllers; None without any.
        recorder: writes to the store; None where nothing is recorded (other ranks).
        skipped: updates that were not made, as a GradScaler skips some.
    """

    def __init__(
        self,
        *,
        optimizers: Sequence[Optimizer],
        rates: Rates,
        schedule: Schedule | None,
        controlled: Controlled | None,
        recorder: Recorder | None,
        floats: Floats,
        measures: Measures,
        total: int | None,
        step: int,
        every: int,
    ) -> None:
        self.schedule, self.total = schedule, total
        self.controlled, self.recorder = controlled, recorder
        self.skipped = 0
        self._rates, self._measures, self._floats = rates, measures, floats
        self._every, self._step, self._begins = every, step, step
        self._updated, self._missed = False, 0
        self._seconds: float | None = None  # what an update takes
        self._called: float | None = None
        self._row_time: float | None = None
        self._row_step = step - 1
        self._loss: Any = None
        self._optimizers = tuple(optimizers)
        self._hooks = self._hooked()
        self._end = None if recorder is None else weakref.finalize(self, _ended, recorder, total)
        rates.turn(step)

    @property
    def id(self) -> str | None:
        """What the run is called in the store; None where it is not recorded."""
        return None if self.recorder is None else self.recorder.run

    @property
    def next_step(self) -> int:
        """The update about to happen: as many were made."""
        return self._step

    @property
    def lr(self) -> float:
        """The highest rate of the update about to happen."""
        return float(self._rates.value)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What controllers changed so far."""
        return () if self.controlled is None else self.controlled.changes

    @property
    def findings(self) -> list[Finding]:
        """What was found so far, by `observers`."""
        return [] if self.recorder is None else self.recorder.findings

    @property
    def observers(self) -> list[Observer]:
        """Who is shown the new rows, about once a second, in the recorder's thread.

        Each is called with them as `Observations` and may return findings, which are stored. What
        an observer raises is reported once and stops nothing. Where nothing is recorded, nobody
        is shown anything.
        """
        return [] if self.recorder is None else self.recorder.observers

    def step(
        self,
        loss: Any = None,
        *,
        gradient_norm: Any = None,
        clipped: Any = None,
        signals: Mapping[str, float] | None = None,
        updated: bool | None = None,
    ) -> None:
        """An update was made: set the next one's rate, and record.

        Calls without an update in between change nothing, so it may be called at every
        micro-batch, and an update that a GradScaler skips is no step.

        Args:
            loss: of the batch, a number or a tensor of one. A tensor on a device is copied there
                and read later, without waiting for it, unless controllers need it now.
            gradient_norm: before clipping, where you clip by yourself: what `clip_grad_norm_`
                gives.
            clipped: whether you clipped.
            signals: for controllers; see `measured_step`.
            updated: whether an update was made, where the optimizer cannot be asked, because its
                step is part of a captured graph.

        Raises:
            ArgumentError: the loss is no number, or the run has ended.
        """
        if not (self._updated if updated is None else updated):
            self._no_update()
            return
        now = time.perf_counter()
        step, self._updated, self._missed = self._step, False, 0
        if self.recorder is not None:
            self._record(self.recorder, step, loss, (gradient_norm, clipped), now)
        if self.controlled is not None:
            value = loss.item() if isinstance(loss, torch.Tensor) else loss
            self.controlled.observe(step, value, **(signals or {}))
        self._step = step = step + 1
        self._rates.turn(step)

    def validation(self, loss: Any) -> None:
        """Record a validation loss of the model as it is, after the last update."""
        if self.recorder is not None:
            step = max(self._step - 1, self._begins)
            nothing = (None, None, None, None)
            self.recorder.add((step, (None, None, self._kept(loss), *nothing), None))

    def finish(self, status: RunStatus | str | None = None) -> None:
        """End the run: what is left is written, the optimizers are let go.

        Args:
            status: how it ended; by default `diverged` if the last loss is not finite, else
                `finished`. Nothing is changed where the run has ended already.
        """
        for hook in self._hooks:
            hook.remove()
        for number, optimizer in enumerate(self._optimizers):
            self._rates.after(number)
            if getattr(optimizer, ATTACHED, None) is self:
                delattr(optimizer, ATTACHED)
        self._hooks = []
        if self.recorder is not None and self._end is not None and self._end.detach():
            lost = self._loss is not None and not math.isfinite(float(self._loss))
            self.recorder.close(status or (RunStatus.DIVERGED if lost else RunStatus.FINISHED))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            stopped = isinstance(error, KeyboardInterrupt)
            self.finish(RunStatus.STOPPED if stopped else RunStatus.FAILED)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on to the bit, as JSON values; see `load_state_dict`."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "run": self.id,
            "step": self._step,
            "schedule": _text(self.schedule),
            "rates": self._rates.state_dict(),
            "controlled": None if self.controlled is None else self.controlled.state_dict(),
        }

    def load_state_dict(
        self, state: dict[str, Any], *, change_schedule: bool = False, reason: str = "resumed"
    ) -> None:
        """Go on where a state was saved: the same step, rates, controllers, and run in the store.

        The rates are written at once; whether the optimizer's own state is loaded before or
        after, or at all, makes no difference to them. In the store the run goes on as one more
        attempt, which stands in place of what was recorded from this step on. A run that another
        process is still at is left to it: this one then stays a run of its own.

        Args:
            state: what `state_dict` gave.
            change_schedule: go on under the schedule this run was attached with, although the
                state was saved under another one.
            reason: what to note of the attempt.

        Raises:
            ArgumentError: it is no such state, or of another schedule or other controllers.
                Nothing is changed.
        """
        _check_state(state)
        saved, ours = state["schedule"], _text(self.schedule)
        if saved != ours and not change_schedule:
            raise ArgumentError(
                f"this state was saved under {_shown(saved)}, and the run was attached with "
                f"{_shown(ours)}. Attach with the same schedule, or say "
                "load_state_dict(state, change_schedule=True) to go on under the new one."
            )
        if (state["controlled"] is None) != (self.controlled is None):
            raise ArgumentError("this state was saved with other controllers than the run has.")
        if state["rates"] and ours is not None:
            self._rates.load_state_dict(state["rates"])
        if self.controlled is not None:
            self.controlled.load_state_dict(state["controlled"])
        self._step = self._begins = state["step"]
        self._row_step, self._row_time, self._updated = self._step - 1, None, False
        self._rates.turn(self._step)
        if self.recorder is not None:
            self.recorder.step = self._step
            other = state["run"] if state["run"] != self.id else None
            if saved != ours:
                reason = f"{reason}; before under {_shown(saved)}"
            self.recorder.go_on(self._step, reason, other)

    # In the loop

    def _hooked(self) -> list[RemovableHandle]:
        handles = []
        for number, optimizer in enumerate(self._optimizers):
            setattr(optimizer, ATTACHED, self)
            before, after = self._around(number)
            handles.append(optimizer.register_step_pre_hook(before))
            handles.append(optimizer.register_step_post_hook(after))
        return handles

    def _around(self, number: int) -> tuple[Callable[..., None], Callable[..., None]]:
        rates, measures, recording = self._rates, self._measures, self.recorder is not None

        def before(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
            rates.before(number)
            step = self._step
            row = recording and step % self._every == 0
            measures.before(optimizer, step, self._seconds, row=row)

        def after(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
            rates.after(number)
            found = getattr(optimizer, "found_inf", None)  # a GradScaler leaves it to the kernel
            if found is not None and found.item():
                measures.discard(optimizer)
                return
            measures.after(optimizer, self._step, self._seconds)
            self._updated = True

        return before, after

    def _record(
        self, recorder: Recorder, step: int, loss: Any, clipping: tuple[Any, Any], now: float
    ) -> None:
        if self._called is not None:
            took = now - self._called
            known = self._seconds
            self._seconds = took if known is None else known + _SMOOTH * (took - known)
        self._called = now
        recorder.step = step + 1
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
        recorder.add((step, (lr, loss, None, norm, ratio, clipped, seconds), groups))

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

    def _no_update(self) -> None:
        if not self._hooks:
            raise ArgumentError("run.step(): the run has ended. Attach again for another one.")
        self.skipped += 1
        self._missed += 1
        if self._missed == _PATIENT:
            warnings.warn(
                f"run.step() was called {_PATIENT} times and the optimizer made no update in "
                "between. Attach to the optimizer whose step() is called; where its step is part "
                "of a captured graph, say run.step(loss, updated=True).",
                UserWarning,
                stacklevel=3,
            )


def _text(schedule: Schedule | None) -> str | None:
    if schedule is None:
        return None
    try:
        return schedule.to_json()
    except ScheduleError:  # it holds a function
        return str(schedule)


def _shown(text: str | None) -> str:
    if text is None:
        return "a torch scheduler's rates"
    try:
        return str(from_json(text))
    except ScheduleError:
        return text


def _check_state(state: object) -> None:
    keys = {"format", "version", "run", "step", "schedule", "rates", "controlled"}
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise ArgumentError(f"load_state_dict needs what state_dict gave ('format': '{_FORMAT}').")
    if state.get("version") != _VERSION:
        raise ArgumentError(
            f"this state has version {state.get('version')!r}; this learnrate reads {_VERSION}. "
            "Install a newer one."
        )
    for key in sorted(keys ^ state.keys(), key=str):
        known = "needs" if key in keys else "has no"
        raise ArgumentError(f"the state of a run {known} the key {key!r}.")
    whole("load_state_dict", "step", state["step"], 0)


def _ended(recorder: Recorder, total: int | None) -> None:
    """The script ended, or dropped the run, without a word: say how it looks."""
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    status = RunStatus.STOPPED
    if total is None or recorder.step >= total:
        status = RunStatus.FINISHED
    if error is not None and not hasattr(sys, "ps1"):  # a prompt keeps errors that were survived
        stopped = isinstance(error, KeyboardInterrupt)
        status = RunStatus.STOPPED if stopped else RunStatus.FAILED
    recorder.close(status)
