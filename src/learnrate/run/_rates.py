"""Writers of `group["lr"]`: they decide the rate of each group at an update."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Protocol

import torch

from learnrate._errors import ArgumentError
from learnrate.schedules import Constant
from learnrate.torch_scheduler import Group, Hyperparameter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from torch.optim import Optimizer

    from learnrate.edits import Edited
    from learnrate.run._stepping_check import SteppingCheck
    from learnrate.schedules import Schedule

__all__ = ["ExternalRates", "RateWriter", "ScheduledRates"]

Rate = float | torch.Tensor
"""A tensor on a device is read later, in the recorder's thread."""

_TOLERATED = 2  # updates in a row at a foreign rate; loading a checkpoint causes one
_CLOSE = 1e-9  # relative; torch's recursions round at every update


class RateWriter(Protocol):
    """Sets the rates of the groups. Optimizers are identified by their index."""

    @property
    def highest(self) -> Rate:
        """The highest rate of any group at the update about to happen."""
        ...

    @property
    def ratios(self) -> tuple[float, ...]:
        """The share of each group of the highest rate, over all optimizers in order."""
        ...

    def rates(self) -> tuple[float, ...]:
        """The rate of each group at the update about to happen."""
        ...

    def follow(self, edited: Edited) -> None:
        """Take the rates from a schedule with edits, from the next `set_step` on."""
        ...

    def set_step(self, step: int) -> None:
        """Set the index of the update about to happen."""
        ...

    def before(self, index: int) -> None:
        """Write the rates of an optimizer right before its update."""
        ...

    def after(self, index: int) -> None:
        """Called after the update of an optimizer."""
        ...

    def note_unseen(self) -> None:
        """Called after an update that was not a `step()` of an optimizer."""
        ...

    def used(self) -> tuple[Rate, dict[str, Rate] | None]:
        """The highest rate of the last update, and the rate of each group if ratios changed."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that the rates depend on except the step and the schedule."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the dictionary of `state_dict`."""
        ...


class ScheduledRates:
    """Rates of a schedule: the highest group follows it, and the others keep their share of it.

    A group with a schedule of its own, planned or edited, follows that. Rates are written when a step begins,
    so that they can be read, and again right before the update, so that other writers have no effect.

    Args:
        optimizers: whose groups are set.
        schedule: the schedule of the groups without a schedule of their own.
        stepping_check: watches the calls of a torch scheduler; None without one.
        groups: the schedule of each group over all optimizers; None for those under `schedule`.
        hyper: other hyper-parameters that have schedules, of the groups of all optimizers.
    """

    def __init__(
        self,
        optimizers: Sequence[Optimizer],
        schedule: Schedule,
        stepping_check: SteppingCheck | None = None,
        groups: Sequence[Schedule | None] = (),
        hyper: Sequence[Hyperparameter] = (),
    ) -> None:
        self._optimizers = tuple(optimizers)
        self._stepping_check, self._hyper, self._step = stepping_check, tuple(hyper), 0
        self._shares = [Hyperparameter("lr", schedule) for _ in optimizers]
        self._schedule = Hyperparameter("lr", schedule)
        self._group_schedules = {  # by index over all optimizers
            group: Hyperparameter("lr", rates)
            for group, rates in enumerate(groups)
            if rates is not None
        }
        self._share(frozenset(self._group_schedules))
        self._targets: list[list[float]] = [[] for _ in optimizers]
        self._has_new_groups = False  # since the run was attached
        self._overwritten = 0  # consecutive updates whose rate another writer had overwritten
        self.highest: float = 0.0
        self._used: tuple[float, dict[str, Rate] | None] = (0.0, None)

    def _share(self, planned: frozenset[int]) -> None:
        """Work out the share of each group; 1 for those with a planned schedule."""
        reference = _highest_initial_rate(self._optimizers, planned)
        first = 0
        for shares, optimizer in zip(self._shares, self._optimizers, strict=True):
            shares.reference = reference
            shares.add_groups(optimizer.param_groups)
            shares.ratios = [
                1.0 if first + i in planned else ratio for i, ratio in enumerate(shares.ratios)
            ]
            first += len(shares.ratios)

    @property
    def ratios(self) -> tuple[float, ...]:
        """The share of each group, as it was built; 1 for one with a planned schedule."""
        return tuple(ratio for shares in self._shares for ratio in shares.ratios)

    def rates(self) -> tuple[float, ...]:
        """The rates that were written last, one for each parameter group."""
        return tuple(rate for targets in self._targets for rate in targets)

    def follow(self, edited: Edited) -> None:
        """Take the rates from a schedule with edits, from the next `set_step` on."""
        self._schedule = Hyperparameter("lr", edited.schedule)
        self._group_schedules = {
            group: Hyperparameter("lr", edited.group(group).schedule)
            for group in edited.separate_groups
        }

    def set_step(self, step: int) -> None:
        """Write the rates of a step."""
        self._step = step
        if self._stepping_check is not None and not self._stepping_check.check(step):
            self._stepping_check = None
        self.highest = rate = self._schedule.value(step)
        for index, optimizer in enumerate(self._optimizers):
            shares, groups = self._shares[index], optimizer.param_groups
            if len(groups) > len(shares.ratios):
                shares.add_groups(groups)
                self._has_new_groups = True
            targets = self._targets[index] = [rate * ratio for ratio in shares.ratios]
            i = 0  # iterators cost more than the rest of the loop
            for group in groups:
                if type(group["lr"]) is float:
                    group["lr"] = targets[i]
                else:
                    shares.write(group, targets[i])
                i += 1  # noqa: SIM113
        if self._group_schedules:
            self._set_separate_groups(step)
        if self._hyper:
            self._write_hyper()

    def _write_hyper(self) -> None:
        groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
        for parameter in self._hyper:
            parameter.write_step(self._step, groups)

    def _set_separate_groups(self, step: int) -> None:
        number = 0
        for index, shares in enumerate(self._shares):
            groups = self._optimizers[index].param_groups
            for i, ratio in enumerate(shares.ratios):
                schedule = self._group_schedules.get(number)
                if schedule is not None:
                    self._targets[index][i] = rate = schedule.value(step) * ratio
                    if i < len(groups):  # a loaded state may have more groups
                        shares.write(groups[i], rate)
                number += 1
        self.highest = max(self.rates(), key=abs)

    def before(self, index: int) -> None:
        """Write the rates again if another writer has overwritten them."""
        shares, groups = self._shares[index], self._optimizers[index].param_groups
        targets = self._targets[index]
        if len(groups) > len(targets):
            shares.add_groups(groups)
            self._has_new_groups = True
            targets += [self.highest * ratio for ratio in shares.ratios[len(targets) :]]
        self._used = (self.highest, self._rates_by_group())
        if self._hyper:
            self._write_hyper()
        was_overwritten, i = False, 0
        for group in groups:
            if type(group["lr"]) is not float:
                shares.write(group, targets[i])  # it costs less than reading from a device
            elif group["lr"] != targets[i]:
                group["lr"] = targets[i]
                was_overwritten = True
            i += 1  # noqa: SIM113 - as above
        if was_overwritten or self._overwritten:
            self._count_overwritten(was_overwritten)

    def after(self, index: int) -> None:
        """Leave the rates in the optimizer as the update used them."""

    def note_unseen(self) -> None:
        """Record as the update's rates those that were written when the step began."""
        self._used = (self.highest, self._rates_by_group())

    def _rates_by_group(self) -> dict[str, Rate] | None:
        """The rate of each group; None if the shares at the start of the run give the same rates."""
        is_needed = self._group_schedules or self._has_new_groups
        return _by_group(self.rates()) if is_needed else None

    def used(self) -> tuple[Rate, dict[str, Rate] | None]:
        """The schedule's rate, and the rate of each group if their shares do not give it."""
        return self._used

    def state_dict(self) -> dict[str, Any]:
        """The share that each parameter group has of the highest rate."""
        return {
            "reference": self._shares[0].reference,
            "ratios": [list(shares.ratios) for shares in self._shares],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the shares from a saved state.

        Raises:
            ArgumentError: the state was saved with another number of optimizers.
        """
        if "ratios" not in state:  # saved under a schedule by the clock
            return
        if len(state["ratios"]) != len(self._shares):
            raise ArgumentError(
                f"this state was saved with {len(state['ratios'])} optimizers; the run has "
                f"{len(self._shares)}. Attach to the same number of optimizers."
            )
        for shares, ratios in zip(self._shares, state["ratios"], strict=True):
            shares.reference, shares.ratios = state["reference"], list(ratios)

    def _count_overwritten(self, was_overwritten: bool) -> None:
        self._overwritten = self._overwritten + 1 if was_overwritten else 0
        if self._overwritten == _TOLERATED + 1:
            warnings.warn(
                "something else keeps writing group['lr'], perhaps a torch scheduler that is "
                "still stepped; the run writes its own rate before every update. To follow that "
                "scheduler instead, attach with schedule=None.",
                UserWarning,
                stacklevel=2,
            )


class ExternalRates:
    """Rates that an external scheduler writes; edits change them only during the update.

    After the update the rates are as they were, so that a scheduler which computes its next rate
    from the present one finds its own rate.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._optimizers = tuple(optimizers)
        self._edited: Edited | None = None
        self._step = 0
        reference = _highest_initial_rate(optimizers) or 1.0
        self._ratios = [
            float(group["initial_lr"]) / reference
            for optimizer in optimizers
            for group in optimizer.param_groups
        ]
        self._originals: list[list[Rate] | None] = [None for _ in optimizers]
        self._used: list[list[Rate]] = [[] for _ in optimizers]

    @property
    def highest(self) -> Rate:
        """The highest rate of the external scheduler, multiplied by the edits."""
        return max(self.rates())

    @property
    def ratios(self) -> tuple[float, ...]:
        """The share of each group, as it was built."""
        groups = sum(len(optimizer.param_groups) for optimizer in self._optimizers)
        return (*self._ratios, *[1.0] * (groups - len(self._ratios)))

    def rates(self) -> tuple[float, ...]:
        """The rates of the external scheduler, multiplied by the edits; one for each parameter group."""
        groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
        return tuple(
            self._as_edited(index, float(group["lr"])) for index, group in enumerate(groups)
        )

    def follow(self, edited: Edited) -> None:
        """Change the rates by the edits of a schedule."""
        self._edited = edited if edited.edits else None

    def set_step(self, step: int) -> None:
        """Set the index of the update about to happen. The external scheduler writes the rates."""
        self._step = step

    def _as_edited(self, group: int, rate: Any) -> Any:
        """The rate of a group as edited: the external rate times a factor, or a rate by itself."""
        if self._edited is None:
            return rate
        schedule = self._edited.group(group)
        value = schedule.schedule(self._step)
        if not schedule.absolute:
            return rate if value == 1.0 else rate * value
        return value * (self._ratios[group] if group < len(self._ratios) else 1.0)

    def before(self, index: int) -> None:
        """Replace the scheduler's rates by the edited ones until the update is over."""
        groups = self._optimizers[index].param_groups
        if self._originals[index] is not None:  # the update before this one raised an error
            self.after(index)
        if self._edited is not None:
            first = sum(len(optimizer.param_groups) for optimizer in self._optimizers[:index])
            self._originals[index] = [_copy_of_rate(group) for group in groups]
            for number, group in enumerate(groups, first):
                _write(group, self._as_edited(number, group["lr"]))
        self._used[index] = [_read(group) for group in groups]

    def after(self, index: int) -> None:
        """Write the rates of the external scheduler back."""
        originals, self._originals[index] = self._originals[index], None
        if originals is not None:
            for group, rate in zip(self._optimizers[index].param_groups, originals, strict=False):
                _write(group, rate)

    def note_unseen(self) -> None:
        """Record as the update's rates those in the groups, without edits."""
        for index, optimizer in enumerate(self._optimizers):
            self._used[index] = [_read(group) for group in optimizer.param_groups]

    def used(self) -> tuple[Rate, dict[str, Rate] | None]:
        """The highest rate, and the rate of each group if they left their initial ratio."""
        rates = [rate for group_rates in self._used for rate in group_rates]
        known = [rate for rate in rates if isinstance(rate, float)]
        if len(known) < len(rates):
            return rates[0], _by_group(rates)
        highest = max(known, default=0.0)
        if len(known) == len(self._ratios) and all(
            abs(rate - highest * ratio) <= _CLOSE * highest
            for rate, ratio in zip(known, self._ratios, strict=True)
        ):
            return highest, None
        return highest, _by_group(rates)

    def state_dict(self) -> dict[str, Any]:
        """Empty: the rates belong to the state of the external scheduler."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Ignore the state: the scheduler keeps its own; see `state_dict`."""


def _highest_initial_rate(optimizers: Sequence[Optimizer], planned: Collection[int] = ()) -> float:
    """The highest rate that a group was built with, without those that have planned schedules."""
    rate = Hyperparameter("lr", Constant())
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    rates = [rate.initial(group) for group in groups]
    shared = [rate for i, rate in enumerate(rates) if i not in planned]
    return max(shared or rates)


def _by_group(rates: Iterable[Rate]) -> dict[str, Rate]:
    """Rates by the names of their columns."""
    return {f"lr[{i}]": rate for i, rate in enumerate(rates)}


def _read(group: Group) -> Rate:
    """The rate of a group as a number; on a device, a copy that can be read later."""
    rate = group["lr"]
    if isinstance(rate, torch.Tensor) and rate.device.type != "cpu":
        return rate.detach().clone()
    return float(rate)


def _copy_of_rate(group: Group) -> Rate:
    rate: Rate = group["lr"]
    return rate.detach().clone() if isinstance(rate, torch.Tensor) else rate


def _write(group: Group, rate: Rate) -> None:
    """Write a rate; a tensor is written in place."""
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].copy_(torch.as_tensor(rate))
    else:
        group["lr"] = rate
