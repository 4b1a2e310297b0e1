"""Schedulers of torch as schedules: a copy of the scheduler is stepped, and its rates are read."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from learnrate._checks import kind_of
from learnrate._errors import ArgumentError, ScheduleError
from learnrate.schedules import Constant, Schedule, Shift, Staircase, Table
from learnrate.torch_scheduler._closed_forms import closed_form
from learnrate.torch_scheduler._hyperparameter import Hyperparameter
from learnrate.torch_scheduler._other_values import OtherValues
from learnrate.torch_scheduler._simulation import position, simulated
from learnrate.torch_scheduler._timed import TimedSchedule
from learnrate.torch_scheduler._to_torch import TorchSchedule
from learnrate.torch_scheduler._wrapped import unwrapped_scheduler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.torch_scheduler._simulation import Rates

__all__ = ["adopted", "from_torch"]

_COMPARED = 1000  # steps that are compared if no total is given
_CLOSE = 1e-9  # torch's recursions round at every step
_CLOSEST_TENSOR = 1e-4  # the largest relative difference that a rounded tensor may explain


def from_torch(
    scheduler: LRScheduler,
    total_steps: int | None = None,
    *,
    every: int = 1,
    group: int | None = None,
    name: str | None = None,
) -> Schedule:
    """The schedule of a torch scheduler, whichever it is.

        scheduler = CosineAnnealingLR(optimizer, T_max=1000)
        scheduler = to_torch(from_torch(scheduler, 1000), optimizer)

    A schedule contains only the rate. `OneCycleLR` and `CyclicLR` cycle the momentum too, or the first
    of the betas, unless they were made with `cycle_momentum=False`. `learnrate.attach(optimizer,
    scheduler)` sets both. To convert them, read each by its name:

        rate, momentum = from_torch(scheduler, name="lr"), from_torch(scheduler, name="momentum")
        scheduler = to_torch(rate, optimizer, hyper={"momentum": momentum})

    The scheduler and its optimizer are not changed: a copy of the scheduler is stepped with an
    empty optimizer, which takes some microseconds per step. If a shape of learnrate gives the
    same rates, the schedule is that shape, otherwise a table. Steps before the scheduler's present
    one have its present rate, because a scheduler does not remember its past. If rates were changed
    by hand, the schedule continues from them as the scheduler would. Without `total_steps`, a
    `LambdaLR` stays a function. For a result of `to_torch`, its schedule is returned.

    Args:
        scheduler: any open-loop scheduler, alone, in sequence or chained.
        total_steps: updates of the run. May be omitted if the scheduler has a length, or if a shape
            without an end gives the same rates.
        every: updates between two calls of the scheduler's `step()`, at least 1. For a scheduler that
            is stepped once an epoch, the updates of an epoch, such as `len(loader)`.
        group: index of the parameter group to read; by default the one with the highest rate, which
            represents all groups if they keep their ratio.
        name: the hyper-parameter to read: "lr", or another one that the scheduler sets, such as
            "momentum" or "betas[0]". None reads "lr", and warns if the scheduler sets others too.

    Raises:
        ArgumentError: the scheduler depends on losses or draws at random, ends before
            `total_steps`, or needs `total_steps`; or the groups do not keep their ratio and `group`
            is not given.

    Examples:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
        >>> print(from_torch(scheduler, total_steps=100))
        0.1 * cosine(100)
    """
    scheduler = unwrapped_scheduler("from_torch(scheduler=...)", scheduler)
    _check(scheduler, every)
    others = OtherValues(scheduler) if name is None else None
    schedule = _read(scheduler, total_steps, every, group, (name or "lr", others))
    if others is not None:
        _warn_of_what_is_left_out(scheduler, others)
    return schedule


def adopted(
    scheduler: LRScheduler, total_steps: int | None, every: int
) -> tuple[Schedule, OtherValues]:
    """The schedule of a torch scheduler, and what the scheduler sets besides the rate.

    Args:
        scheduler: as for `from_torch`, without the wrapper of another library.
        total_steps: as for `from_torch`.
        every: as for `from_torch`.

    Raises:
        ArgumentError: as for `from_torch`.
    """
    _check(scheduler, every)
    others = OtherValues(scheduler)
    return _read(scheduler, total_steps, every, None, ("lr", others)), others


def _warn_of_what_is_left_out(scheduler: LRScheduler, others: OtherValues) -> None:
    names = others.changing
    if isinstance(scheduler, TorchSchedule):
        names = list(dict.fromkeys(other.name for other in scheduler.hyper))
    if names:
        hyper = ", ".join(f"{name!r}: from_torch(scheduler, name={name!r})" for name in names)
        warnings.warn(
            f"this {type(scheduler).__name__} sets {' and '.join(names)} too, which the schedule of "
            "the rate does not have. Pass the scheduler itself to learnrate.attach, which sets "
            f"both, or give to_torch or attach hyper={{{hyper}}}. from_torch(scheduler, name='lr') "
            "reads the rate without this warning.",
            UserWarning,
            stacklevel=3,
        )


def _read(
    scheduler: LRScheduler,
    total_steps: int | None,
    every: int,
    group: int | None,
    read: tuple[str, OtherValues | None],
) -> Schedule:
    """The schedule of the quantity `read[0]`; the other values are added to `read[1]`, unless None."""
    name, others = read
    if isinstance(scheduler, TorchSchedule) and group is None and name == "lr" and every == 1:
        return _of_to_torch(scheduler, total_steps)
    called = None if total_steps is None else math.ceil(total_steps / every)
    own_total = getattr(scheduler, "total_steps", None)
    called = own_total if called is None else called
    now = position(scheduler)
    if called is not None and called <= now:
        raise ArgumentError(
            f"from_torch(total_steps=...) must be beyond the scheduler's step, {now * every}; "
            f"got {total_steps!r}."
        )
    parameter = Hyperparameter(name, Constant())
    note = None if others is None else others.note
    rates = simulated(scheduler, (called or now + _COMPARED) - now, parameter, note)
    if others is not None and called is not None:
        others.end()
    chosen = _highest_group(scheduler, rates, parameter) if group is None else group
    column = rates[:, chosen]
    form = closed_form(scheduler, chosen, called) if name == "lr" else None
    if called is not None and isinstance(scheduler, LambdaLR):
        form = None  # a table can be saved, a function cannot
    schedule = _checked_form(form, column, now, called, _tolerance(scheduler, now))
    if schedule is None and called is None:
        raise ArgumentError(
            f"from_torch(total_steps=...) must be given for this {type(scheduler).__name__}, which "
            "has no length of its own. Give the number of updates of the run."
        )
    if schedule is None:
        schedule = _table(np.concatenate([np.full(now, column[0]), column]))
    return schedule if every == 1 else _staircase(schedule, every, total_steps)


def _check(scheduler: object, every: int) -> None:
    if isinstance(scheduler, ReduceLROnPlateau) or not isinstance(scheduler, LRScheduler):
        raise ArgumentError(
            "from_torch(scheduler=...) must be an open-loop torch scheduler; got "
            f"{kind_of(scheduler)}, whose rates are not a function of the step. Use a schedule "
            "with a controller, such as learnrate.controllers.Plateau, instead."
        )
    if isinstance(scheduler, TimedSchedule):
        raise ArgumentError(
            "from_torch(scheduler=...) must be a function of the step; this one reads the clock. Its "
            "attribute `deadline` is the schedule by elapsed time."
        )
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ArgumentError(
            f"from_torch(every=...) must be a whole number of updates, at least 1; got {every!r}."
        )


def _of_to_torch(scheduler: TorchSchedule, total_steps: int | None) -> Schedule:
    schedule = scheduler.schedule
    if total_steps is None or schedule.total_steps == total_steps:
        return schedule
    if schedule.total_steps is None:
        return schedule.over(total_steps)
    raise ArgumentError(
        "from_torch(total_steps=...) must be the length of the schedule that to_torch was given, "
        f"{schedule.total_steps}; got {total_steps!r}. Leave it out."
    )


def _staircase(schedule: Schedule, every: int, total_steps: int | None) -> Schedule:
    """Each value of `schedule` for `every` updates, with the peak in front."""
    factor, shape = schedule.split()
    stairs: Schedule = Staircase(shape, every, total_steps)
    if factor is not None:
        stairs = factor * stairs if factor >= 0 else (-factor * stairs).ascending()
    return stairs if total_steps is None else stairs.over(total_steps)


def _highest_group(scheduler: LRScheduler, rates: Rates, parameter: Hyperparameter) -> int:
    """The index of the highest group, if the others keep their share of it."""
    groups: Sequence[dict[str, Any]] = scheduler.optimizer.param_groups
    bases = [
        float(group.get(f"initial_{parameter.name}", first))
        for group, first in zip(groups, rates[0], strict=True)
    ]
    top = int(np.argmax(bases))
    ratios = np.array([base / bases[top] if bases[top] > 0 else 1.0 for base in bases])
    close = _tolerance(scheduler, position(scheduler))
    least = 1e-15 * float(np.abs(rates[:, top]).max())
    if not np.allclose(rates, rates[:, [top]] * ratios, rtol=close, atol=least):
        raise ArgumentError(
            "from_torch(group=...) must be given here: the parameter groups of this "
            f"{type(scheduler).__name__} do not keep their ratio. Convert each with group=0, 1, ... "
            "and pass the results to to_torch(groups=[...])."
        )
    return top


def _tolerance(scheduler: LRScheduler, now: int) -> float:
    """The relative difference that rounding explains: of tensors once in each step so far."""
    steps = [
        torch.finfo(group["lr"].dtype).eps
        for group in scheduler.optimizer.param_groups
        if isinstance(group["lr"], torch.Tensor) and group["lr"].is_floating_point()
    ]
    return max(_CLOSE, min(2 * (now + 1) * max(steps, default=0.0), _CLOSEST_TENSOR))


def _checked_form(
    form: Schedule | None, column: Rates, now: int, total_steps: int | None, close: float
) -> Schedule | None:
    """The closed form, if it gives the same rates at all steps."""
    if form is None:
        return None
    try:
        bound = form
        if total_steps is not None and form.total_steps != total_steps:
            is_longer = form.total_steps is not None and form.total_steps > total_steps
            bound = form.head(total_steps) if is_longer else form.over(total_steps)
        values = bound(np.arange(now, now + len(column)))
    except ScheduleError:
        return None
    scale = float(np.abs(column).max())
    return bound if np.allclose(values, column, rtol=close, atol=1e-15 * scale) else None


def _table(rates: Rates) -> Schedule:
    highest, lowest = float(rates.max()), float(rates.min())
    if lowest < 0 < highest:
        return Shift(_table(rates - lowest), by=lowest, ascend=True)
    if lowest < 0:
        return _table(-rates).ascending()
    if highest == 0:
        return 0.0 * Constant(len(rates))
    return highest * Table(tuple((rates / highest).tolist()))
