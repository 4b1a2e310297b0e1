"""The only writer of `group["lr"]`: which rate each group of some optimizers has at an update."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Protocol

import torch

from learnrate._errors import ArgumentError
from learnrate.schedules import Constant
from learnrate.torch_scheduler import Dial, Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.optim import Optimizer

    from learnrate.edits import Edited
    from learnrate.schedules import Schedule

__all__ = ["Borrowed", "Owned", "Rates"]

Rate = float | torch.Tensor
"""A tensor on a device is read later, by who records it."""

_TOLERATED = 2  # updates in a row at a rate somebody else wrote: loading a checkpoint is one
_CLOSE = 1e-9  # relative; torch's recursions round at every update


class Rates(Protocol):
    """Who decides what rates the groups have; optimizers are known by their number."""

    @property
    def value(self) -> Rate:
        """The highest group's rate at the update about to happen."""
        ...

    @property
    def ratios(self) -> tuple[float, ...]:
        """Each group's share of the highest rate, over all optimizers in order."""
        ...

    def present(self) -> tuple[float, ...]:
        """Each group's rate at the update about to happen."""
        ...

    def follow(self, edited: Edited) -> None:
        """Take the rates from an edited schedule, from the next `turn` on."""
        ...

    def turn(self, step: int) -> None:
        """A step is the next one."""
        ...

    def before(self, number: int) -> None:
        """An optimizer is about to update."""
        ...

    def after(self, number: int) -> None:
        """It has."""
        ...

    def used(self) -> tuple[Rate, dict[str, Rate] | None]:
        """The highest rate of the last update; each group's where they left their ratio."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What the rates depend on beside the step and the schedule."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it up."""
        ...


class Owned:
    """Rates of a schedule: the highest group follows it, the others keep their share of it.

    A group with edits of its own follows what they made of its schedule. Rates are written when a
    step becomes the next one, so that they can be seen, and once more right before the update, so
    that no other writer counts.
    """

    def __init__(self, optimizers: Sequence[Optimizer], schedule: Schedule) -> None:
        self._optimizers = tuple(optimizers)
        self._dials = [Dial("lr", schedule) for _ in optimizers]
        reference = _highest_base(optimizers)
        for dial, optimizer in zip(self._dials, optimizers, strict=True):
            dial.reference = reference
            dial.follow(optimizer.param_groups)
        self._main = Dial("lr", schedule)
        self._own: dict[int, Dial] = {}  # by a group's number over all optimizers
        self._targets: list[list[float]] = [[] for _ in optimizers]
        self._foreign = 0
        self.value: float = 0.0
        self._used: tuple[float, dict[str, Rate] | None] = (0.0, None)

    @property
    def ratios(self) -> tuple[float, ...]:
        """Each group's share, as it was built."""
        return tuple(ratio for dial in self._dials for ratio in dial.ratios)

    def present(self) -> tuple[float, ...]:
        """The rates that were written."""
        return tuple(rate for each in self._targets for rate in each)

    def follow(self, edited: Edited) -> None:
        """Take the rates from an edited schedule, from the next `turn` on."""
        self._main = Dial("lr", edited.schedule)
        self._own = {
            group: Dial("lr", edited.group(group).schedule) for group in edited.edited_groups
        }

    def turn(self, step: int) -> None:
        """Write the rates of a step."""
        self.value = value = self._main.value(step)
        for number, dial in enumerate(self._dials):
            groups = self._optimizers[number].param_groups
            if len(groups) > len(dial.ratios):
                dial.follow(groups)
            self._targets[number] = [value * ratio for ratio in dial.ratios]
        if self._own:
            self._turn_own(step)
        for number, optimizer in enumerate(self._optimizers):
            for group, rate in zip(optimizer.param_groups, self._targets[number], strict=False):
                if type(group["lr"]) is float:
                    group["lr"] = rate
                else:
                    self._dials[number].write(group, rate)

    def _turn_own(self, step: int) -> None:
        at = 0
        for number, dial in enumerate(self._dials):
            for i, ratio in enumerate(dial.ratios):
                own = self._own.get(at)
                if own is not None:
                    self._targets[number][i] = own.value(step) * ratio
                at += 1
        self.value = max(self.present(), key=abs)

    def before(self, number: int) -> None:
        """Write the rates again where somebody else has written."""
        dial, groups = self._dials[number], self._optimizers[number].param_groups
        targets = self._targets[number]
        if len(groups) > len(targets):
            dial.follow(groups)
            targets += [self.value * ratio for ratio in dial.ratios[len(targets) :]]
        self._used = (self.value, self._each() if self._own else None)
        foreign = False
        for group, rate in zip(groups, targets, strict=False):
            if type(group["lr"]) is not float:
                dial.write(group, rate)  # asking a device costs more than telling it
            elif group["lr"] != rate:
                group["lr"] = rate
                foreign = True
        if foreign or self._foreign:
            self._notice(foreign)

    def _each(self) -> dict[str, Rate]:
        return {f"lr[{i}]": rate for i, rate in enumerate(self.present())}

    def after(self, number: int) -> None:
        """Nothing: the rates stay."""

    def used(self) -> tuple[Rate, dict[str, Rate] | None]:
        """The schedule's value, and each group's where one has edits of its own."""
        return self._used

    def state_dict(self) -> dict[str, Any]:
        """What each group's share is."""
        return {
            "reference": self._dials[0].reference,
            "ratios": [list(dial.ratios) for dial in self._dials],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the shares.

        Raises:
            ArgumentError: they are of another number of optimizers.
        """
        if len(state["ratios"]) != len(self._dials):
            raise ArgumentError(
                f"this state is of {len(state['ratios'])} optimizers; the run has "
                f"{len(self._dials)}. Attach to as many."
            )
        for dial, ratios in zip(self._dials, state["ratios"], strict=True):
            dial.reference, dial.ratios = state["reference"], list(ratios)

    def _notice(self, foreign: bool) -> None:
        self._foreign = self._foreign + 1 if foreign else 0
        if self._foreign == _TOLERATED + 1:
            warnings.warn(
                "something else keeps writing group['lr'], perhaps a torch scheduler that is "
                "still stepped; the run writes its own rate before every update. To follow that "
                "scheduler instead, attach with schedule=None.",
                UserWarning,
                stacklevel=2,
            )


class Borrowed:
    """Rates that somebody else writes, as edits change them for the update alone.

    Afterwards they are as they were, so that a scheduler which works out its next rate from the
    present one finds its own.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._optimizers = tuple(optimizers)
        self._edited: Edited | None = None
        self._step = 0
        reference = _highest_base(optimizers) or 1.0
        self._ratios = [
            float(group["initial_lr"]) / reference
            for optimizer in optimizers
            for group in optimizer.param_groups
        ]
        self._lent: list[list[Rate] | None] = [None for _ in optimizers]
        self._used: list[list[Rate]] = [[] for _ in optimizers]

    @property
    def value(self) -> Rate:
        """The highest rate, as edited."""
        return max(self.present())

    @property
    def ratios(self) -> tuple[float, ...]:
        """Each group's share, as it was built."""
        groups = sum(len(optimizer.param_groups) for optimizer in self._optimizers)
        return (*self._ratios, *[1.0] * (groups - len(self._ratios)))

    def present(self) -> tuple[float, ...]:
        """The rates as they stand, as edited."""
        groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
        return tuple(self._changed(at, float(group["lr"])) for at, group in enumerate(groups))

    def follow(self, edited: Edited) -> None:
        """Change the rates as an edited schedule says."""
        self._edited = edited if edited.edits else None

    def turn(self, step: int) -> None:
        """Nothing to write: somebody else does."""
        self._step = step

    def _changed(self, at: int, rate: Any) -> Any:
        """A group's rate as edited: theirs times a factor, or one that is held."""
        if self._edited is None:
            return rate
        course = self._edited.group(at)
        value = course.schedule(self._step)
        if not course.absolute:
            return rate if value == 1.0 else rate * value
        return value * (self._ratios[at] if at < len(self._ratios) else 1.0)

    def before(self, number: int) -> None:
        """Write the rates as edited."""
        groups = self._optimizers[number].param_groups
        if self._lent[number] is not None:  # the update before ended in an error
            self.after(number)
        if self._edited is not None:
            first = sum(len(each.param_groups) for each in self._optimizers[:number])
            self._lent[number] = [_kept(group) for group in groups]
            for at, group in enumerate(groups, first):
                _write(group, self._changed(at, group["lr"]))
        self._used[number] = [_read(group) for group in groups]

    def after(self, number: int) -> None:
        """Give them back as they were."""
        lent, self._lent[number] = self._lent[number], None
        if lent is not None:
            for group, rate in zip(self._optimizers[number].param_groups, lent, strict=False):
                _write(group, rate)

    def used(self) -> tuple[Rate, dict[str, Rate] | None]:
        """The highest rate, and each one's if they are not in the ratio they began with."""
        rates = [rate for each in self._used for rate in each]
        known = [rate for rate in rates if isinstance(rate, float)]
        if len(known) < len(rates):
            return rates[0], {f"lr[{i}]": rate for i, rate in enumerate(rates)}
        highest = max(known, default=0.0)
        ratios = self._ratios
        if len(known) == len(ratios) and all(
            abs(rate - highest * ratio) <= _CLOSE * highest
            for rate, ratio in zip(known, ratios, strict=True)
        ):
            return highest, None
        return highest, {f"lr[{i}]": rate for i, rate in enumerate(rates)}

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the rates are in the state of who writes them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


def _highest_base(optimizers: Sequence[Optimizer]) -> float:
    dial = Dial("lr", Constant())
    return max(dial.base(group) for each in optimizers for group in each.param_groups)


def _read(group: Group) -> Rate:
    """A group's rate as a number; on a device, a copy that can be read later."""
    rate = group["lr"]
    if isinstance(rate, torch.Tensor):
        return float(rate) if rate.device.type == "cpu" else rate.detach().clone()
    return float(rate)


def _kept(group: Group) -> Rate:
    rate: Rate = group["lr"]
    return rate.detach().clone() if isinstance(rate, torch.Tensor) else rate


def _write(group: Group, rate: Rate) -> None:
    """Write a rate; a tensor stays the same tensor."""
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].copy_(torch.as_tensor(rate))
    else:
        group["lr"] = rate
