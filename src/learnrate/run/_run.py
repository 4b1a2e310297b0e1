"""Run: one training under a schedule, its rates set and its numbers recorded."""

from __future__ import annotations

import threading
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Self

import torch

from learnrate._errors import ArgumentError, StoreError
from learnrate._ranks import rank_and_size
from learnrate.edits import Edit, EditKind, edit_in
from learnrate.run._ending import dropped, status_of
from learnrate.run._state import FORMAT, VERSION, check_state, saved_base, shown, text_of
from learnrate.steering import login
from learnrate.store import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from learnrate.controllers import Controlled, RateChange
    from learnrate.edits import Edited
    from learnrate.run._questions import Questions
    from learnrate.run._rates import Rates
    from learnrate.run._recording import Recording
    from learnrate.run._steering import Steering
    from learnrate.schedules import Schedule
    from learnrate.watch import Finding, Observations

    Observer = Callable[[Observations], Iterable[Finding] | None]

__all__ = ["ATTACHED", "Run"]

ATTACHED = "_learnrate_run"  # of an optimizer: who writes its rates

_PATIENT = 1000  # calls without an update before something must be wrong


class Run:
    """A training in progress: what `attach` gives.

    Call `step` once after every `optimizer.step()`. Everything else happens on its own: the
    rate of the next update is set, and what the last one did is recorded.

    Attributes:
        schedule: what was planned; None where a torch scheduler decides.
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
        recording: Recording,
        steering: Steering,
        step: int,
        questions: Questions | None = None,
    ) -> None:
        self.schedule = schedule
        self.controlled, self.recorder = controlled, recording.recorder
        self.skipped = 0
        self._rates, self._recording, self._questions = rates, recording, questions
        self._steering, self._owner = steering, threading.get_ident()
        self._step = step
        self._updated, self._missed = False, 0
        self._optimizers = tuple(optimizers)
        self._hooks = self._hooked()
        self._end = (
            None
            if self.recorder is None
            else weakref.finalize(self, dropped, self.recorder, steering.fate, steering.agreement)
        )
        rates.turn(step)
        self._move(steering.begin(step))

    @property
    def id(self) -> str | None:
        """What the run is called in the store; None where it is not recorded."""
        return None if self.recorder is None else self.recorder.run

    @property
    def next_step(self) -> int:
        """The update about to happen: as many were made."""
        return self._step

    @property
    def total_steps(self) -> int | None:
        """Updates of the whole run as edited, if known."""
        return self._steering.fate.total_steps

    @property
    def edited(self) -> Edited:
        """The schedule with the edits that took effect; `run.edited.schedule` is the whole."""
        return self._steering.edited

    @property
    def stopped(self) -> str | None:
        """Why the run should end early, in words: a person said so, or the guard gave up."""
        return self._steering.fate.stopped

    @property
    def gave_up(self) -> bool:
        """Whether the guard stopped it."""
        return self._steering.fate.gave_up

    @property
    def done(self) -> bool:
        """Whether the loop should end: all updates are made, or the run was stopped."""
        total_steps = self._steering.fate.total_steps
        return self._steering.fate.stopped is not None or (
            total_steps is not None and self._step >= total_steps
        )

    @property
    def snapshots(self) -> list[int]:
        """The steps that one can go back to."""
        return self._steering.snapshots.steps

    @property
    def lr(self) -> float:
        """The highest rate of the update about to happen."""
        return float(self._rates.value)

    @property
    def changes(self) -> tuple[RateChange, ...]:
        """What controllers changed so far."""
        return () if self.controlled is None else self.controlled.changes

    @property
    def findings(self) -> list[Finding]:
        """What was found so far, by `observers`."""
        return [] if self.recorder is None else self.recorder.findings

    @property
    def observers(self) -> list[Observer]:
        """Who is shown the new rows, about once a second, in the recorder's thread.

        Each is called with them as `Observations` and may return findings, which are stored. One
        with a method `finish` is asked for more when the run is over, one with `close` is told
        when nothing comes any more. What an observer raises is reported once and stops nothing.
        Where nothing is recorded, nobody is shown anything.
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
        self._recording.update(step, loss, (gradient_norm, clipped), now)
        value = None
        if self.controlled is not None or self._steering.awaits_loss:
            value = loss.item() if isinstance(loss, torch.Tensor) else loss
        if self.controlled is not None and not self.edited.is_held:
            for change in self.controlled.observe(step, value, **(signals or {})):
                self._steering.controlled(
                    step + 1, change.before, change.after, change.controller, change.reason
                )
        self._move(self._steering.advance(step + 1, value))
        if self._questions is not None and not self.done:
            self._questions.due(self._step)

    def _move(self, step: int) -> None:
        if self._recording.move(step):  # a rollback
            self._updated = False
        self._step = step
        self._rates.turn(step)

    def steer(
        self,
        words: str,
        *,
        group: int | None = None,
        author: str | None = None,
        reason: str = "",
    ) -> None:
        """Edit this run, as `learnrate steer` does from a shell; it takes effect before the next update.

            run.steer("scale 0.5", reason="the loss is flat")

        It is stored first. Of several ranks the first one is asked, and all apply it.

        Args:
            words: what to do; see `learnrate.edits.Edit`.
            group: the parameter group it is for; None for all.
            author: who asks; LEARNRATE_AUTHOR, or who is logged in, by default.
            reason: why.

        Raises:
            ArgumentError: it is no edit, or does not fit, or the run's limits forbid it.
            StoreError: the store cannot be written.
        """
        edit = edit_in(words, group=group, author=author or login(), reason=reason)
        if rank_and_size()[0] > 0:
            return
        if not self._hooks:
            raise ArgumentError("run.steer(): the run has ended.")
        mailbox = self._steering.mailbox
        if mailbox is None:
            self._steering.try_out(edit, self._step)
            self._steering.ask(edit)
        else:
            mailbox.request(edit)
        self._heed()

    def _heed(self) -> None:
        """Take edits up at once, where the loop itself asks for them."""
        if threading.get_ident() == self._owner:
            self._move(self._steering.advance(self._step, None))

    def validation(self, loss: Any) -> None:
        """Record a validation loss of the model as it is, after the last update."""
        self._recording.validation(self._step, loss)

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
        if self._steering.agreement is not None:
            self._steering.agreement.close()
        if self.recorder is not None and self._end is not None and self._end.detach():
            lost = self._recording.lost or self._steering.fate.gave_up
            early = RunStatus.FINISHED if self.stopped is None else RunStatus.STOPPED
            self.recorder.close(status or (RunStatus.DIVERGED if lost else early))

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
            self.finish(status_of(error))

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on to the bit, as JSON values; see `load_state_dict`."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "run": self.id,
            "step": self._step,
            "schedule": text_of(self._steering.base),
            "steering": self._steering.state_dict(),
            "rates": self._rates.state_dict(),
            "controlled": None if self.controlled is None else self.controlled.state_dict(),
        }

    def load_state_dict(
        self,
        state: dict[str, Any],
        *,
        change_schedule: bool = False,
        later_edits: bool = True,
        reason: str = "resumed",
    ) -> None:
        """Go on where a state was saved: the same step, rates, controllers, and run in the store.

        The rates are written at once; whether the optimizer's own state is loaded before or
        after, or at all, makes no difference to them. In the store the run goes on as one more
        attempt, which stands in place of what was recorded from this step on. A run that another
        process is still at is left to it: this one then stays a run of its own.

        Edits that took effect after the state was saved take effect again, each at its step, so
        that a run which was killed goes on as it would have.

        Args:
            state: what `state_dict` gave.
            change_schedule: go on under the schedule this run was attached with, although the
                state was saved under another one. The change is stored as the edit `follow`.
            later_edits: whether edits that took effect after the state was saved do so again;
                False undoes them, which is stored as a rollback.
            reason: what to note of the attempt, and of the changed schedule.

        Raises:
            ArgumentError: it is no such state, or of another schedule or other controllers.
                Nothing is changed.
        """
        check_state(state)
        saved, ours = state["schedule"], text_of(self.schedule)
        if saved != ours and not change_schedule:
            raise ArgumentError(
                f"this state was saved under {shown(saved)}, and the run was attached with "
                f"{shown(ours)}. Attach with the same schedule, or say "
                "load_state_dict(state, change_schedule=True) to go on under the new one."
            )
        if (state["controlled"] is None) != (self.controlled is None):
            raise ArgumentError("this state was saved with other controllers than the run has.")
        if state["rates"] and ours is not None:
            self._rates.load_state_dict(state["rates"])
        if self.controlled is not None:
            self.controlled.load_state_dict(state["controlled"])
        step, self._updated = state["step"], False
        self._recording.go_on(step)
        base = saved_base(saved, self.schedule)
        self._steering.load_state_dict(state["steering"], base)
        if self.recorder is not None:
            self.recorder.step = step
            other = state["run"] if state["run"] != self.id else None
            if saved != ours:
                reason = f"{reason}; before under {shown(saved)}"
            self.recorder.begin_attempt(step, reason, other)
            self._take_up(step, later=later_edits, reason=reason)
        if saved != ours and base is not self.schedule:
            follow = Edit(
                kind=EditKind.FOLLOW, value=str(self.schedule), author=login(), reason=reason
            )
            self._steering.ask(follow)
        self._step = step
        self._rates.turn(step)
        self._move(self._steering.begin(step))

    def _take_up(self, step: int, *, later: bool, reason: str) -> None:
        """Look up what the store knows of edits after the state."""
        steering, mailbox = self._steering, self._steering.mailbox
        assert mailbox is not None  # noqa: S101 - who records has one
        try:
            steering.take_up(mailbox.stored(), step, later=later, reason=reason)
        except StoreError as error:
            warnings.warn(
                f"edits after step {step} are not known: {error}", RuntimeWarning, stacklevel=3
            )
        mailbox.begin(steering.sequence)

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
        rates, recording = self._rates, self._recording

        def before(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
            rates.before(number)
            recording.before(optimizer, self._step)

        def after(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
            rates.after(number)
            found = getattr(optimizer, "found_inf", None)  # a GradScaler leaves it to the kernel
            if found is not None and found.item():
                recording.discard(optimizer)
                return
            recording.after(optimizer, self._step)
            self._updated = True

        return before, after

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
