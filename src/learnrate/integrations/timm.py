"""timm: its schedulers as schedules."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._checks import check_whole, kind_of
from learnrate._errors import ArgumentError
from learnrate.schedules import Constant, Cosine, Schedule, Skip, Staircase, Table, Warmup

if TYPE_CHECKING:
    import numpy.typing as npt

    Rates = npt.NDArray[np.float64]

__all__ = ["from_timm"]

_CLOSE = 1e-9  # relative


def from_timm(scheduler: Any, total_steps: int, *, every: int | None = None) -> Schedule:
    """The schedule of a timm scheduler, in updates.

        scheduler, _ = timm.scheduler.create_scheduler_v2(optimizer, num_epochs=90)
        schedule = from_timm(scheduler, 90 * len(loader), every=len(loader))
        run = learnrate.attach(optimizer, schedule)

    It has the rates of the group that was built with the highest rate. The scheduler and its
    optimizer are not changed. Leave out the calls of `scheduler.step` and `step_update` once a run
    sets the rates. A cosine is a cosine with its warm-up; other schedulers are a table.

    Args:
        scheduler: a timm scheduler of the rate, which counts epochs or updates.
        total_steps: updates of the run, at least 1.
        every: updates of an epoch, such as `len(loader)`; needed if the scheduler counts epochs
            (`t_in_epochs=True`), and only then.

    Raises:
        ArgumentError: it is not such a scheduler, or its rates depend on a metric, or `every` is
            missing or superfluous.
    """
    call = "from_timm(scheduler=...)"
    if not hasattr(scheduler, "step_update") or not hasattr(scheduler, "param_group_field"):
        raise ArgumentError(
            f"{call} must be a scheduler of timm; got {kind_of(scheduler)}. For a scheduler "
            "of torch use learnrate.from_torch."
        )
    if hasattr(scheduler, "lr_scheduler") or scheduler.param_group_field != "lr":
        raise ArgumentError(
            f"{call} must set rates that depend on the step alone; got "
            f"{kind_of(scheduler)}. Attach with schedule=None to record what it does, or use "
            "learnrate.controllers.Plateau."
        )
    check_whole("from_timm", "total_steps", total_steps, 1)
    if scheduler.t_in_epochs:
        if every is None:
            raise ArgumentError(
                "from_timm(every=...) must be given for a scheduler that counts epochs: the "
                "updates of an epoch, such as len(loader)."
            )
        check_whole("from_timm", "every", every, 1)
    elif every is not None:
        raise ArgumentError(
            f"from_timm(every=...) must be left out for a scheduler that counts updates; got {every}."
        )
    rates = _rates(scheduler, math.ceil(total_steps / (every or 1)))
    schedule = _form(scheduler, rates)
    if every is None:
        return schedule
    factor, shape = schedule.split()
    stairs = Staircase(shape, every, total_steps)
    return (stairs if factor is None else factor * stairs).over(total_steps)


def _rates(scheduler: Any, count: int) -> Rates:
    """The rates of the highest group, from a copy that is stepped with an empty optimizer."""
    stepped = copy.copy(scheduler)
    top = max(range(len(scheduler.base_values)), key=scheduler.base_values.__getitem__)
    groups: list[dict[str, float]] = [{"lr": rate} for rate in scheduler.base_values]
    stepped.optimizer = SimpleNamespace(param_groups=groups)
    rates = []
    for period in range(count):
        if scheduler.t_in_epochs:
            stepped.step(period)
        else:
            stepped.step_update(period)
        rates.append(float(groups[top]["lr"]))
    return np.array(rates)


def _form(scheduler: Any, rates: Rates) -> Schedule:
    """A cosine with a warm-up where it gives the same rates, else a table."""
    cosine = _cosine(scheduler, len(rates))
    if cosine is not None:
        values = cosine(np.arange(len(rates)))
        if np.allclose(values, rates, rtol=_CLOSE, atol=1e-15 * float(rates.max())):
            return cosine
    highest = float(rates.max())
    if highest == 0:
        return Table(tuple(rates.tolist()))
    return highest * Table(tuple((rates / highest).tolist()))


def _cosine(scheduler: Any, count: int) -> Schedule | None:
    """The closed form of a cosine without restarts; None for another scheduler."""
    if not hasattr(scheduler, "cycle_mul") or not hasattr(scheduler, "lr_min"):
        return None
    peak, warmup = float(max(scheduler.base_values)), int(scheduler.warmup_t)
    fall = Cosine(int(scheduler.t_initial), scheduler.lr_min / peak)
    shape: Schedule = fall
    if warmup:
        tail = fall if scheduler.warmup_prefix else Skip(fall, warmup)
        shape = Warmup(warmup, scheduler.warmup_lr_init / peak).then(tail)
    rest = count - (shape.total_steps or 0)
    if rest > 0:
        shape = shape.then(scheduler.lr_min / peak * Constant(rest))
    return peak * (shape if rest >= 0 else shape.head(count))
