"""One hyper-parameter of an optimizer's groups: which value each group has at a step."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from learnrate.schedules import Schedule

__all__ = ["Dial", "Group"]

Group = dict[str, Any]
BLOCK = 512  # steps evaluated at once: an update then costs a look-up


class Dial:
    """A hyper-parameter by its name, such as "lr" or "betas[0]", under a schedule.

    The schedule gives the highest group's value; every other group keeps the share of it that it
    was built with. With `only`, it is that one group's value, and no other is written. `skip`
    holds the groups that have such a dial of their own, which do not count for the highest.
    """

    def __init__(
        self, name: str, schedule: Schedule, *, only: int | None = None, skip: Iterable[int] = ()
    ) -> None:
        found = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", name)
        if found is None:
            raise ArgumentError(
                f"hyper={{...}} must name hyper-parameters as 'momentum' or 'betas[0]'; "
                f"got {name!r}."
            )
        self.name, self.key = name, found[1]
        self.index = None if found[2] is None else int(found[2])
        self.schedule, self.only, self.skip = schedule, only, frozenset(skip)
        self.reference: float | None = None
        self.ratios: list[float] = []
        self.first, self.values = (
            0,
            list[float](),
        )  # the block of values worked out, from a step on

    def read(self, group: Group) -> float:
        """The value a group has now."""
        try:
            value = group[self.key]
            return float(value if self.index is None else value[self.index])
        except (KeyError, IndexError, TypeError, ValueError):
            known = sorted(key for key in group if key != "params" and "initial_" not in key)
            raise ArgumentError(
                f"hyper={{{self.name!r}: ...}} must name a number of every parameter group; the "
                f"groups of this optimizer have {', '.join(known)}."
            ) from None

    def base(self, group: Group) -> float:
        """The value a group was built with, remembered in the group where torch does too."""
        return float(group.setdefault(f"initial_{self.name}", self.read(group)))

    def follow(self, groups: Sequence[Group]) -> None:
        """Learn the shares of groups that are new; those known keep theirs."""
        bases = [self.base(group) for group in groups]
        if self.reference is None:
            counted = [base for i, base in enumerate(bases) if i not in self.skip]
            self.reference = max(counted, default=0.0)
        for base in bases[len(self.ratios) :]:
            self.ratios.append(base / self.reference if self.reference > 0 else 1.0)

    def value(self, step: int) -> float:
        """The schedule's value at a step, from the block it lies in."""
        at = step - self.first
        if not 0 <= at < len(self.values):
            # Step 0 stands alone, so that the scheduler's second call is looked at closely.
            self.first, self.values = step, self._block(step, BLOCK if step > 0 else 1)
            at = 0
        return self.values[at]

    def turn(self, step: int, groups: Sequence[Group]) -> None:
        """Write the values of a step into the groups."""
        value = self.value(step)
        if self.only is not None:
            self.write(groups[self.only], value)
            return
        if len(self.ratios) < len(groups):
            self.follow(groups)
        for group, ratio in zip(groups, self.ratios, strict=False):  # shares may wait for groups
            self.write(group, value * ratio)

    def write(self, group: Group, value: float) -> None:
        """Write one value; a tensor stays the same tensor, so that nothing is compiled again."""
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
        except Exception:  # noqa: BLE001 - a function of the step may end before the block does
            return [self.schedule(step)]
        return values
