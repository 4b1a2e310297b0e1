"""A hyper-parameter of an optimizer under a schedule: the value of each group at a step."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._errors import ArgumentError
from learnrate._group_scales import scaled_rates
from learnrate.schedules import ready_schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from learnrate.schedules import Schedule

__all__ = ["Group", "Hyperparameter", "check_groups", "hyperparameters"]

Group = dict[str, Any]
BLOCK = 1024  # steps that are evaluated at once, so that an update costs a look-up


class Hyperparameter:
    """A hyper-parameter such as "lr" or "betas[0]", under a schedule.

    The schedule gives the value of the highest group. Each other group keeps its share of it, as
    it was built.

    Args:
        name: the key in the parameter groups, with an index if its value is a tuple.
        schedule: its values.
        only: the index of the one group that is written, with the schedule's value itself; None
            to write all groups.
        skip: indices of groups that have a schedule of their own, and so do not count as highest.

    Raises:
        ArgumentError: the name is not of this form.
    """

    def __init__(
        self, name: str, schedule: Schedule, *, only: int | None = None, skip: Iterable[int] = ()
    ) -> None:
        match = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", name)
        if match is None:
            raise ArgumentError(
                f"hyper={{...}} must name hyper-parameters as 'momentum' or 'betas[0]'; "
                f"got {name!r}."
            )
        self.name, self.key = name, match[1]
        self.index = None if match[2] is None else int(match[2])
        self.schedule, self.only, self.skip = schedule, only, frozenset(skip)
        self.reference: float | None = None
        self.ratios: list[float] = []
        self.first, self.values = 0, list[float]()  # a block of values, from a step on

    @property
    def source(self) -> str:
        """Where the values come from: the text of the schedule."""
        return str(self.schedule)

    def read(self, group: Group) -> float:
        """The present value of a group.

        Raises:
            ArgumentError: the group has no such number.
        """
        try:
            value = group[self.key]
            return float(value if self.index is None else value[self.index])
        except (KeyError, IndexError, TypeError, ValueError):
            known = sorted(key for key in group if key != "params" and "initial_" not in key)
            raise ArgumentError(
                f"hyper={{{self.name!r}: ...}} must name a number of every parameter group; the "
                f"groups of this optimizer have {', '.join(known)}."
            ) from None

    def initial(self, group: Group) -> float:
        """The value a group was built with; kept in the group under the key that torch uses."""
        return float(group.setdefault(f"initial_{self.name}", self.read(group)))

    def add_groups(self, groups: Sequence[Group]) -> None:
        """Work out the shares of new groups; known groups keep theirs."""
        bases = [self.initial(group) for group in groups]
        if self.name == "lr":
            bases = scaled_rates(bases, groups)
        if self.reference is None:
            counted = [base for i, base in enumerate(bases) if i not in self.skip]
            self.reference = max(counted, default=0.0)
        for base in bases[len(self.ratios) :]:
            self.ratios.append(base / self.reference if self.reference > 0 else 1.0)

    def value(self, step: int) -> float:
        """The schedule's value at a step, from the block of its values."""
        index = step - self.first
        if not 0 <= index < len(self.values):
            # Step 0 is a block of its own, so that the second step() checks the order of calls.
            self.first, self.values = step, self._block(step, BLOCK if step > 0 else 1)
            index = 0
        return self.values[index]

    def write_step(self, step: int, groups: Sequence[Group]) -> None:
        """Write the values of a step into the groups."""
        value = self.value(step)
        if self.only is not None:
            self.write(groups[self.only], value)
            return
        if len(self.ratios) < len(groups):
            self.add_groups(groups)
        for group, ratio in zip(groups, self.ratios, strict=False):  # a loaded state may have more
            self.write(group, value * ratio)

    def write(self, group: Group, value: float) -> None:
        """Write one value. A tensor is written in place, so that nothing is compiled again."""
        old = group[self.key]
        if self.index is not None:
            if isinstance(old[self.index], torch.Tensor):
                old[self.index].fill_(value)
            else:
                group[self.key] = (*old[: self.index], value, *old[self.index + 1 :])
        elif isinstance(old, torch.Tensor):
            old.fill_(value)
        else:
            group[self.key] = value

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "values": []}

    def _block(self, step: int, length: int) -> list[float]:
        try:
            values: list[float] = self.schedule(np.arange(step, step + length)).tolist()
        except Exception:  # noqa: BLE001 - a function of the step may fail beyond the last step
            return [self.schedule(step)]
        return values


def check_groups(call: str, schedules: Sequence[object], count: int) -> None:
    """Refuse a list that does not have one schedule, or None, for each parameter group.

    Args:
        call: the argument as typed, such as `"to_torch(groups=...)"`, for the error.
        schedules: what was given.
        count: the number of parameter groups.

    Raises:
        ArgumentError: the list has another length.
    """
    if len(schedules) != count:
        raise ArgumentError(
            f"{call} must have one schedule for each parameter group; got {len(schedules)} for "
            f"{count}. Write None for a group that has no schedule of its own."
        )


def hyperparameters(
    call: str, hyper: Mapping[str, Schedule | Sequence[Schedule | None]], count: int
) -> list[Hyperparameter]:
    """The hyper-parameters besides the rate that have schedules.

    Args:
        call: the function, such as `"to_torch"`, for errors.
        hyper: by name, a schedule of the highest group, or one for each group.
        count: the number of parameter groups.

    Raises:
        ArgumentError: a name or a schedule does not fit.
    """
    result = []
    for name, values in hyper.items():
        argument = f"{call}(hyper={{{name!r}: ...}})"
        if isinstance(values, list | tuple):
            check_groups(argument, values, count)
            result += [
                Hyperparameter(name, ready_schedule(argument, schedule), only=group)
                for group, schedule in enumerate(values)
                if schedule is not None
            ]
        else:
            result.append(Hyperparameter(name, ready_schedule(argument, values)))
    if any(parameter.key == "lr" for parameter in result):
        raise ArgumentError(f"{call}(hyper=...) must not name 'lr'; `schedule` is its schedule.")
    return result
