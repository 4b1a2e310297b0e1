"""The schedule that `attach` is given, and the object that writes its rates.

It may be a schedule in steps, one by the clock, a torch scheduler, or None for rates that the loop sets by
other means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import LRScheduler

from learnrate._checks import refuse
from learnrate._errors import ArgumentError
from learnrate._ranks import rank_and_size
from learnrate.run._rates import ExternalRates, RateWriter, ScheduledRates
from learnrate.run._stepping_check import SteppingCheck
from learnrate.run._timed_rates import TimedRates
from learnrate.schedules import schedule as read
from learnrate.schedules import timed
from learnrate.torch_scheduler import Stopwatch, TimedSchedule, TorchSchedule, adopted

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from learnrate.schedules import Deadline, Schedule
    from learnrate.torch_scheduler import Hyperparameter, OtherValues

__all__ = ["bound_schedule", "clock_of", "rate_writer", "set_beside_the_rate", "stepping_check_of"]


def clock_of(schedule: object) -> tuple[Deadline, Stopwatch] | None:
    """A schedule by the clock with its seconds so far; None for any other.

    Raises:
        ArgumentError: there are several ranks.
        ScheduleError: its text cannot be read.
    """
    if isinstance(schedule, TimedSchedule):
        by_clock = schedule.deadline, schedule.stopwatch
    else:
        deadline = timed(schedule)
        if deadline is None:
            return None
        by_clock = deadline, Stopwatch()
    if rank_and_size()[1] > 1:
        raise ArgumentError(
            "attach(schedule=Deadline(...)) needs a single process, because each rank would read "
            "another clock. Use a schedule in steps."
        )
    return by_clock


def rate_writer(
    optimizers: list[Optimizer],
    bound: Schedule | None,
    by_clock: tuple[Deadline, Stopwatch] | None,
    options: tuple[SteppingCheck | None, tuple[Schedule | None, ...], list[Hyperparameter]],
) -> RateWriter:
    """The writer of the rates: by a schedule in steps, by the clock, or for an external scheduler.

    Args:
        optimizers: whose rates are written.
        bound: the schedule in steps, or None.
        by_clock: the schedule by the clock with its seconds so far, or None.
        options: the options of a schedule in steps: the check of the calls of a torch scheduler, the
            schedules of groups, and those of other hyper-parameters.
    """
    if bound is not None:
        return ScheduledRates(optimizers, bound, *options)
    if by_clock is not None:
        return TimedRates(optimizers, *by_clock)
    return ExternalRates(optimizers)


def stepping_check_of(schedule: object, every: int, step: int) -> SteppingCheck | None:
    """The check of the calls of a torch scheduler; None without one.

    Args:
        schedule: the argument of `attach`.
        every: updates between two calls of a torch scheduler's `step()`.
        step: 0-based index of the update about to happen.

    Raises:
        ArgumentError: `every` is above 1 and there is no torch scheduler.
    """
    if isinstance(schedule, LRScheduler) and not isinstance(
        schedule, TorchSchedule | TimedSchedule
    ):
        return SteppingCheck(schedule, every, step)
    if every > 1:
        refuse("attach", "every", "1 unless a torch scheduler sets the rates", every)
    return None


def bound_schedule(
    schedule: Any, total_steps: int | None, every: int, step: int
) -> tuple[Schedule | None, OtherValues | None]:
    """The schedule of the run, bound to it, and what a torch scheduler sets besides the rate.

    The schedule is None if an external scheduler sets the rates.

    Args:
        schedule: the argument of `attach`.
        total_steps: updates of the whole run, or None.
        every: updates between two calls of a torch scheduler's `step()`.
        step: the first update, at which it must have a rate.

    Raises:
        ArgumentError: it has another length than the run, or no length at all.
        ScheduleError: it cannot be read or bound.
    """
    if schedule is None:
        return None, None
    if isinstance(schedule, TorchSchedule):
        return schedule.schedule, None
    if isinstance(schedule, LRScheduler):
        return adopted(schedule, total_steps, every)
    bound = read(schedule)
    if bound.total_steps is None and total_steps is not None:
        bound = bound.over(total_steps)
    if bound.total_steps is not None and total_steps not in {None, bound.total_steps}:
        raise ArgumentError(
            "attach(total_steps=...) must be the schedule's own length, "
            f"{bound.total_steps}; got {total_steps}. Leave it out: a loop that makes further "
            "updates keeps the last rate. Or give the decay no length of its own, so that it fills "
            "the run."
        )
    if not bound.ready:
        way_out = "Give total_steps=, the updates of the whole run."
        refuse("attach", "schedule", "bound to a run", str(bound), way_out)
    bound(step)  # a function of the user may fail; no run may exist by then
    return bound, None


def set_beside_the_rate(
    schedule: Any, others: OtherValues | None, optimizers: list[Optimizer], every: int
) -> tuple[list[Schedule | None] | None, list[Hyperparameter]]:
    """What a torch scheduler sets besides its rate: the schedules of groups, and hyper-parameters.

    Args:
        schedule: the argument of `attach`.
        others: the second result of `bound_schedule`.
        optimizers: the optimizers of the run.
        every: updates between two calls of a torch scheduler's `step()`.

    Raises:
        ArgumentError: the scheduler was made for another optimizer, or for one of several.
    """
    if others is not None:
        return None, others.parameters(optimizers, every)
    if not isinstance(schedule, TorchSchedule):
        return None, []
    groups, hyper = schedule.groups, schedule.hyper
    if not hyper and all(rates is None for rates in groups):
        return None, []
    (optimizer, *more) = optimizers
    if more or optimizer.param_groups is not schedule.optimizer.param_groups:
        raise ArgumentError(
            "attach(schedule=...) must be a scheduler of the run's only optimizer if to_torch was "
            "given groups or hyper. Pass the schedule itself, and groups= and hyper= to attach."
        )
    return groups, hyper
