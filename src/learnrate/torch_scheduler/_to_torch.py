"""Schedules as schedulers of torch."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod, ref

import torch
from torch.optim.lr_scheduler import LRScheduler

from learnrate._checks import kind_of
from learnrate._errors import ArgumentError
from learnrate.schedules import ready_schedule, timed
from learnrate.torch_scheduler._hyperparameter import (
    Hyperparameter,
    check_groups,
    hyperparameters,
)
from learnrate.torch_scheduler._timed import Stopwatch, TimedSchedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch.optim import Optimizer

    from learnrate.schedules import Deadline, Schedule

__all__ = ["TorchSchedule", "to_torch"]


def to_torch(
    schedule: Schedule | Deadline,
    optimizer: Optimizer,
    *,
    groups: Sequence[Schedule | None] | None = None,
    hyper: Mapping[str, Schedule | Sequence[Schedule | None]] | None = None,
    step: int = 0,
) -> Any:
    """A torch scheduler that trains `optimizer` under `schedule`.

        scheduler = to_torch(3e-4 * Warmup(500).then(Cosine(9500)), optimizer)
        for batch in loader:
            ...
            optimizer.step()
            scheduler.step()

    Update s uses the rate `schedule(s)`, from the first update on. The schedule gives the rate of
    the highest parameter group. The other groups keep their share of it, as they were built; so
    does a group that is added later, from its first update on. Only the schedule writes the rates:
    a value written to `group["lr"]` by hand lasts until the next `scheduler.step()`. To change a
    running schedule, make a new scheduler: `to_torch(0.5 * schedule, optimizer, step=s)`.

    Rates are a function of the step and of the rates the groups were built with, so a run resumes
    from one integer: `step=s`, or `load_state_dict` of a saved state or of any dictionary with a
    `last_epoch`, including the state of another scheduler. It makes no difference to the rates
    whether the state of the optimizer is restored too, or in which order.

    Args:
        schedule: the rate of each step, bound to a run. Values are rates, not factors. Or a
            `Deadline`: then the rate is that of the seconds since this call, or since the first one
            if a state is loaded.
        optimizer: the optimizer. Rates that are tensors are written in place.
        groups: for each parameter group, in order, a schedule that gives the rate of the group; None
            for a group that follows `schedule`. Groups that are added later follow `schedule`.
        hyper: schedules of other hyper-parameters, by name: "momentum", "weight_decay",
            "betas[0]". As with the rate, a schedule gives the value of the highest group and the
            other groups keep their share: a group built without weight decay keeps none. A list
            has a schedule for each group, or None for a group that keeps its value.
        step: 0-based index of the update about to happen.

    Raises:
        ArgumentError: a schedule is not bound to a run, or does not fit the optimizer.

    Examples:
        >>> from learnrate import schedule
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> scheduler = to_torch(schedule("0.1 * linear(4)"), optimizer)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.05]
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ArgumentError(
            f"to_torch(optimizer=...) must be a torch.optim.Optimizer; got {kind_of(optimizer)}."
        )
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise ArgumentError(
            f"to_torch(step=...) must be a whole number of at least 0; got {step!r}."
        )
    deadline = timed(schedule)
    if deadline is not None:
        _leave_out_of_compiled_functions()
        if groups is not None or hyper:
            raise ArgumentError(
                "to_torch(groups=..., hyper=...) need a schedule in steps; got a Deadline."
            )
        return TimedSchedule(optimizer, deadline, step, Stopwatch())
    group_rates = _group_rates(groups, len(optimizer.param_groups))
    rate = Hyperparameter(
        "lr",
        ready_schedule("to_torch(schedule=...)", schedule),
        skip=[parameter.only for parameter in group_rates if parameter.only is not None],
    )
    others = hyperparameters("to_torch", hyper or {}, len(optimizer.param_groups))
    return TorchSchedule(optimizer, rate, [*group_rates, *others], step)


class TorchSchedule(LRScheduler):
    """The result of `to_torch`: an `LRScheduler` whose only counter is `last_epoch`."""

    def __init__(
        self,
        optimizer: Optimizer,
        rate: Hyperparameter,
        others: Sequence[Hyperparameter],
        step: int,
    ) -> None:
        self._rate = rate
        self._others = tuple(others)
        for parameter in (self._rate, *self._others):
            parameter.add_groups(optimizer.param_groups)
        super().__init__(optimizer, step - 1)
        _leave_out_of_compiled_functions()
        self._watch_added_groups()

    @property
    def schedule(self) -> Schedule:
        """The schedule that the rate follows."""
        return self._rate.schedule

    @property
    def groups(self) -> list[Schedule | None]:
        """The schedule of each parameter group; None for those that follow `schedule`."""
        schedules = {other.only: other.schedule for other in self._others if other.key == "lr"}
        return [schedules.get(index) for index in range(len(self.optimizer.param_groups))]

    @property
    def hyper(self) -> list[Hyperparameter]:
        """The hyper-parameters besides the rate that have schedules."""
        return [other for other in self._others if other.key != "lr"]

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next update, or of the update with index `epoch`."""
        # Iterators and attributes take most of the time of an update, so this is one loop with its own
        # counter, over values that were computed ahead.
        rate, step, groups = self._rate, self.last_epoch + 1, self.optimizer.param_groups
        index, ratios = step - rate.first, rate.ratios
        if not 0 <= index < len(rate.values) or epoch is not None or len(groups) > len(ratios):
            self._warn_of_order(epoch)
            self._update_lr(epoch)
            return
        self.last_epoch = step
        value, i = rate.values[index], 0
        for group in groups:
            if type(group["lr"]) is float:
                group["lr"] = value * ratios[i]
            else:
                rate.write(group, value * ratios[i])
            i += 1  # noqa: SIM113 - enumerate() costs more than the rest of the loop
        if self._others:
            self._write_others()

    def get_lr(self) -> list[float | torch.Tensor]:
        """The rate of each group at the present step; a tensor if the group has a tensor."""
        return [
            torch.full_like(group["lr"], value) if isinstance(group["lr"], torch.Tensor) else value
            for group, value in zip(self.optimizer.param_groups, self._rates(), strict=True)
        ]

    def get_last_lr(self) -> list[float | torch.Tensor]:
        """The rate of each group at the present step."""
        return self.get_lr()

    def state_dict(self) -> dict[str, Any]:
        """The step and the share of each group, as plain numbers."""
        return {
            "last_epoch": self.last_epoch,
            "_last_lr": self._rates(),
            "dials": {
                parameter.name: {
                    "reference": parameter.reference,
                    "ratios": list(parameter.ratios),
                }
                for parameter in (self._rate, *self._others)
                if parameter.only is None
            },
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a saved step, and write its rates immediately.

        Args:
            state_dict: the result of `state_dict`, or any dictionary with a `last_epoch`.

        Raises:
            ArgumentError: there is no `last_epoch`.
        """
        if not isinstance(state_dict.get("last_epoch"), int):
            raise ArgumentError(
                "load_state_dict(state_dict=...) must have a whole number 'last_epoch'; got the "
                f"keys {sorted(state_dict)}."
            )
        self.last_epoch = state_dict["last_epoch"]
        for parameter in (self._rate, *self._others):
            saved = state_dict.get("dials", {}).get(parameter.name)
            if saved is not None and parameter.only is None:
                parameter.reference = saved["reference"]
                parameter.ratios = list(saved["ratios"])
        self._write()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._watch_added_groups()

    # Schedulers of torch and accelerate use these.

    @property
    def _step_count(self) -> int:
        return self.last_epoch + 1

    @_step_count.setter
    def _step_count(self, value: int) -> None:
        """Ignored: the count follows from `last_epoch`."""

    @property
    def _last_lr(self) -> list[float | torch.Tensor]:  # type: ignore[override]  # read-only
        return self.get_lr()

    def _initial_step(self) -> None:
        self._update_lr()

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._write()

    def _present_step(self) -> int:
        return max(self.last_epoch, 0)

    def _rates(self) -> list[float]:
        groups, value = self.optimizer.param_groups, self._rate.value(self._present_step())
        if len(self._rate.ratios) < len(groups):
            self._rate.add_groups(groups)
        rates = [value * ratio for ratio in self._rate.ratios[: len(groups)]]
        for parameter in self._others:
            if parameter.only is not None and parameter.key == "lr":
                rates[parameter.only] = parameter.value(self._present_step())
        return rates

    def _write(self) -> None:
        self._rate.write_step(self._present_step(), self.optimizer.param_groups)
        self._write_others()

    def _write_others(self) -> None:
        for parameter in self._others:
            parameter.write_step(self._present_step(), self.optimizer.param_groups)

    def _warn_of_order(self, epoch: int | None) -> None:
        is_counted = hasattr(self.optimizer.step, "_wrapped_by_lr_sched")
        called = getattr(self.optimizer, "_opt_called", False)
        if self.last_epoch == 0 and epoch is None and is_counted and not called:
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(), so the first rate of the "
                "schedule is skipped. Call optimizer.step() first.",
                UserWarning,
                stacklevel=3,
            )

    def _watch_added_groups(self) -> None:
        # Otherwise the first update of a new group would use the rate the group was built with.
        present = self.optimizer.add_param_group
        add_plainly, scheduler = getattr(present, "_plain", None), ref(self)
        if add_plainly is None:
            # A bound method would be a cycle that keeps the optimizer and its state alive.
            add_plainly = WeakMethod(present) if hasattr(present, "__self__") else lambda: present

        def add_param_group(param_group: dict[str, Any]) -> None:
            add = add_plainly()
            if add is not None:
                add(param_group)
            present_scheduler = scheduler()
            if present_scheduler is not None:
                present_scheduler._write()  # noqa: SLF001 - of this class

        add_param_group._plain = add_plainly  # type: ignore[attr-defined]  # noqa: SLF001 - of this module
        self.optimizer.add_param_group = add_param_group  # type: ignore[method-assign]


@cache
def _leave_out_of_compiled_functions() -> None:
    """Make `torch.compile` call this package without compiling it, like torch's schedulers.

    Otherwise a function that calls `scheduler.step()` would be compiled again for every step. Making
    an optimizer has loaded torch's compiler already.
    """
    from torch._dynamo import trace_rules  # noqa: PLC0415 - slow to load before an optimizer exists

    trace_rules.add("learnrate")


def _group_rates(groups: Sequence[Schedule | None] | None, count: int) -> list[Hyperparameter]:
    if groups is None:
        return []
    check_groups("to_torch(groups=...)", groups, count)
    return [
        Hyperparameter("lr", ready_schedule(f"to_torch(groups=...)[{i}]", rates), only=i)
        for i, rates in enumerate(groups)
        if rates is not None
    ]
