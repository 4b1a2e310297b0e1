"""Saving a run, and continuing it or branching off it from the saved state."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError, StoreError
from learnrate.run._saved_state import (
    FORMAT,
    VERSION,
    check_schedules,
    check_state,
    follow_attached,
    saved_groups,
    saved_schedule,
    schedule_in_words,
    text_of,
)
from learnrate.steering import login

if TYPE_CHECKING:
    from learnrate.controllers import Controlled
    from learnrate.run._live_edits import LiveEdits
    from learnrate.run._rates import RateWriter
    from learnrate.run._recording import Recording
    from learnrate.schedules import Schedule

__all__ = ["Resuming"]


@dataclass(frozen=True)
class Resuming:
    """The parts of a run that have a state.

    Attributes:
        schedule: the schedule that the run was attached with; None if an external scheduler sets
            the rates.
        controlled: the schedule with its controllers, or None.
        rates: follow the edited schedule.
        recording: the recording of the updates.
        edits: the edits of the run.
    """

    schedule: Schedule | None
    controlled: Controlled | None
    rates: RateWriter
    recording: Recording
    edits: LiveEdits

    def state_dict(self, step: int) -> dict[str, Any]:
        """The state before a step, as JSON values; see `Run.state_dict`."""
        if self.edits.mailbox is not None:
            self.edits.mailbox.write_answers()
        recorder = self.recording.recorder
        return {
            "format": FORMAT,
            "version": VERSION,
            "run": None if recorder is None else recorder.run,
            "step": step,
            "schedule": text_of(self.edits.base),
            "steering": self.edits.state_dict(),
            "rates": self.rates.state_dict(),
            "controlled": None if self.controlled is None else self.controlled.state_dict(),
        }

    def load(
        self,
        state: dict[str, Any],
        *,
        change_schedule: bool,
        later_edits: bool,
        branch: bool,
        reason: str,
    ) -> int:
        """Continue from a saved state; returns the step of the update about to happen.

        Args:
            state: the result of `state_dict`.
            change_schedule: whether the run may have been attached with another schedule.
            later_edits: whether edits that took effect later are made again.
            branch: whether to begin another run from the state; see `Run.load_state_dict`.
            reason: recorded with the attempt, and with the change of the schedule.

        Raises:
            ArgumentError: it is not such a state, or it was saved with another schedule or other
                controllers. Nothing is changed.
        """
        check_state(state)
        changes = check_schedules(
            state, self.schedule, self.edits.groups, change_schedule=change_schedule or branch
        )
        if (state["controlled"] is None) != (self.controlled is None):
            raise ArgumentError("this state was saved with other controllers than the run has.")
        if branch:
            self._branch(state)
        else:
            self._continue(state, changes=changes, later_edits=later_edits, reason=reason)
        step: int = state["step"]
        return step

    def _continue(
        self, state: dict[str, Any], *, changes: bool, later_edits: bool, reason: str
    ) -> None:
        saved, attached = state["schedule"], text_of(self.schedule)
        of_groups, ratios = self.edits.groups, self.rates.ratios
        if state["rates"]:
            self.rates.load_state_dict(state["rates"])
        if self.controlled is not None:
            self.controlled.load_state_dict(state["controlled"])
        step, recorder = state["step"], self.recording.recorder
        self.recording.begin_attempt(step)
        base = saved_schedule(saved, self.schedule)
        self.edits.load_state_dict(state["steering"], base, saved_groups(state, of_groups))
        if recorder is not None:
            recorder.step = step
            other = state["run"] if state["run"] != recorder.run else None
            if changes:
                reason = f"{reason}; previously under {schedule_in_words(saved)}"
            recorder.begin_attempt(step, reason, other)
            self._add_later_edits(step, keep=later_edits, reason=reason)
        if changes and (base is not self.schedule or saved == attached):
            for edit in follow_attached(self.schedule, of_groups, ratios, self.rates.ratios):
                self.edits.enqueue(replace(edit, author=login(), reason=reason))

    def _branch(self, state: dict[str, Any]) -> None:
        """Begin at the step of another run's state, under the schedule of this one."""
        step, recorder = state["step"], self.recording.recorder
        if self.controlled is not None:
            self.controlled.load_state_dict(state["controlled"])
        self.recording.begin_attempt(step)
        if recorder is not None:
            recorder.step = step
            recorder.begin_attempt(step, f"branch of {state['run'] or 'a run'} at step {step}")

    def _add_later_edits(self, step: int, *, keep: bool, reason: str) -> None:
        """Read the edits after the saved state from the store."""
        mailbox = self.edits.mailbox
        assert mailbox is not None  # noqa: S101 - a recorded run has a mailbox
        try:
            self.edits.add_later_edits(mailbox.stored(), step, keep=keep, reason=reason)
        except StoreError as error:
            warnings.warn(
                f"edits after step {step} are not known: {error}", RuntimeWarning, stacklevel=5
            )
        mailbox.start_after(self.edits.sequence)
