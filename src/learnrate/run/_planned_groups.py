"""The schedules of parameter groups and of hyper-parameters that `attach` is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate._checks import refuse
from learnrate._errors import ScheduleError
from learnrate.schedules import ready_schedule
from learnrate.schedules import schedule as read
from learnrate.torch_scheduler import (
    Hyperparameter,
    SetByScheduler,
    check_groups,
    hyperparameters,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch.optim import Optimizer

    from learnrate.schedules import Schedule

__all__ = ["facts_of_groups", "planned_groups"]


def planned_groups(
    optimizers: list[Optimizer],
    bound: Schedule | None,
    groups: Sequence[Schedule | str | float | None] | None,
    hyper: Mapping[str, Any] | None,
    of_torch_scheduler: tuple[Sequence[Schedule | None] | None, Sequence[Hyperparameter]] = (
        None,
        (),
    ),
) -> tuple[tuple[Schedule | None, ...], list[Hyperparameter]]:
    """The schedules of parameter groups, and of other hyper-parameters, bound to the run.

    Args:
        optimizers: the optimizers of the run.
        bound: the schedule of the run; None if an external scheduler sets the rates.
        groups: as for `attach`.
        hyper: as for `attach`.
        of_torch_scheduler: the schedules of groups and the hyper-parameters of a torch scheduler, which count
            where `groups` and `hyper` give no others.

    Raises:
        ArgumentError: they do not fit the optimizers.
        ScheduleError: a schedule cannot be read or bound.
    """
    if bound is None:
        for name, value in (("groups", groups), ("hyper", hyper)):
            if value:
                refuse("attach", name, "None if schedule is None", value)
        return (), []
    count = sum(len(optimizer.param_groups) for optimizer in optimizers)
    total_steps = bound.total_steps
    of_groups: tuple[Schedule | None, ...] = ()
    call = "attach(groups=...)"
    groups = of_torch_scheduler[0] if groups is None else groups
    if groups is not None:
        check_groups(call, groups, count)
    if groups is not None and any(rates is not None for rates in groups):
        of_groups = tuple(_bound_schedule(call, rates, total_steps) for rates in groups)
        for rates in of_groups:
            if rates is not None:
                _check_text(rates)
    values: dict[str, Any] = {
        name: [_bound_schedule("attach(hyper=...)", rates, total_steps) for rates in value]
        if isinstance(value, list | tuple)
        else _bound_schedule("attach(hyper=...)", value, total_steps)
        for name, value in (hyper or {}).items()
    }
    parameters = hyperparameters("attach", values, count)
    everything = [group for optimizer in optimizers for group in optimizer.param_groups]
    for parameter in parameters:
        chosen = everything if parameter.only is None else [everything[parameter.only]]
        for group in chosen:
            parameter.read(group)
    planned = {(parameter.name, parameter.only) for parameter in parameters}
    of_scheduler = [
        parameter
        for parameter in of_torch_scheduler[1]
        if not planned & {(parameter.name, None), (parameter.name, parameter.only)}
    ]
    return of_groups, [*of_scheduler, *parameters]


def _bound_schedule(
    call: str, schedule: Schedule | str | float | None, total_steps: int | None
) -> Schedule | None:
    """A schedule in addition to the run's; it may have another length."""
    if schedule is None:
        return None
    group_schedule = read(schedule)
    if group_schedule.total_steps is None and total_steps is not None:
        group_schedule = group_schedule.over(total_steps)
    return ready_schedule(call, group_schedule)


def _check_text(schedule: Schedule) -> None:
    """Refuse a schedule that the store cannot keep."""
    try:
        schedule.to_json()
    except ScheduleError:
        refuse(
            "attach",
            "groups",
            "schedules with a text form",
            str(schedule),
            "Make a Table of the values of the function.",
        )


def facts_of_groups(
    groups: Sequence[Schedule | None], hyper: Sequence[Hyperparameter]
) -> dict[str, Any]:
    """The record of the schedules of groups and hyper-parameters."""
    facts: dict[str, Any] = {}
    if any(rates is not None for rates in groups):
        facts["group_schedules"] = [None if rates is None else str(rates) for rates in groups]
    for parameter in hyper:
        is_of_all = parameter.only is None or isinstance(parameter, SetByScheduler)
        group = "" if is_of_all else f" of group {parameter.only}"
        facts.setdefault("hyper", {})[f"{parameter.name}{group}"] = parameter.source
    return facts
