"""Schedulers of torch as schedules: a copy of the scheduler is stepped and its rates are read."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from learnrate._errors import ArgumentError, ScheduleError
from learnrate.schedules import Constant, Schedule, Table
from learnrate.torch_scheduler._closed_forms import closed_form
from learnrate.torch_scheduler._hyperparameter import Hyperparameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Rates = npt.NDArray[np.float64]

__all__ = ["from_torch", "position"]

_COMPARED = 1000  # updates that are compared if no total is given
_CLOSE = 1e-9  # torch's recursions round at every update


def from_torch(
    scheduler: LRScheduler,
    total_steps: int | None = None,
    *,
    group: int | None = None,
    name: str = "lr",
) -> Schedule:
    """The schedule of a torch scheduler, whichever it is.

        scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=1000)
        scheduler = to_torch(from_torch(scheduler), optimizer)

    The scheduler and its optimizer are not changed: a copy of the scheduler is stepped with an
    empty optimizer, which takes some microseconds per update. If a shape of learnrate gives the
    same rates, the schedule is that shape, otherwise a table. Steps before the scheduler's present
    one have its present rate, because a scheduler does not remember its past. Rates that were
    changed by hand count as the scheduler would continue from them. Without `total_steps`, a
    `LambdaLR` stays a function.

    Args:
        scheduler: any open-loop scheduler, alone, in sequence or chained.
        total_steps: updates of the run. May be omitted if the scheduler has a length, or if a shape
            without an end gives the same rates.
        group: index of the parameter group to read; by default the one with the highest rate, which
            represents all groups if they keep their ratio.
        name: the hyper-parameter to read: "lr", or another one that the scheduler cycles, such as
            "momentum" or "betas[0]".

    Raises:
        ArgumentError: the scheduler depends on losses, ends before `total_steps`, or needs
            `total_steps`; or the groups do not keep their ratio and `group` is not given.
    """
    _refuse_closed_loop(scheduler)
    own_total = getattr(scheduler, "total_steps", None)
    total_steps = own_total if total_steps is None else total_steps
    now = position(scheduler)
    if total_steps is not None and total_steps <= now:
        raise ArgumentError(
            f"from_torch(total_steps=...) must be beyond the scheduler's step, {now}; got {total_steps!r}."
        )
    parameter = Hyperparameter(name, Constant())
    rates = _simulated(scheduler, (total_steps or now + _COMPARED) - now, parameter)
    chosen = _highest_group(scheduler, rates, parameter) if group is None else group
    column = rates[:, chosen]
    form = closed_form(scheduler, chosen) if name == "lr" else None
    if total_steps is not None and isinstance(scheduler, LambdaLR):
        form = None  # a table can be saved, a function cannot
    schedule = _checked_form(form, column, now, total_steps)
    if schedule is not None:
        return schedule
    if total_steps is None:
        raise ArgumentError(
            f"from_torch(total_steps=...) must be given for this {type(scheduler).__name__}, which "
            "has no length of its own. Give the number of updates of the run."
        )
    return _table(np.concatenate([np.full(now, column[0]), column]))


def _refuse_closed_loop(scheduler: object) -> None:
    if isinstance(scheduler, ReduceLROnPlateau) or not isinstance(scheduler, LRScheduler):
        raise ArgumentError(
            "from_torch(scheduler=...) must be an open-loop torch scheduler; got a "
            f"{type(scheduler).__name__}, whose rates are not a function of the step. Use a schedule "
            "with a controller, such as learnrate.controllers.Plateau, instead."
        )


def position(scheduler: Any) -> int:
    """The number of steps a scheduler has made; a chained one has only the counts of its parts."""
    while not hasattr(scheduler, "last_epoch"):
        scheduler = scheduler._schedulers[0]  # noqa: SLF001 - torch keeps them nowhere else
    return max(int(scheduler.last_epoch), 0)


def _simulated(scheduler: LRScheduler, count: int, parameter: Hyperparameter) -> Rates:
    """The values of the next `count` updates; one row per update, one column per group."""
    optimizer = _stand_in(scheduler.optimizer)
    twin = copy.deepcopy(scheduler, {id(scheduler.optimizer): optimizer})
    rows = [[parameter.read(group) for group in optimizer.param_groups]]
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the original scheduler has given torch's warnings already
        for _ in range(count - 1):
            try:
                twin.step()
            except ValueError as error:
                raise ArgumentError(
                    f"from_torch(total_steps=...) must not exceed the scheduler's length: {error}"
                ) from error
            rows.append([parameter.read(group) for group in optimizer.param_groups])
    return np.array(rows, dtype=np.float64)


def _stand_in(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """An optimizer with the same groups and no parameters."""
    empty = torch.optim.SGD([torch.zeros(1)], lr=0.0)
    empty.param_groups = [
        {**copy.deepcopy({k: v for k, v in group.items() if k != "params"}), "params": []}
        for group in optimizer.param_groups
    ]
    empty.defaults = dict(optimizer.defaults)
    return empty


def _highest_group(scheduler: LRScheduler, rates: Rates, parameter: Hyperparameter) -> int:
    """The index of the highest group, if the others keep their share of it."""
    groups: Sequence[dict[str, Any]] = scheduler.optimizer.param_groups
    bases = [
        float(group.get(f"initial_{parameter.name}", first))
        for group, first in zip(groups, rates[0], strict=True)
    ]
    top = int(np.argmax(bases))
    ratios = np.array([base / bases[top] if bases[top] > 0 else 1.0 for base in bases])
    if not np.allclose(rates, rates[:, [top]] * ratios, rtol=_CLOSE, atol=0.0):
        raise ArgumentError(
            "from_torch(group=...) must be given here: the parameter groups of this "
            f"{type(scheduler).__name__} do not keep their ratio. Convert each with group=0, 1, ... "
            "and pass the results to to_torch(groups=[...])."
        )
    return top


def _checked_form(
    form: Schedule | None, column: Rates, now: int, total_steps: int | None
) -> Schedule | None:
    """The closed form, if it gives the same rates at all steps."""
    if form is None:
        return None
    try:
        bound = (
            form
            if total_steps is None or form.total_steps == total_steps
            else form.over(total_steps)
        )
    except ScheduleError:
        return None
    steps = np.arange(now, now + len(column))
    scale = float(np.abs(column).max())
    close = np.allclose(bound(steps), column, rtol=_CLOSE, atol=1e-15 * scale)
    return bound if close else None


def _table(rates: Rates) -> Schedule:
    highest = float(rates.max())
    if highest <= 0 and rates.min() < 0:
        return _table(-rates).ascending()
    if highest == 0:
        return 0.0 * Constant(len(rates))
    return highest * Table(tuple((rates / highest).tolist()))
