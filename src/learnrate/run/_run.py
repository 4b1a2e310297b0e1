"""Run: one training under a schedule; its rates are set and its updates are recorded."""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Self

import torch

from learnrate._errors import ArgumentError
from learnrate._ranks import rank_and_size
from learnrate.edits import edit_in
from learnrate.run._ending import checked_status, close_abandoned, status_of
from learnrate.run._live_watch import live_watch_of
from learnrate.run._resuming import Resuming
from learnrate.run._unseen_updates import UnseenUpdates
from learnrate.run._update_hooks import UpdateHooks
from learnrate.steering import login
from learnrate.store import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from torch.optim import Optimizer

    from learnrate.controllers import Controlled, RateChange
    from learnrate.edits import Edited
    from learnrate.run._live_edits import LiveEdits
    from learnrate.run._probe_runner import ProbeRunner
    from learnrate.run._rates import RateWriter
    from learnrate.run._recording import Recording
    from learnrate.run._signals import SignalMeter
    from learnrate.schedules import Schedule
    from learnrate.watch import Finding, Observations

    Observer = Callable[[Observations], Iterable[Finding] | None]

__all__ = ["Run"]


class Run:
    """A training in progress, as `attach` returns it.

    Call `step` once after every `optimizer.step()`. It sets the rate of the next update and
    records the last one.

    Attributes:
        schedule: the planned schedule; None if an external scheduler sets the rates.
        controlled: the schedule with its controllers; None without controllers.
        recorder: writes to the store; None if nothing is recorded, as on ranks other than the
            first.
        skipped: calls of `step` without an update, such as those that a GradScaler skipped.
    """

    def __init__(
        self,
        *,
        optimizers: Sequence[Optimizer],
        rates: RateWriter,
        schedule: Schedule | None,
        controlled: Controlled | None,
        recording: Recording,
        edits: LiveEdits,
        step: int,
        probe_runner: ProbeRunner | None = None,
        signals: SignalMeter | None = None,
    ) -> None:
        self.schedule = schedule
        self.controlled, self.recorder = controlled, recording.recorder
        self.skipped = 0
        self._rates, self._recording, self._probe_runner = rates, recording, probe_runner
        self._signals = signals
        self._edits, self._thread = edits, threading.get_ident()
        self._step = step
        self._unseen_updates = UnseenUpdates(optimizers)
        self._resuming = Resuming(schedule, controlled, rates, recording, edits)
        self._hooks = UpdateHooks(
            self,
            optimizers,
            rates=rates,
            recording=recording,
            signals=signals,
            next_step=lambda: self._step,
        )
        self._finalizer = (
            None
            if self.recorder is None
            else weakref.finalize(
                self, close_abandoned, self.recorder, edits.ending, edits.agreement
            )
        )
        rates.set_step(step)
        self._set_step(edits.advance(step, None))

    def __repr__(self) -> str:
        total = "" if self.total_steps is None else f" of {self.total_steps}"
        return f"<Run {self.id or 'not recorded'}: step {self.next_step}{total}, lr {self.lr:g}>"

    @property
    def id(self) -> str | None:
        """The id of the run in the store; None if it is not recorded."""
        return None if self.recorder is None else self.recorder.run

    @property
    def next_step(self) -> int:
        """0-based index of the update about to happen, which is the number of updates made."""
        return self._step

    @property
    def total_steps(self) -> int | None:
        """Updates of the whole run as edited, if known."""
        return self._edits.ending.total_steps

    @property
    def edited(self) -> Edited:
        """The schedule with the edits that took effect; see `run.edited.schedule`."""
        return self._edits.edited

    @property
    def stopped(self) -> str | None:
        """Why the run should end early: a person or the guard stopped it; None if it goes on."""
        return self._edits.ending.stopped

    @property
    def gave_up(self) -> bool:
        """Whether the guard stopped the run."""
        return self._edits.ending.gave_up

    @property
    def done(self) -> bool:
        """Whether the loop should end: all updates are made, or the run was stopped."""
        return self._edits.ending.is_reached(self._step)

    @property
    def snapshots(self) -> list[int]:
        """The steps that a rollback can go back to."""
        return self._edits.snapshots.steps

    @property
    def lr(self) -> float:
        """The highest rate of the update about to happen."""
        return float(self._rates.highest)

    @property
    def changes(self) -> tuple[RateChange, ...]:
        """The changes that controllers made so far."""
        return () if self.controlled is None else self.controlled.changes

    @property
    def not_judged(self) -> str:
        """A line on what could not be judged about the rate, and why; empty before `finish`."""
        watch = live_watch_of(self.recorder)
        return "" if watch is None else watch.not_judged

    @property
    def not_trained(self) -> str:
        """A line on the parts of the model that the run does not train; empty before the first rows."""
        watch = live_watch_of(self.recorder)
        return "" if watch is None else watch.not_trained

    @property
    def findings(self) -> list[Finding]:
        """The findings of `observers` so far."""
        return [] if self.recorder is None else self.recorder.findings

    @property
    def observers(self) -> list[Observer]:
        """Functions that are called with new rows in the recorder's thread, about once a second.

        The first rows of a run come sooner: as soon as there are eight new rows, and a quarter as many
        as before, while the observers take at most half a percent of the run's time plus 20 ms.

        An observer takes the rows as `Observations` and may return findings, which are stored. Its
        method `finish`, if it has one, is called at the end of the run and may return more
        findings; then its method `close`, if it has one. An error in an observer is reported once
        and does not stop the run. If nothing is recorded, observers are not called.
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
        """Record the update that was made, and set the rate of the next one.

        Calls without an update in between change nothing, so `step` may be called after every
        micro-batch, and an update that a GradScaler skips does not count.

        Args:
            loss: the loss of the batch, a number or a tensor of one element. A tensor on a
                device is copied on the device and read later without waiting, unless controllers
                or a guard need it now.
            gradient_norm: the norm before clipping, if you clip the gradient yourself: the result
                of `clip_grad_norm_`.
            clipped: whether the gradient was clipped, if you clip it yourself.
            signals: for controllers, besides those that the run measures for them. If parameters are
                split over processes, the run measures none; see `measured_step`.
            updated: whether an update was made; only needed where the run cannot see it, because
                `optimizer.step()` is part of a captured graph or your own code makes the update.

        Raises:
            ArgumentError: the loss is not a number, or the run has ended.
        """
        if not (self._hooks.updated if updated is None else updated):
            self._count_skipped()
            return
        now = time.perf_counter()
        if self.skipped:
            self._unseen_updates.restart()
        if not self._hooks.updated:
            self._rates.note_unseen()
        step, self._hooks.updated = self._step, False
        self._recording.add_update(step, loss, (gradient_norm, clipped), now)
        number = None
        if self.controlled is not None or self._edits.needs_loss:
            number = loss.item() if isinstance(loss, torch.Tensor) else loss
        if self.controlled is not None and not self.edited.is_held:
            signals = {**self._measured_signals(gradient_norm), **(signals or {})}
            for change in self.controlled.observe(step, number, **signals):
                self._edits.add_change(
                    step + 1, change.before, change.after, change.controller, change.reason
                )
        self._set_step(self._edits.advance(step + 1, number))
        if self._probe_runner is not None and not self.done:
            self._follow_probe(self._probe_runner.run_due(self._step))

    def _follow_probe(self, change: tuple[float, str] | None) -> None:
        """Change the rate as branches suggest, unless a person holds it or the limits forbid it."""
        if change is not None and not self.edited.is_held:
            with contextlib.suppress(ArgumentError):
                self.steer(f"scale {change[0]:g}", author="plan", reason=change[1])

    def _measured_signals(self, gradient_norm: Any) -> dict[str, float]:
        return {} if self._signals is None else self._signals.take(gradient_norm)

    def _set_step(self, step: int) -> None:
        if self._recording.set_step(step):  # a rollback
            self._hooks.updated = False
        self._step = step
        self._rates.set_step(step)

    def steer(
        self,
        words: str,
        *,
        group: int | None = None,
        author: str | None = None,
        reason: str = "",
    ) -> None:
        """Edit this run, as `learnrate steer` does from a shell.

            run.steer("scale 0.5", reason="the loss is flat")

        The edit is stored first, and takes effect before the next update. With several ranks only
        the call on the first rank counts, and all ranks apply the edit.

        Args:
            words: the edit as text; see `learnrate.edits.Edit`.
            group: index of the parameter group; None for all groups.
            author: who makes the edit; by default LEARNRATE_AUTHOR or the login name.
            reason: why.

        Raises:
            ArgumentError: the text is not an edit, or the edit does not fit, or the run's limits
                forbid it, or the run has ended.
            StoreError: the store cannot be written.
        """
        edit = edit_in(words, group=group, author=author or login(), reason=reason)
        if rank_and_size()[0] > 0:
            return
        if not self._hooks.active:
            raise ArgumentError("run.steer(): the run has ended.")
        mailbox = self._edits.mailbox
        if mailbox is None:
            self._edits.check(edit, self._step)
            self._edits.enqueue(edit)
        else:
            mailbox.request(edit)
        if threading.get_ident() == self._thread:  # in the training's own loop: apply it now
            self._set_step(self._edits.advance(self._step, None))

    def validation(self, loss: Any) -> None:
        """Record a validation loss of the model after the last update."""
        self._recording.add_validation(self._step, loss)

    def finish(self, status: RunStatus | str | None = None) -> None:
        """End the run: write the remaining rows and detach from the optimizers.

        A run that has ended already is not changed.

        Args:
            status: how the run ended: `finished`, `stopped` (it may be resumed), `diverged`,
                `failed` or `lost`. By default `diverged` if the last loss is not finite, `stopped`
                if the run was stopped, and `finished` otherwise.

        Raises:
            ArgumentError: a run cannot end with this status.
        """
        end = None if status is None else checked_status(status)
        self._hooks.remove()
        self._recording.close()
        if self._edits.agreement is not None:
            self._edits.agreement.close()
        if self.recorder is not None and self._finalizer is not None and self._finalizer.detach():
            default = RunStatus.FINISHED if self.stopped is None else RunStatus.STOPPED
            if self._recording.has_diverged or self.gave_up:
                default = RunStatus.DIVERGED
            self.recorder.close(end or default)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish(None if error is None else status_of(error))

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to continue bit for bit, as JSON values.

        It waits, for at most 2 seconds, until the store has every edit of the state.
        """
        return self._resuming.state_dict(self._step)

    def load_state_dict(
        self,
        state: dict[str, Any],
        *,
        change_schedule: bool = False,
        later_edits: bool = True,
        branch: bool = False,
        reason: str = "resumed",
    ) -> None:
        """Continue from a saved state: its step, rates, controllers, and run in the store.

        The rates are written immediately. It makes no difference to them whether the state of the
        optimizer is loaded before, after, or not at all. In the store the run continues with one
        more attempt, which replaces what was recorded from this step on. If another process still
        trains the run, this run stays a new one.

        Edits that took effect after the state was saved take effect again, each at its step, so
        a killed run continues as it would have.

        Args:
            state: the result of `state_dict`.
            change_schedule: continue under the schedule this run was attached with, although the
                state was saved under another one. The change is stored as the edit `follow`.
            later_edits: whether edits that took effect after the state was saved take effect
                again; False undoes them, which is stored as a rollback.
            branch: begin another run from the state, such as a decay from a checkpoint of a stable
                run. The saved run and its record stay as they are; this one is recorded as a run of
                its own from the state's step on, and follows the schedule that it was attached with,
                without the edits of the saved run.
            reason: recorded with the attempt, and with the change of the schedule.

        Raises:
            ArgumentError: it is not such a state, or it was saved with another schedule or other
                controllers. Nothing is changed.
        """
        step = self._resuming.load(
            state,
            change_schedule=change_schedule,
            later_edits=later_edits,
            branch=branch,
            reason=reason,
        )
        self._hooks.updated = False
        self._step = step
        self._rates.set_step(step)
        self._set_step(self._edits.advance(step, None))

    def _count_skipped(self) -> None:
        if not self._hooks.active:
            raise ArgumentError(
                "run.step(): the run has ended. Call attach again for another run."
            )
        self.skipped += 1
        finding = self._unseen_updates.check(self._step)
        if finding is None:
            return
        if self.recorder is not None:
            self.recorder.add_finding(finding)
        if rank_and_size()[0] == 0:
            warnings.warn(
                f"{finding.code}: {finding.message} {finding.remedy}", UserWarning, stacklevel=3
            )
