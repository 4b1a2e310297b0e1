"""The edits of a live run: taken, applied at the step about to happen, and answered."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError, LearnrateError
from learnrate.edits import AUTOMATIC, RATE_KINDS, Edit, Edited, EditKind, Limits
from learnrate.run._ending import note_on
from learnrate.run._guard import Guard, GuardState
from learnrate.run._rescuer import Rescuer
from learnrate.run._saved_state import text_of
from learnrate.steering import as_edit, login, no_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from learnrate.run._agreement import Agreement
    from learnrate.run._ending import Ending
    from learnrate.run._mailbox import Mailbox
    from learnrate.run._rates import RateWriter
    from learnrate.run._recorded_snapshots import RecordedSnapshots
    from learnrate.schedules import Schedule
    from learnrate.store import Recorder, StoredEdit

__all__ = ["LiveEdits"]

_NO_PROBE = (
    "this run has no what-if probe. Attach with probes=learnrate.probing.Probes(model, loss_of, "
    "batches, only=[]), which runs the probe on request, or use learnrate train."
)
_NO_PROBE_OF_RANKS = (
    "several ranks train this run, and a probe works in one process alone. Save a checkpoint, and "
    "run learnrate.probing.what_if there."
)


@dataclass
class LiveEdits:
    """Applies edits from all sources, one after the other.

    Edits come from people through the mailbox, from a list that is repeated, from controllers, and
    from the guard. Each takes effect before the update that is about to happen, and is answered.

    Attributes:
        base: the planned schedule; None if an external scheduler sets the rates.
        groups: the planned schedule of each parameter group, None for those that follow `base`.
        ending: the length of the run, and whether it ends early.
        rates: follow the edited schedule.
        limits: bounds of the edits that people make.
        snapshots: the snapshots for rollbacks.
        guard: None for none.
        recorder: None if the run is not recorded.
        mailbox: None if the run is not recorded.
        agreement: the agreement of several ranks; None for one.
        probe: runs the what-if probe at a step; None if there is none.
        edited: the schedule with the edits so far.
        position: the number of edits that took effect.
        sequence: number of the last stored edit that was answered.
    """

    base: Schedule | None
    groups: tuple[Schedule | None, ...]
    ending: Ending
    rates: RateWriter
    limits: Limits
    snapshots: RecordedSnapshots
    guard: Guard | None
    recorder: Recorder | None
    mailbox: Mailbox | None
    agreement: Agreement | None
    probe: Callable[[int], str] | None
    edited: Edited = field(init=False)
    position: int = field(init=False, default=0)
    sequence: int = field(init=False, default=0)
    _repeated: deque[tuple[int, Edit]] = field(init=False, default_factory=deque)
    _queue: deque[tuple[int, Edit]] = field(init=False, default_factory=deque)
    _rollback_steps: set[int] = field(init=False, default_factory=set)
    _rescuer: Rescuer | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.edited = self._edited()
        if self.guard is not None:
            self._rescuer = Rescuer(
                GuardState(self.guard, self.ending.total_steps),
                self.ending,
                self.snapshots,
                self._apply_automatic,
                self._rates_at,
            )

    def _rates_at(self, step: int) -> Sequence[float]:
        return self.edited.rates(step)

    def _edited(self, edits: tuple[Edit, ...] = ()) -> Edited:
        return Edited(self.base, edits, self.rates.ratios, self.groups)

    def enqueue(self, edit: Edit) -> None:
        """Take an edit that is not in the store, at the next step."""
        self._queue.append((0, edit))

    def repeat(self, edits: Iterable[Edit], position: int = 0) -> None:
        """Apply edits of an earlier run again, each at its step.

        Args:
            edits: the edits with their steps, in order.
            position: the number of edits that took effect before them.
        """
        self._repeated = deque(enumerate(edits, position + 1))
        self._rollback_steps = {
            edit.value for _, edit in self._repeated if edit.kind is EditKind.ROLLBACK
        }

    @property
    def needs_loss(self) -> bool:
        """Whether `advance` needs the loss of every update as a number."""
        return self._rescuer is not None

    def advance(self, step: int, loss: float | None) -> int:
        """Do all that is due between two updates.

        Args:
            step: the update about to happen.
            loss: the loss of the update before; None if it is not known.

        Returns:
            The step to make: `step`, or an earlier one after a rollback.
        """
        if self._rescuer is not None and loss is not None:
            reason = self._rescuer.state.trouble(loss)
            if reason is not None and not self._repeated and self.ending.stopped is None:
                step = self._rescuer.rescue(reason, step)
        if self._repeated:
            step = self._repeat_due(step)
        if self.agreement is not None:
            document = self.agreement.due(step)
            if document is not None:
                self._queue.append((document["sequence"], Edit.from_dict(document["edit"])))
        step = self._apply_requested(step)
        is_due = self._rescuer is not None and self._rescuer.state.is_snapshot_due(step)
        if is_due and step not in self.snapshots.steps:
            self.snapshots.take_automatic(step)
        if step in self._rollback_steps and step not in self.snapshots.steps:
            self.snapshots.take(step, requested=True)
        return step

    def add_change(
        self, step: int, before: float, after: float, controller: str, reason: str
    ) -> None:
        """Apply a change of a controller's factor, as an edit.

        Args:
            step: the first update with the new factor.
            before: the factor until then.
            after: the new factor, above 0.
            controller: its name, which is the author of the edit.
            reason: why the factor changed.

        Raises:
            ArgumentError: the new factor is 0.
        """
        if after <= 0:
            raise ArgumentError(
                f"{controller} lowered its factor to 0; keep the factor above 0 with Bounded(..., lowest=...)."
            )
        if any(edit.author == controller and edit.step == step for _, edit in self._repeated):
            return  # decided before the run was interrupted; the store's edit is repeated
        self._apply_automatic(
            Edit(
                kind=EditKind.SCALE,
                value=after / before,
                author=controller,
                reason=reason,
                step=step,
            )
        )

    def check(self, edit: Edit, step: int) -> None:
        """Refuse an edit that would be refused at the next step.

        Raises:
            ArgumentError: the edit does not fit, or the limits forbid it.
        """
        self.limits.check_author(edit.author)
        if edit.kind is EditKind.ROLLBACK and edit.value not in self.snapshots.steps:
            raise ArgumentError(no_snapshot(edit.value, self.snapshots.steps))
        if edit.kind in RATE_KINDS:
            edit = self._at_step(edit, step)
            self.limits.check(edit, self.edited, self.edited.with_edit(edit))

    # Edits

    def _apply_requested(self, step: int) -> int:
        """Apply the edits that people requested.

        Their answers are written before the update is made. Otherwise, a job killed right after
        the update would apply the edit at another step when it is resumed.
        """
        mailbox, is_answered = self.mailbox, False
        while self._queue:
            step = self._apply_and_answer(*self._queue.popleft(), step)
            is_answered = True
        while mailbox is not None and mailbox.arrived:
            step = self._apply_and_answer(*mailbox.arrived.popleft(), step)
            is_answered = True
        if is_answered and mailbox is not None:
            mailbox.exchange()
        return step

    def _apply_and_answer(self, sequence: int, edit: Edit, step: int) -> int:
        try:
            edit, after, answer = self._apply(edit, step)
        except LearnrateError as error:
            if self.mailbox is not None and sequence:
                self.mailbox.answer_refused(sequence, str(error))
        else:
            step = after
            if self.mailbox is not None and sequence:
                self.mailbox.answer_applied(sequence, edit, self.position, answer)
            elif self.mailbox is not None:
                self.mailbox.add_applied(edit, self.position, answer)
        self.sequence = max(self.sequence, sequence)
        return step

    def _apply_automatic(self, edit: Edit) -> int:
        """Apply an edit of the run itself; returns the step to make after it."""
        assert edit.step is not None  # noqa: S101 - the callers set it
        edit, step, answer = self._apply(edit, edit.step)
        if self.mailbox is not None:
            self.mailbox.add_applied(edit, self.position, answer)
        return step

    def _repeat_due(self, step: int) -> int:
        """Apply the repeated edits that are due. None is refused: each was applied before.

        The store has the edits of a resumed run; a run that repeats another one adds its edits.
        """
        while self._repeated and (self._repeated[0][1].step or 0) <= step:
            position, edit = self._repeated.popleft()
            edit, step, answer = self._apply(edit, step, is_repeated=True)
            self.position = position
            if self.mailbox is not None:
                self.mailbox.add_applied(edit, position, answer)
        return step

    def _apply(self, edit: Edit, step: int, *, is_repeated: bool = False) -> tuple[Edit, int, str]:
        """Apply an edit at a step.

        A repeated edit was within the limits before, and a repeated probe would change nothing.

        Returns:
            The edit with its step, the step to make after it, and the answer.

        Raises:
            LearnrateError: the edit cannot be applied. Nothing is changed.
        """
        if len(self.rates.ratios) != len(self.edited.ratios):  # a group was added
            self.edited = self._edited(self.edited.edits)
        edit = self._at_step(edit, step)
        if not is_repeated and edit.author != AUTOMATIC:
            self.limits.check_author(edit.author)
        after, answer = step, ""
        if edit.kind in RATE_KINDS:
            answer = self._change_rate(edit, is_limited=not is_repeated)
        elif edit.kind is EditKind.ROLLBACK:
            after = self._roll_back(edit)
            answer = f"back from step {step}"
        elif edit.kind is EditKind.SNAPSHOT:
            if not self.snapshots.take(step, requested=True):
                raise ArgumentError("the weights are not finite, so no snapshot is kept.")
            answer = self.snapshots.place(step)
        elif edit.kind is EditKind.PROBE:
            answer = "not run again" if is_repeated else self._run_probe(step)
        else:
            reason = f": {edit.reason}" if edit.reason else ""
            self.ending.stopped = f"stopped by {edit.author}{reason}"
        if edit.kind not in RATE_KINDS | {EditKind.ROLLBACK}:
            self.edited = self.edited.with_edit(edit)
        self.position += 1
        return edit, after, answer

    def _at_step(self, edit: Edit, step: int) -> Edit:
        return edit.at_step(step, self.rates.rates() if self.base is None else ())

    def _run_probe(self, step: int) -> str:
        if self.probe is None:
            raise ArgumentError(_NO_PROBE if self.agreement is None else _NO_PROBE_OF_RANKS)
        return self.probe(step)

    def _change_rate(self, edit: Edit, *, is_limited: bool) -> str:
        assert edit.step is not None  # noqa: S101 - the caller set it
        after = self.edited.with_edit(edit)
        if is_limited:
            self.limits.check(edit, self.edited, after)
        rate_before = max(edit.before or self.edited.rates(edit.step), key=abs)
        planned_end = self.ending.total_steps
        self._follow(after)
        self.rates.set_step(edit.step)
        rate_after = max(self.rates.rates(), key=abs)
        answer = f"rate {rate_before:.4g} -> {rate_after:.4g}"
        return answer + note_on(edit, after, planned_end)

    def _follow(self, edited: Edited) -> None:
        self.edited = edited
        self.rates.follow(edited)
        total_steps = edited.total_steps
        if total_steps is not None and total_steps != self.ending.total_steps:
            self.ending.total_steps = total_steps
            if self.mailbox is not None:
                self.mailbox.post(lambda store, run: store.set_total(run, total_steps))

    # Snapshots

    def _roll_back(self, edit: Edit) -> int:
        target: int = edit.value
        if target not in self.snapshots.steps:
            raise ArgumentError(no_snapshot(target, self.snapshots.steps))
        after = self.edited.with_edit(edit)
        self.snapshots.restore(target)
        self._follow(after)
        if self._rescuer is not None:
            self._rescuer.state.forget_spikes()
        if self.recorder is not None:
            self.recorder.step = target
            self.recorder.begin_attempt(target, f"{edit.words} by {edit.author}")
        return target

    # Resuming

    def state_dict(self) -> dict[str, Any]:
        """The edits and counters, as JSON values."""
        rescuer = self._rescuer
        return {
            "edits": [edit.to_dict() for edit in self.edited.edits],
            "groups": [text_of(schedule) for schedule in self.groups],
            "position": self.position,
            "sequence": self.sequence,
            "rescues": 0 if rescuer is None else rescuer.count,
            "watchman": None if rescuer is None else rescuer.state.state_dict(),
        }

    def load_state_dict(
        self,
        state: dict[str, Any],
        base: Schedule | None,
        groups: tuple[Schedule | None, ...],
    ) -> None:
        """Continue from a saved state.

        Args:
            state: the result of `state_dict`.
            base: the schedule that the state was saved under.
            groups: the schedules of the groups that it was saved under.
        """
        self.base, self.groups = base, groups
        edits = tuple(Edit.from_dict(document) for document in state["edits"])
        self._follow(self._edited(edits))
        self.position, self.sequence = state["position"], state["sequence"]
        if self._rescuer is not None:
            self._rescuer.count = state["rescues"]
            if state["watchman"] is not None:
                self._rescuer.state.load_state_dict(state["watchman"])
        self._queue.clear()

    def add_later_edits(
        self, stored: Iterable[StoredEdit], step: int, *, keep: bool, reason: str
    ) -> None:
        """Repeat or undo the edits that took effect after the state was saved.

        If one of them rolled the run back to a step before the state, the updates before the state were undone.
        Then the edits that are still in force are applied immediately.

        Args:
            stored: all edits of the run in the store.
            step: the step of the state.
            keep: whether to repeat the edits, each at its step; False undoes them.
            reason: the reason why edits are undone.
        """
        later = [edit for edit in stored if (edit.position or 0) > self.position]
        if not later:
            return
        later.sort(key=lambda edit: edit.position or 0)
        edits = [as_edit(edit, edit.step) for edit in later]
        self.sequence = max(self.sequence, *(edit.sequence for edit in later))
        last = later[-1].position or 0
        if not keep:
            self.position = last + 1
            last_step = max(edit.step or 0 for edit in edits)
            undo = Edit(
                kind=EditKind.ROLLBACK, value=step, author=login(), reason=reason, step=last_step
            )
            if self.mailbox is not None:
                self.mailbox.add_applied(undo, self.position, "resumed without later edits")
        elif any(edit.kind is EditKind.ROLLBACK and edit.value < step for edit in edits):
            self._follow(self._edited((*self.edited.edits, *edits)))
            self.position = last
        else:
            self.repeat([edit for edit in edits if edit.kind is not EditKind.STOP], self.position)
