"""Steering: what happens to a run between two updates, at the step about to happen."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError, LearnrateError
from learnrate.edits import AUTOMATIC, RATE_KINDS, Edit, Edited, EditKind, Limits
from learnrate.run._guard import Guard, Watchman
from learnrate.steering import as_edit, login, no_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from learnrate.run._agreement import Agreement
    from learnrate.run._mailbox import Mailbox
    from learnrate.run._rates import Rates
    from learnrate.run._snapshots import Snapshots
    from learnrate.schedules import Schedule
    from learnrate.store import Recorder, Store, StoredEdit

__all__ = ["Fate", "Steering"]

_NO_PROBE = (
    "this run has no what-if probe. Attach with probes=learnrate.probing.Probes(model, loss_of, "
    "batches, only=[]), which asks when it is asked alone, or train with learnrate train."
)
_NO_PROBE_OF_RANKS = (
    "several ranks train this run, and a probe works in one process alone. Save a checkpoint, and "
    "ask learnrate.probing.what_if there."
)


@dataclass
class Fate:
    """What ends a run: apart from it, so that one that is dropped can still be written off.

    Attributes:
        total_steps: updates of the whole run as edited, if known.
        stopped: why it should end before; None while it goes on.
        gave_up: whether that was the guard.
    """

    total_steps: int | None
    stopped: str | None = None
    gave_up: bool = False


@dataclass
class Steering:
    """Applies edits, whoever they come from: one path, one order.

    Edits come from people through the mailbox, from a list that is to be repeated, from
    controllers, and from the guard. Each takes effect before the update that is about to happen,
    and its answer is posted.

    Attributes:
        edited: the schedule with the edits so far.
        fate: how long the run is to be, and whether it should end before.
        position: how many edits took effect.
        sequence: of the last stored edit that was answered.
        rescues: how often the guard went back.
    """

    base: Schedule | None
    fate: Fate
    rates: Rates
    limits: Limits
    snapshots: Snapshots
    guard: Guard | None
    recorder: Recorder | None
    mailbox: Mailbox | None
    agreement: Agreement | None
    probe: Callable[[int], str] | None
    edited: Edited = field(init=False)
    position: int = field(init=False, default=0)
    sequence: int = field(init=False, default=0)
    rescues: int = field(init=False, default=0)
    _repeated: deque[tuple[int, Edit]] = field(init=False, default_factory=deque)
    _asked: deque[tuple[int, Edit]] = field(init=False, default_factory=deque)
    _targets: set[int] = field(init=False, default_factory=set)
    _watchman: Watchman | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.edited = Edited(self.base, (), self.rates.ratios)
        if self.guard is not None:
            self._watchman = Watchman(self.guard, self.fate.total_steps)

    def begin(self, step: int) -> int:
        """Before the first update, or one after a resume; gives the step to make."""
        return self.advance(step, None)

    def ask(self, edit: Edit) -> None:
        """Take an edit that no store knows, at the next step."""
        self._asked.append((0, edit))

    def repeat(self, edits: Iterable[Edit], position: int = 0) -> None:
        """Apply these again, each at its own step; they are answered already."""
        self._repeated = deque(enumerate(edits, position + 1))
        self._targets = {
            edit.value for _, edit in self._repeated if edit.kind is EditKind.ROLLBACK
        }

    @property
    def awaits_loss(self) -> bool:
        """Whether it needs every loss as a number."""
        return self._watchman is not None

    def advance(self, step: int, loss: float | None) -> int:
        """A step is about to happen, after an update with this loss; gives the step to make."""
        if self._watchman is not None and loss is not None:
            step = self._guarded(self._watchman, step, loss)
        step = self._again(step)
        if self.agreement is not None:
            document = self.agreement.due(step)
            if document is not None:
                self._asked.append((document["sequence"], Edit.from_dict(document["edit"])))
        step = self._asked_for(step)
        due = self._watchman is not None and self._watchman.due(step)
        if due and step not in self.snapshots.steps:
            self._take(step, asked=False)
        if step in self._targets and step not in self.snapshots.steps:
            self._take(step, asked=True)
        return step

    def _asked_for(self, step: int) -> int:
        """Take up what people asked for; the answers are on disk before the update is made.

        Else a job killed right after it would go on, once resumed, with the edit at another step.
        """
        mailbox, answered = self.mailbox, False
        while self._asked:
            step = self._answered(*self._asked.popleft(), step)
            answered = True
        while mailbox is not None and mailbox.arrived:
            step = self._answered(*mailbox.arrived.popleft(), step)
            answered = True
        if answered and mailbox is not None:
            mailbox.fetch()
        return step

    def controlled(self, step: int, before: float, after: float, who: str, why: str) -> None:
        """A controller changed its factor: an edit like any other."""
        if after <= 0:
            raise ArgumentError(f"{who} lowered its factor to 0; keep it above with Bounded(...).")
        edit = Edit(kind=EditKind.SCALE, value=after / before, author=who, reason=why, step=step)
        self._by_itself(edit)

    # Edits

    def _answered(self, sequence: int, edit: Edit, step: int) -> int:
        try:
            made, after, answer = self._apply(edit, step)
        except LearnrateError as error:
            self._refuse(sequence, str(error))
        else:
            step = after
            if self.mailbox is not None and sequence:
                self.mailbox.applied(sequence, made, self.position, answer)
            elif self.mailbox is not None:
                self.mailbox.note(made, self.position, answer)
        self.sequence = max(self.sequence, sequence)
        return step

    def _refuse(self, sequence: int, why: str) -> None:
        if self.mailbox is not None and sequence:
            self.mailbox.refused(sequence, why)

    def _by_itself(self, edit: Edit) -> int:
        """An edit of the run's own; gives the step after it."""
        assert edit.step is not None  # noqa: S101 - the callers say it
        made, step, answer = self._apply(edit, edit.step)
        if self.mailbox is not None:
            self.mailbox.note(made, self.position, answer)
        return step

    def _again(self, step: int) -> int:
        """Repeat what is due. A refusal is impossible: it was applied before to the same run.

        Of a resumed run the store has them; of one that repeats another they are noted.
        """
        while self._repeated and (self._repeated[0][1].step or 0) <= step:
            position, edit = self._repeated.popleft()
            made, step, answer = self._apply(edit, step, again=True)
            self.position = position
            if self.mailbox is not None:
                self.mailbox.note(made, position, answer)
        return step

    def _apply(self, edit: Edit, step: int, *, again: bool = False) -> tuple[Edit, int, str]:
        """Make an edit at a step: as it was made, the step to go on at, and what to answer.

        One that is made again was within the limits, and what a probe answered changes nothing.

        Raises:
            LearnrateError: it cannot be made. Nothing is changed.
        """
        if len(self.rates.ratios) != len(self.edited.ratios):  # a group was added
            self.edited = Edited(self.base, self.edited.edits, self.rates.ratios)
        made = edit.at_step(step, self.rates.present() if self.base is None else ())
        if not again and edit.author != AUTOMATIC:
            self.limits.check_author(edit.author)
        after, answer = step, ""
        if edit.kind in RATE_KINDS:
            answer = self._change(made, bounded=not again)
        elif edit.kind is EditKind.ROLLBACK:
            after = self._roll_back(made)
            answer = f"back from step {step}"
        elif edit.kind is EditKind.SNAPSHOT:
            if not self._take(step, asked=True):
                raise ArgumentError("the weights are not finite, so no snapshot is kept.")
            answer = self.snapshots.place(step)
        elif edit.kind is EditKind.PROBE:
            answer = "not asked again" if again else self._probe(step)
        else:
            self.fate.stopped = f"stopped by {edit.author}" + (
                f": {edit.reason}" * bool(edit.reason)
            )
        if edit.kind not in RATE_KINDS | {EditKind.ROLLBACK}:
            self.edited = self.edited.with_edit(made)
        self.position += 1
        return made, after, answer

    def _probe(self, step: int) -> str:
        if self.probe is None:
            raise ArgumentError(_NO_PROBE if self.agreement is None else _NO_PROBE_OF_RANKS)
        return self.probe(step)

    def _change(self, edit: Edit, *, bounded: bool) -> str:
        assert edit.step is not None  # noqa: S101 - it was given one
        after = self.edited.with_edit(edit)
        if bounded:
            self.limits.check(edit, self.edited, after)
        was = max(edit.before or self.edited.rates(edit.step), key=abs)
        self._follow(after)
        self.rates.turn(edit.step)
        now = max(self.rates.present(), key=abs)
        return f"rate {was:.4g} -> {now:.4g}"

    def _follow(self, edited: Edited) -> None:
        self.edited = edited
        self.rates.follow(edited)
        total_steps = edited.total_steps
        if total_steps is not None and total_steps != self.fate.total_steps:
            self.fate.total_steps = total_steps
            if self.mailbox is not None:
                self.mailbox.post(lambda store, run: store.set_total(run, total_steps))

    def _roll_back(self, edit: Edit) -> int:
        target: int = edit.value
        if target not in self.snapshots.steps:
            raise ArgumentError(no_snapshot(target, self.snapshots.steps))
        undone = self.edited.with_edit(edit)
        self.snapshots.restore(target)
        for step in self.snapshots.steps:
            if step > target:
                self._drop(step)
        self._follow(undone)
        if self._watchman is not None:
            self._watchman.rolled_back()
        if self.recorder is not None:
            self.recorder.step = target
            self.recorder.begin_attempt(target, f"{edit.words} by {edit.author}")
        return target

    # Snapshots

    def _take(self, step: int, *, asked: bool) -> bool:
        taken, gone = self.snapshots.take(step, asked=asked)
        if self.mailbox is None:
            return taken
        for each in gone:
            self.mailbox.post(_forgetting(each))
        if taken:
            place = self.snapshots.place(step)
            self.mailbox.post(lambda store, run: store.add_snapshot(run, step, place))
        return taken

    def _drop(self, step: int) -> None:
        self.snapshots.drop(step)
        if self.mailbox is not None:
            self.mailbox.post(_forgetting(step))

    # The guard

    def _guarded(self, watchman: Watchman, step: int, loss: float) -> int:
        """Look at a loss, and go back where it left for good."""
        why = watchman.trouble(loss)
        if why is None or self._repeated or self.fate.stopped is not None:
            return step
        way = watchman.way_back(step, self.snapshots.steps)
        if way.useless is not None:
            self._drop(way.useless)
        if self.rescues >= watchman.guard.times or way.target is None:
            self._give_up(why, step)
            return step
        self.rescues += 1
        watchman.rescued(step, way.target)
        in_force = self._highest(step - 1)
        after = self._by_itself(_of_guard(EditKind.ROLLBACK, way.target, why, step))
        undone = self._highest(step - 1)
        factor = 1.0 if way.at_once else watchman.guard.factor
        if undone > 0:
            factor *= min(1.0, in_force / undone) or 1.0
        if factor < 1.0:
            why = f"{why}; rescue {self.rescues} of {watchman.guard.times}"
            self._by_itself(_of_guard(EditKind.SCALE, factor, why, after))
        return after

    def _highest(self, step: int) -> float:
        """The highest rate of an update, or the factor where the rates are somebody else's."""
        return max(map(abs, self.edited.rates(max(step, 0))), default=0.0)

    def _give_up(self, why: str, step: int) -> None:
        self._by_itself(
            _of_guard(EditKind.STOP, None, why, step)
        )  # so that a replay ends here too
        self.fate.gave_up = True
        self.fate.stopped = (
            f"{why} at step {step - 1}, after {self.rescues} rescues. Lower the peak rate or run "
            "learnrate plan; if the loss leaves at the same data each time, look at the data."
        )

    # Resuming

    def state_dict(self) -> dict[str, Any]:
        """The edits and counters, as JSON values."""
        return {
            "edits": [edit.to_dict() for edit in self.edited.edits],
            "position": self.position,
            "sequence": self.sequence,
            "rescues": self.rescues,
            "watchman": None if self._watchman is None else self._watchman.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any], base: Schedule | None) -> None:
        """Take up the edits, over the schedule that the state was saved under."""
        self.base = base
        edits = tuple(Edit.from_dict(each) for each in state["edits"])
        self._follow(Edited(base, edits, self.rates.ratios))
        self.position, self.sequence = state["position"], state["sequence"]
        self.rescues = state["rescues"]
        if self._watchman is not None and state["watchman"] is not None:
            self._watchman.load_state_dict(state["watchman"])
        self._asked.clear()

    def take_up(
        self, stored: Iterable[StoredEdit], step: int, *, later: bool, reason: str
    ) -> None:
        """Edits that took effect after the state was saved: again, each at its step, or undone.

        Where one went back to before the state, the state is of a course that was given up; then
        what stands of the later edits is taken.
        """
        found = [one for one in stored if (one.position or 0) > self.position]
        if not found:
            return
        found.sort(key=lambda one: one.position or 0)
        edits = [as_edit(one, one.step) for one in found]
        self.sequence = max(self.sequence, *(one.sequence for one in found))
        last = found[-1].position or 0
        if not later:
            self.position = last + 1
            reached = max(edit.step or 0 for edit in edits)
            undo = Edit(
                kind=EditKind.ROLLBACK, value=step, author=login(), reason=reason, step=reached
            )
            if self.mailbox is not None:
                self.mailbox.note(undo, self.position, "resumed without later edits")
        elif any(edit.kind is EditKind.ROLLBACK and edit.value < step for edit in edits):
            self._follow(Edited(self.base, (*self.edited.edits, *edits), self.rates.ratios))
            self.position = last
        else:
            self.repeat([edit for edit in edits if edit.kind is not EditKind.STOP], self.position)

    def try_out(self, edit: Edit, step: int) -> None:
        """Refuse at once what would be refused at the next step.

        Raises:
            ArgumentError: it would be.
        """
        self.limits.check_author(edit.author)
        if edit.kind is EditKind.ROLLBACK and edit.value not in self.snapshots.steps:
            raise ArgumentError(no_snapshot(edit.value, self.snapshots.steps))
        if edit.kind in RATE_KINDS:
            made = edit.at_step(step, self.rates.present() if self.base is None else ())
            self.limits.check(made, self.edited, self.edited.with_edit(made))


def _forgetting(step: int) -> Callable[[Store, str], None]:
    return lambda store, run: store.remove_snapshot(run, step)


def _of_guard(kind: EditKind, value: float | None, why: str, step: int) -> Edit:
    return Edit(kind=kind, value=value, author=AUTOMATIC, reason=why, step=step)
