"""The only writer of `group["lr"]`: which rate each group of some optimizers has at an update."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Protocol

import torch

from learnrate._errors import ArgumentError
from learnrate.integrations._torch_dials import Dial, Group
from learnrate.schedules import Constant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.optim import Optimizer

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

    They are written when a step becomes the next one, so that they can be seen, and once more
    right before the update, so that no other writer counts.
    """

    def __init__(
        self,
        optimizers: Sequence[Optimizer],
        schedule: Schedule,
        value: Callable[[int], float] | None = None,
    ) -> None:
        self._optimizers = tuple(optimizers)
        self._dials = [Dial("lr", schedule) for _ in optimizers]
        reference = _highest_base(optimizers)
        for dial, optimizer in zip(self._dials, optimizers, strict=True):
            dial.reference = reference
            dial.follow(optimizer.param_groups)
        self._value_at = self._dials[0].value if value is None else value
        self._closed_loop = value is not None
        self._step = self._foreign = 0
        self.value: float = 0.0
        self._used = 0.0

    def turn(self, step: int) -> None:
        """Write the rates of a step."""
        self._step, self.value = step, self._value_at(step)
        value = self.value
        for dial, optimizer in zip(self._dials, self._optimizers, strict=True):
            groups, ratios = optimizer.param_groups, dial.ratios
            if len(groups) > len(ratios):
                dial.follow(groups)
            i = 0
            for group in groups:
                if type(group["lr"]) is float:
                    group["lr"] = value * ratios[i]
                else:
                    dial.write(group, value * ratios[i])
                i += 1  # noqa: SIM113 - enumerate() costs more than the rest of the loop

    def before(self, number: int) -> None:
        """Write the rates again where somebody else has written."""
        dial, groups = self._dials[number], self._optimizers[number].param_groups
        if self._closed_loop:  # somebody may have edited it since
            self.value = self._value_at(self._step)
        self._used = value = self.value
        if len(groups) > len(dial.ratios):
            dial.follow(groups)
        ratios, foreign, i = dial.ratios, False, 0
        for group in groups:
            if type(group["lr"]) is not float:
                dial.write(group, value * ratios[i])  # asking a device costs more than telling it
            elif group["lr"] != value * ratios[i]:
                group["lr"] = value * ratios[i]
                foreign = not self._closed_loop
            i += 1  # noqa: SIM113 - as above
        if foreign or self._foreign:
            self._notice(foreign)

    def after(self, number: int) -> None:
        """Nothing: the rates stay."""

    def used(self) -> tuple[Rate, dict[str, Rate] | None]:
        """The schedule's value."""
        return self._used, None

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
    """Rates that somebody else writes, times a factor that lasts for the update alone.

    Afterwards they are as they were, so that a scheduler which works out its next rate from the
    present one finds its own.
    """

    def __init__(self, optimizers: Sequence[Optimizer], factor: Callable[[], float]) -> None:
        self._optimizers = tuple(optimizers)
        self._factor = factor
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
        """The highest rate as it stands, times the factor."""
        groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
        return max(float(group["lr"]) for group in groups) * self._factor()

    def turn(self, step: int) -> None:
        """Nothing: somebody else writes them."""

    def before(self, number: int) -> None:
        """Multiply."""
        groups, factor = self._optimizers[number].param_groups, self._factor()
        if self._lent[number] is not None:  # the update before ended in an error
            self.after(number)
        if factor != 1.0:
            self._lent[number] = [_kept(group) for group in groups]
            for group in groups:
                _write(group, group["lr"] * factor)
        self._used[number] = [_read(group) for group in groups]

    def after(self, number: int) -> None:
        """Take the factor off again."""
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
