"""Adopting torch's schedulers: what they would do, read off a copy, as a schedule."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from learnrate._errors import ArgumentError, ScheduleError
from learnrate.schedules import Constant, Schedule, Table
from learnrate.torch_scheduler._dials import Dial
from learnrate.torch_scheduler._forms import closed_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Rates = npt.NDArray[np.float64]

__all__ = ["from_torch", "position"]

_LOOKED_AT = 1000  # updates compared where no total is given
_CLOSE = 1e-9  # torch's recursions round at every update


def from_torch(
    scheduler: LRScheduler,
    total_steps: int | None = None,
    *,
    group: int | None = None,
    name: str = "lr",
) -> Schedule:
    """The schedule that a torch scheduler follows, whichever it is.

        scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=1000)
        scheduler = to_torch(from_torch(scheduler), optimizer)

    The scheduler and its optimizer are not touched: a copy of the scheduler runs over an empty
    optimizer, at some microseconds an update. Where one of our shapes gives the same rates, the
    schedule is that shape; else it is a table. Steps that lie behind the scheduler hold its
    present rate, because a scheduler does not remember its past; rates edited by hand so far are
    adopted as they would have gone on. Without a `total_steps` a `LambdaLR` stays the function it is.

    Args:
        scheduler: Any open-loop scheduler, alone, in sequence or chained.
        total_steps: Updates of the run. May be left out where the scheduler knows its own, or where one
            of our shapes is the same without end.
        group: The parameter group to read; by default the one with the highest rate, which stands
            for all as long as they keep their ratio.
        name: What to read: "lr", or what else the scheduler cycles ("momentum", "betas[0]").

    Raises:
        ArgumentError: the scheduler answers to losses, ends before `total_steps`, or needs a `total_steps`;
            or the groups do not keep their ratio and no `group` is given.
    """
    _refuse_closed_loop(scheduler)
    own_total = getattr(scheduler, "total_steps", None)
    total_steps = own_total if total_steps is None else total_steps
    now = position(scheduler)
    if total_steps is not None and total_steps <= now:
        raise ArgumentError(
            f"from_torch(total_steps=...) must be beyond the scheduler's step, {now}; got {total_steps!r}."
        )
    dial = Dial(name, Constant())
    rates = _simulated(scheduler, (total_steps or now + _LOOKED_AT) - now, dial)
    chosen = _group_of(scheduler, rates, dial) if group is None else group
    column = rates[:, chosen]
    form = closed_form(scheduler, chosen) if name == "lr" else None
    if total_steps is not None and isinstance(scheduler, LambdaLR):
        form = None  # a table can be saved, a function cannot
    found = _where_it_holds(form, column, now, total_steps)
    if found is not None:
        return found
    if total_steps is None:
        raise ArgumentError(
            f"from_torch(total_steps=...) must be given for a {type(scheduler).__name__} as it stands; "
            "it has no end of its own. Give the number of updates of the run."
        )
    return _table(np.concatenate([np.full(now, column[0]), column]))


def _refuse_closed_loop(scheduler: object) -> None:
    if isinstance(scheduler, ReduceLROnPlateau) or not isinstance(scheduler, LRScheduler):
        raise ArgumentError(
            "from_torch(scheduler=...) must be an open-loop torch scheduler; got a "
            f"{type(scheduler).__name__}, whose rates are no function of the step. Multiply a "
            "schedule by one of our controllers instead."
        )


def position(scheduler: Any) -> int:
    """How many steps it has made; a chained scheduler has no count but those of its parts."""
    while not hasattr(scheduler, "last_epoch"):
        scheduler = scheduler._schedulers[0]  # noqa: SLF001 - torch keeps them nowhere else
    return max(int(scheduler.last_epoch), 0)


def _simulated(scheduler: LRScheduler, count: int, dial: Dial) -> Rates:
    """What `count` updates from now on would be made with; a row an update, a column a group."""
    optimizer = _stand_in(scheduler.optimizer)
    twin = copy.deepcopy(scheduler, {id(scheduler.optimizer): optimizer})
    rows = [[dial.read(group) for group in optimizer.param_groups]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own advice, which the user has had already
        for _ in range(count - 1):
            try:
                twin.step()
            except ValueError as error:
                raise ArgumentError(
                    f"from_torch(total_steps=...) is more than the scheduler has: {error}"
                ) from error
            rows.append([dial.read(group) for group in optimizer.param_groups])
    return np.array(rows, dtype=np.float64)


def _stand_in(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """An optimizer with the same groups and nothing to train."""
    empty = torch.optim.SGD([torch.zeros(1)], lr=0.0)
    empty.param_groups = [
        {**copy.deepcopy({k: v for k, v in group.items() if k != "params"}), "params": []}
        for group in optimizer.param_groups
    ]
    empty.defaults = dict(optimizer.defaults)
    return empty


def _group_of(scheduler: LRScheduler, rates: Rates, dial: Dial) -> int:
    """The highest group, if the others keep their share of it."""
    groups: Sequence[dict[str, Any]] = scheduler.optimizer.param_groups
    bases = [
        float(group.get(f"initial_{dial.name}", first))
        for group, first in zip(groups, rates[0], strict=True)
    ]
    top = int(np.argmax(bases))
    ratios = np.array([base / bases[top] if bases[top] > 0 else 1.0 for base in bases])
    if not np.allclose(rates, rates[:, [top]] * ratios, rtol=_CLOSE, atol=0.0):
        raise ArgumentError(
            "from_torch(group=...) must be given here: the parameter groups of this "
            f"{type(scheduler).__name__} do not keep their ratio. Adopt each with group=0, 1, ... "
            "and give them to to_torch(groups=[...])."
        )
    return top


def _where_it_holds(
    form: Schedule | None, column: Rates, now: int, total_steps: int | None
) -> Schedule | None:
    """The closed form, if it gives the same rates all along."""
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
