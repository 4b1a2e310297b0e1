"""Shapes that should give the rates of a torch scheduler. The caller checks that they do."""

from __future__ import annotations

from functools import reduce
from operator import mul
from typing import TYPE_CHECKING, Any

from torch.optim import lr_scheduler as torch_schedulers

from learnrate._errors import ScheduleError
from learnrate.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    ExpRange,
    FromFunction,
    Interpolated,
    Linear,
    MultiStep,
    Polynomial,
    Schedule,
    Step,
    Triangular,
    Triangular2,
    Warmup,
    one_cycle_torch,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["closed_form"]


def closed_form(
    scheduler: torch_schedulers.LRScheduler, group: int, total_steps: int | None
) -> Schedule | None:
    """The shape for one group of a scheduler, in rates; None if there is no such shape.

    Args:
        scheduler: a scheduler of torch.
        group: index of the parameter group.
        total_steps: steps of the run; None if they are not known.
    """
    write = _FORMS.get(type(scheduler))  # a subclass may mean something else
    try:
        if write is not None:
            return write(scheduler, group)
        if type(scheduler) is torch_schedulers.CosineAnnealingLR:
            return _cosine(scheduler, group, total_steps)
        if type(scheduler) is torch_schedulers.SequentialLR:
            return _sequence(scheduler, group, total_steps)
        if type(scheduler) is torch_schedulers.ChainedScheduler:
            return _product(scheduler, group, total_steps)
    except (ScheduleError, ZeroDivisionError):  # rates that the shape does not allow
        pass
    return None


def _base(scheduler: Any, group: int) -> float:
    return float(scheduler.base_lrs[group])


def _scaled_by(factor: float, shape: Schedule) -> Schedule:
    return shape if factor == 1 else factor * shape


def _share(part: float, whole: float) -> float:
    # Tenths are not exact in binary; 15 figures are what a double holds.
    return float(f"{part / whole:.15g}")


def _constant(scheduler: Any, group: int) -> Schedule:
    first = _scaled_by(scheduler.factor, Constant(scheduler.total_iters))
    return _base(scheduler, group) * first.then(Constant())


def _linear(scheduler: Any, group: int) -> Schedule:
    first, last, steps = scheduler.start_factor, scheduler.end_factor, scheduler.total_iters
    if first <= last:
        line = _scaled_by(last, Warmup(steps, start=_share(first, last)))
    else:
        line = _scaled_by(first, Linear(steps, floor=_share(last, first)))
    return _base(scheduler, group) * line.then(_scaled_by(last, Constant()))


def _step(scheduler: Any, group: int) -> Schedule:
    return _base(scheduler, group) * Step(factor=scheduler.gamma, every=scheduler.step_size)


def _multi_step(scheduler: Any, group: int) -> Schedule:
    milestones = tuple(sorted(scheduler.milestones.elements()))
    return _base(scheduler, group) * MultiStep(factor=scheduler.gamma, boundaries=milestones)


def _exponential(scheduler: Any, group: int) -> Schedule:
    return _base(scheduler, group) * Exponential(factor=scheduler.gamma, every=1)


def _polynomial(scheduler: Any, group: int) -> Schedule:
    fall = Polynomial(scheduler.total_iters, power=scheduler.power)
    return _base(scheduler, group) * fall.then(0.0 * Constant())


def _cosine(scheduler: Any, group: int, total_steps: int | None) -> Schedule:
    base, half = _base(scheduler, group), scheduler.T_max
    floor = _share(scheduler.eta_min, base)
    if total_steps is None or total_steps <= half:
        return base * Cosine(half, floor=floor)
    # torch's cosine rises again after its end, and falls again.
    turns = range(1, -(-total_steps // half) + 1)
    values = (1.0, *(floor if turn % 2 else 1.0 for turn in turns))
    boundaries = tuple(half * turn for turn in turns)
    return base * Interpolated(boundaries=boundaries, values=values, curve="cosine")


def _sequence(scheduler: Any, group: int, total_steps: int | None) -> Schedule | None:
    """The parts in a row, each for the steps between two milestones."""
    starts = [0, *scheduler._milestones]  # noqa: SLF001 - torch keeps them nowhere else
    stops = [*starts[1:], total_steps]
    parts = []
    for part, start, stop in zip(scheduler._schedulers, starts, stops, strict=True):  # noqa: SLF001
        steps = None if stop is None else stop - start
        if steps is not None and steps <= 0:
            continue
        form = closed_form(part, group, steps)
        if form is None:
            return None
        parts.append(form if steps is None else _first_steps(form, steps))
    return _joined(parts)


def _first_steps(form: Schedule, steps: int) -> Schedule:
    """The first steps of a form; after its end it stays at its last value."""
    if form.total_steps is not None and form.total_steps > steps:
        return form.head(steps)
    if form.total_steps is not None and form.total_steps < steps:
        factor = form(form.total_steps)
        form = form.then(_scaled_by(factor, Constant()))
    try:
        return form.over(steps)
    except ScheduleError:  # a part that is longer
        return form.head(steps)


def _joined(parts: list[Schedule]) -> Schedule:
    """Parts in a row, with the factor in front if they have one in common."""
    if len(parts) == 1:
        return parts[0]
    pairs = [part.split() for part in parts]
    factors = {factor for factor, _ in pairs}
    first, *rest = parts
    if len(factors) == 1 and (factor := factors.pop()) is not None and factor > 0:
        first, *rest = (shape for _, shape in pairs)
        return factor * first.then(*rest)
    return first.then(*rest)


def _product(scheduler: Any, group: int, total_steps: int | None) -> Schedule | None:
    """The base rate times the shapes of the parts."""
    shapes = []
    for part in scheduler._schedulers:  # noqa: SLF001 - torch keeps them nowhere else
        form = closed_form(part, group, total_steps)
        if form is None:
            return None
        factor, shape = form.split()
        shapes.append(_scaled_by((1.0 if factor is None else factor) / _base(part, group), shape))
    base = _base(scheduler._schedulers[0], group)  # noqa: SLF001
    return base * reduce(mul, shapes)


def _restarts(scheduler: Any, group: int) -> Schedule:
    base = _base(scheduler, group)
    floor = _share(scheduler.eta_min, base)
    return base * CosineRestarts(every=scheduler.T_0, growth=scheduler.T_mult, floor=floor)


def _cyclic(scheduler: Any, group: int) -> Schedule:
    low, high = _base(scheduler, group), float(scheduler.max_lrs[group])
    every, rise, floor = scheduler.total_size, scheduler.step_ratio, _share(low, high)
    if scheduler._scale_fn_custom is not None:  # noqa: SLF001 - torch keeps it nowhere else
        raise ScheduleError("a function of its own")
    if scheduler.mode == "triangular":
        return high * Triangular(every=every, rise=rise, floor=floor)
    if scheduler.mode == "triangular2":
        return high * Triangular2(every=every, rise=rise, floor=floor)
    return high * ExpRange(every=every, factor=scheduler.gamma**every, rise=rise, floor=floor)


def _one_cycle(scheduler: Any, group: int) -> Schedule:
    phases: list[Any] = scheduler._schedule_phases  # noqa: SLF001 - torch keeps it nowhere else
    values = scheduler.optimizer.param_groups[group]
    peak = float(values["max_lr"])
    return peak * one_cycle_torch(
        scheduler.total_steps,
        round(phases[0]["end_step"]) + 1,
        start=_share(float(values["initial_lr"]), peak),
        floor=_share(float(values["min_lr"]), peak),
        curve="cosine" if scheduler._anneal_func_type == "cos" else "linear",  # noqa: SLF001
        phases=3 if len(phases) == 3 else 2,
    )


def _lambda(scheduler: Any, group: int) -> Schedule:
    function: Callable[[int], float] = scheduler.lr_lambdas[group]
    return _base(scheduler, group) * FromFunction(function)


_FORMS: dict[type, Callable[[Any, int], Schedule]] = {
    torch_schedulers.ConstantLR: _constant,
    torch_schedulers.LinearLR: _linear,
    torch_schedulers.StepLR: _step,
    torch_schedulers.MultiStepLR: _multi_step,
    torch_schedulers.ExponentialLR: _exponential,
    torch_schedulers.PolynomialLR: _polynomial,
    torch_schedulers.CosineAnnealingWarmRestarts: _restarts,
    torch_schedulers.CyclicLR: _cyclic,
    torch_schedulers.OneCycleLR: _one_cycle,
    torch_schedulers.LambdaLR: _lambda,
}
