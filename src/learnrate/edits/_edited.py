"""A base schedule with its edits: again a schedule, and a pure value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from learnrate._errors import ArgumentError
from learnrate.edits._courses import Course, applied
from learnrate.edits._edit import RATE_KINDS, Edit, EditKind, standing
from learnrate.schedules import Constant, Schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Edited", "edited"]


@dataclass(frozen=True, slots=True)
class Edited:
    """A schedule with the edits that changed it, in the order in which they took effect.

    `schedule` is the whole as a plain schedule: it has a text form and JSON, can be drawn, and
    goes into every framework. Training under it gives the rates of the edited run to the bit.

    Args:
        base: what was planned, bound to the run; None where somebody else's scheduler sets the
            rates. Then each edit must have its `before`.
        edits: each with its step; a rollback undoes those that took effect after its target.
        ratios: each parameter group's share of the highest rate.

    Raises:
        ArgumentError: an edit does not fit what the ones before made of the schedule.

    Examples:
        >>> from learnrate import schedule
        >>> half = Edit(kind="scale", value=0.5, author="ann", step=40)
        >>> end = Edit(kind="decay", value=20, author="ann", step=60)
        >>> print(Edited(schedule("0.1 * warmup(10) >> constant(90)"), (half, end)).schedule)
        (0.1 * cut(warmup(10) >> constant(90) * piecewise(boundaries=[40], values=[1, 0.5]), steps=60)) >> (0.05 * linear(20))
    """

    base: Schedule | None
    edits: tuple[Edit, ...] = ()
    ratios: tuple[float, ...] = (1.0,)
    _courses: dict[int | None, Course] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        start = Constant() if self.base is None else self.base
        if not start.ready:
            raise ArgumentError(f"edits need a schedule bound to its run; got {start}.")
        object.__setattr__(self, "edits", tuple(self.edits))
        object.__setattr__(self, "_courses", {None: Course(start)})
        for edit in standing(self.edits):
            self._apply(edit)

    def with_edit(self, edit: Edit) -> Edited:
        """With one more edit, which takes effect last.

        Raises:
            ArgumentError: the edit does not fit.
        """
        made = Edited(self.base, (), self.ratios)
        object.__setattr__(made, "edits", (*self.edits, edit))
        if edit.kind is EditKind.ROLLBACK:
            return Edited(self.base, made.edits, self.ratios)
        object.__setattr__(made, "_courses", dict(self._courses))
        if edit.kind in RATE_KINDS:
            made._apply(edit)
        return made

    @property
    def schedule(self) -> Schedule:
        """What all groups follow that have no edits of their own, as the highest of them does.

        Under somebody else's scheduler, the factor of its rates.
        """
        return self._courses[None].schedule

    @property
    def total_steps(self) -> int | None:
        """The updates of the whole run as edited, if known."""
        return self.schedule.total_steps

    @property
    def held(self) -> bool:
        """Whether the rate of all groups is held, or decays by an edit."""
        return self._courses[None].held

    @property
    def own_groups(self) -> tuple[int, ...]:
        """The groups that have edits of their own."""
        return tuple(sorted(group for group in self._courses if group is not None))

    def course(self, group: int) -> Course:
        """What a group follows, before its share."""
        return self._courses.get(group, self._courses[None])

    def group(self, group: int) -> Schedule:
        """A parameter group's own schedule: its rates, its share counted in."""
        ratio, found = self._ratio(group), self.course(group).schedule
        return found if ratio == 1.0 else ratio * found

    def rates(self, step: int) -> tuple[float, ...]:
        """Each group's rate at a step."""
        return tuple(
            self.course(group).schedule(step) * ratio for group, ratio in enumerate(self.ratios)
        )

    def highest(self, at: int) -> float:
        """The highest rate of any group from a step on."""
        peaks = [
            self.course(group).highest(at) * abs(ratio) for group, ratio in enumerate(self.ratios)
        ]
        return max(peaks)

    def _ratio(self, group: int) -> float:
        if group >= len(self.ratios):
            raise ArgumentError(
                f"there is no group {group}; the run has the groups 0 to {len(self.ratios) - 1}."
            )
        return self.ratios[group]

    def _apply(self, edit: Edit) -> None:
        if edit.step is None:
            raise ArgumentError(f"the edit '{edit}' needs the step it takes effect at.")
        if edit.group is not None:
            self._ratio(edit.group)
        if self.base is None:
            self._check_foreign(edit)
        rates = edit.before if self.base is None else self.rates(edit.step)
        if edit.kind is EditKind.SET:
            edit = self._as_scale(edit, rates)
        touched: list[int | None] = [*self._courses] if edit.group is None else [edit.group]
        if (
            self.base is None
            and edit.kind in {EditKind.HOLD, EditKind.DECAY}
            and edit.group is None
        ):
            touched = [None, *range(len(self.ratios))]  # theirs need not keep their shares
        total_steps, made = self.total_steps, {}
        for group in touched:
            course = self._courses[None] if group is None else self.course(group)
            now = course.schedule(edit.step or 0)
            if self.base is None:
                now = max(rates) if group is None else rates[group] / (self._ratio(group) or 1.0)
            made[group] = applied(course, edit, now, total_steps)
        self._courses.update(made)

    def _check_foreign(self, edit: Edit) -> None:
        if edit.kind in {EditKind.STRETCH, EditKind.FOLLOW}:
            raise ArgumentError(
                f"{edit.kind} needs a schedule of ours; this run's rates are set by a scheduler of "
                "its own."
            )
        if len(edit.before) < len(self.ratios):
            raise ArgumentError(f"the edit '{edit}' needs the rates of each group before it.")

    def _as_scale(self, edit: Edit, rates: Sequence[float]) -> Edit:
        """A `set` as the `scale` that it comes to."""
        sizes = [abs(rate) for rate in rates]
        group = sizes.index(max(sizes)) if edit.group is None else edit.group
        if sizes[group] == 0:
            raise ArgumentError(
                f"the rate is 0 at step {edit.step}, and no factor makes it {edit.value:g}. Follow "
                "a schedule that has this rate instead."
            )
        course = self.course(group)
        factor = edit.value / sizes[group]
        if self.base is not None or course.absolute:
            factor = course.factor_to(edit.value, edit.step or 0, self.ratios[group])
        return replace(edit, kind=EditKind.SCALE, value=factor)


def edited(schedule: Schedule, edits: Iterable[Edit]) -> Schedule:
    """The schedule with its edits, as a plain schedule; see `Edited`.

    Examples:
        >>> from learnrate import schedule
        >>> hold = Edit(kind="hold", author="ann", step=5)
        >>> print(edited(schedule("0.1 * linear(10)"), [hold]))
        (0.1 * cut(linear(10), steps=5)) >> (0.05 * constant(5))
    """
    return Edited(schedule, tuple(edits)).schedule
