"""A base schedule with its edits is again a schedule, and a pure value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import ArgumentError
from learnrate.edits._edit import (
    RATE_KINDS,
    Edit,
    EditKind,
    in_effect,
    not_rolled_back,
    undone_by_last,
)
from learnrate.edits._group_schedule import GroupSchedule
from learnrate.schedules import Constant, FromFunction, Schedule
from learnrate.schedules import schedule as read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Edited", "edited"]

_COMPARED = 100_000  # steps at which groups are compared


@dataclass(frozen=True, slots=True)
class Edited:
    """A schedule with the edits that changed it, in the order in which they took effect.

    `schedule` is the result as a plain schedule: it has a text form and JSON, can be drawn, and
    goes into every framework. Training under it gives the rates of the edited run to the last bit.

    Args:
        base: the planned schedule, bound to the run; None if an external scheduler sets the rates.
            Then each edit needs its `before`.
        edits: each with its step; a rollback undoes the edits that took effect after its target.
        ratios: for each parameter group, its share of the highest rate; 1 if the group has a
            planned schedule.
        groups: for each parameter group, the planned schedule of its rate; None for a group that
            follows `base`. Groups beyond the last one follow `base`.

    Raises:
        ArgumentError: an edit does not fit the schedule with the edits before it.

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
    groups: tuple[Schedule | None, ...] = ()
    _groups: dict[int | None, GroupSchedule] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        planned: dict[int | None, Schedule] = {
            None: Constant() if self.base is None else self.base
        }
        planned |= {i: rates for i, rates in enumerate(self.groups) if rates is not None}
        for start in planned.values():
            if not start.ready:
                raise ArgumentError(f"edits need a schedule bound to its run; got {start}.")
        object.__setattr__(self, "edits", tuple(self.edits))
        start_of = {group: GroupSchedule(start) for group, start in planned.items()}
        object.__setattr__(self, "_groups", start_of)
        active = not_rolled_back(self.edits)
        for number, edit in enumerate(active, 1):
            self._apply(edit, active[:number])

    def with_edit(self, edit: Edit) -> Edited:
        """The schedule with one more edit, which takes effect last.

        Raises:
            ArgumentError: the edit does not fit.
        """
        edits = (*self.edits, edit)
        if edit.kind is EditKind.ROLLBACK:
            return replace(self, edits=edits)
        result = Edited(self.base, (), self.ratios, self.groups)
        object.__setattr__(result, "edits", edits)
        object.__setattr__(result, "_groups", dict(self._groups))
        if edit.kind in RATE_KINDS:
            result._apply(edit, edits)
        return result

    @property
    def schedule(self) -> Schedule:
        """The schedule that all groups without one of their own follow, each with its share.

        Under an external scheduler, the factor of its rates.
        """
        return self._groups[None].schedule

    @property
    def highest(self) -> Schedule:
        """The highest rate of any group at each step, as a schedule.

        If no group is the highest one throughout, compared at up to 100,000 steps, it is a
        function without a text form.
        """
        if not self.separate_groups:
            return self.schedule
        groups = list(self.separate_groups)
        sharing = [group for group in range(len(self.ratios)) if group not in groups]
        if sharing:
            groups.append(max(sharing, key=lambda group: abs(self.ratios[group])))
        schedules = [self.schedule_of(group) for group in groups]
        if self.total_steps is not None:
            count = min(self.total_steps, _COMPARED)
            steps = np.linspace(0, self.total_steps - 1, count).round().astype(np.int64)
            sizes = np.abs([rates(steps) for rates in schedules])
            for rates, size in zip(schedules, sizes, strict=True):
                if (size >= sizes.max(axis=0)).all():
                    return rates
        return FromFunction(
            lambda step: max((rates(step) for rates in schedules), key=abs), self.total_steps
        )

    @property
    def total_steps(self) -> int | None:
        """The updates of the whole run as edited, if known."""
        return self.schedule.total_steps

    @property
    def is_held(self) -> bool:
        """Whether an edit of all groups holds the rate or lets it decay."""
        return self._groups[None].is_held

    @property
    def separate_groups(self) -> tuple[int, ...]:
        """The groups with a schedule of their own, planned or by an edit."""
        return tuple(sorted(group for group in self._groups if group is not None))

    def group(self, group: int) -> GroupSchedule:
        """The schedule of a parameter group, not multiplied by its share."""
        return self._groups.get(group, self._groups[None])

    def schedule_of(self, group: int) -> Schedule:
        """The rates of a parameter group, as a schedule."""
        ratio, schedule = self._ratio(group), self.group(group).schedule
        return schedule if ratio == 1.0 else ratio * schedule

    def rates(self, step: int) -> tuple[float, ...]:
        """The rate of each group at a step."""
        return tuple(
            self.group(group).schedule(step) * ratio for group, ratio in enumerate(self.ratios)
        )

    def highest_rate(self, first_step: int) -> float:
        """The highest rate of any group from a step on."""
        return max(
            self.group(group).highest_rate(first_step) * abs(ratio)
            for group, ratio in enumerate(self.ratios)
        )

    def _ratio(self, group: int) -> float:
        if group >= len(self.ratios):
            raise ArgumentError(
                f"there is no group {group}; the run has the groups 0 to {len(self.ratios) - 1}."
            )
        return self.ratios[group]

    def _apply(self, edit: Edit, history: tuple[Edit, ...]) -> None:
        """Change the schedules of the groups.

        Args:
            edit: the last of the history.
            history: all edits so far.
        """
        if edit.step is None:
            raise ArgumentError(f"the edit '{edit}' needs the step it takes effect at.")
        if edit.kind is EditKind.UNDO:
            self._undo(edit.step, history)
        else:
            self._change(edit)

    def _change(self, edit: Edit) -> None:
        if edit.group is not None:
            self._ratio(edit.group)
        if self.base is None:
            self._check_external(edit)
        step = edit.step or 0
        rates = edit.before if self.base is None else self.rates(step)
        if edit.kind is EditKind.SET:
            edit = self._as_scale(edit, rates)
        touched: list[int | None] = [*self._groups] if edit.group is None else [edit.group]
        if (
            self.base is None
            and edit.kind in {EditKind.HOLD, EditKind.DECAY}
            and edit.group is None
        ):
            touched = [None, *range(len(rates))]  # an external scheduler may change the shares
        total_steps, changed = self.total_steps, {}
        for group in touched:
            before = self._of(group)
            if (
                edit.kind is EditKind.STRETCH
                and group is not None
                and before.lasts_until(edit.value)
            ):
                continue
            if edit.kind is EditKind.FOLLOW and edit.group is not None:
                edit = self._as_share(edit)
            rate = before.schedule(step)
            if self.base is None:
                rate = max(rates) if group is None else rates[group] / (self._ratio(group) or 1.0)
            changed[group] = before.with_edit(edit, rate, total_steps)
        self._groups.update(changed)

    def _undo(self, step: int, history: tuple[Edit, ...]) -> None:
        """From a step on, continue as if the edit that is undone had not been made."""
        undone = undone_by_last(history)
        without = Edited(self.base, in_effect(history), self.ratios, self.groups)
        if without.total_steps is not None and without.total_steps <= step:
            raise ArgumentError(
                f"without '{undone.words}' the run has {without.total_steps:,} steps, and {step:,} are made."
            )
        groups = {*self._groups, *without._groups}  # a group may have an edit of its own
        self._groups.update(
            {group: self._of(group).continued_as(without._of(group), step) for group in groups}
        )

    def _of(self, group: int | None) -> GroupSchedule:
        return self._groups[None] if group is None else self.group(group)

    def _check_external(self, edit: Edit) -> None:
        if edit.kind in {EditKind.STRETCH, EditKind.FOLLOW}:
            raise ArgumentError(
                f"{edit.kind} needs a schedule of learnrate; an external scheduler sets the rates of "
                "this run."
            )
        last = max(edit.group or 0, *self.separate_groups, 0)
        if len(edit.before) <= last:  # groups that were added since have no rate in it
            raise ArgumentError(f"the edit '{edit}' needs the rate of each group before it.")

    def _as_share(self, edit: Edit) -> Edit:
        """A `follow` of one group, with the schedule that gives its rate after its share."""
        ratio = self._ratio(edit.group or 0)
        if ratio == 0:
            raise ArgumentError(
                f"group {edit.group} was built with the rate 0 and keeps it; attach with "
                "groups=[...] to give it a schedule."
            )
        return edit if ratio == 1.0 else replace(edit, value=str((1.0 / ratio) * read(edit.value)))

    def _as_scale(self, edit: Edit, rates: Sequence[float]) -> Edit:
        """A `set` as the `scale` that has the same effect."""
        sizes = [abs(rate) for rate in rates]
        group = sizes.index(max(sizes)) if edit.group is None else edit.group
        if sizes[group] == 0:
            raise ArgumentError(
                f"the rate is 0 at step {edit.step}, and no factor makes it {edit.value:g}. Follow "
                "a schedule that has this rate instead."
            )
        before = self.group(group)
        factor = edit.value / sizes[group]
        if self.base is not None or before.absolute:
            factor = before.factor_to_reach(edit.value, edit.step or 0, self.ratios[group])
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
