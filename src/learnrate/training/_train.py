"""The reference training loop: it trains a task under a schedule."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from learnrate._checks import check_seed, refuse
from learnrate._errors import ArgumentError
from learnrate._progress import ProgressBar
from learnrate._ranks import rank_and_size
from learnrate.controllers import Controlled, Controller
from learnrate.edits import Edit, Limits
from learnrate.planning import plan_inside
from learnrate.schedules import Constant, Schedule, Table, timed
from learnrate.schedules import schedule as read_schedule
from learnrate.task import check_is_task
from learnrate.training._attached_trial import AttachedTrial
from learnrate.training._trained import Trained
from learnrate.trials import Curve, Trial, Update, check_task, preserved, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import torch

    from learnrate.run import Guard, Run
    from learnrate.schedules import Deadline
    from learnrate.store import Store
    from learnrate.task import Task

__all__ = ["train"]


def train(
    task: Task,
    schedule: Schedule | Deadline | str | float | None = None,
    *,
    plan: str | None = None,
    total_steps: int | None = None,
    controllers: Iterable[Controller[Any]] = (),
    seed: int = 0,
    store: str | Path | Store | bool | None = False,
    guard: Guard | bool = False,
    limits: Limits | Mapping[str, Any] | None = None,
    edits: Iterable[Edit] = (),
    groups: Sequence[Schedule | str | float | None] | None = None,
    progress: bool = True,
) -> Trained:
    """Train a copy of the task's model under a schedule.

    The initial weights, the order of the data and every random draw follow from `seed`; the same
    seed repeats the run. The global generators and the task's own model are not changed. Ctrl-C
    and divergence end the run early; the result has what was trained until then (see
    `Curve.status`).

    Args:
        task: what to train.
        schedule: a schedule, its text form, or a number for a constant rate. A schedule without a
            length is bound to `total_steps`. Or a `learnrate.schedules.Deadline`: then the training
            ends when the time is over. None with `plan`.
        plan: "inside" for a run that searches for its rate while it trains. The search costs at most 15 %
            of the updates. A short plan gives the first rate. At a few later steps, the run tries other
            rates for some updates each, and restores the state before them, bit for bit. If another rate
            is better, an edit sets it, and its reason states the losses. At the end, the rate decays to
            0.
        total_steps: length of the run in optimizer updates. By default the schedule's, or
            the task's if the schedule has none.
        controllers: closed loops that multiply the schedule by a factor, depending on the training
            loss, such as `learnrate.controllers.Plateau()`.
        seed: the seed of the weights, the data and every draw.
        store: where to record the run: a file or URL, None for the default store (see
            `learnrate.Store`), False to record nothing. It does not change the losses.
        guard: roll back and lower the rate when the loss diverges; see `attach`.
        limits: limits for the edits of people; see `attach`.
        edits: edits to make again, each at its step, such as those of
            `learnrate.steering.replayed(...).edits_to_repeat`.
        groups: a schedule for each parameter group, or None for a group that follows `schedule`; see
            `attach`.
        progress: show a bar on standard error.

    Raises:
        ArgumentError: the length of the run is not known, or the schedule has another one, or both a
            schedule and a plan are given, or neither.
        ScheduleError: the schedule cannot be read or bound.
        TaskError: the task cannot be trained at all.

    Examples:
        >>> import torch, learnrate
        >>> x = torch.randn(64, 3)
        >>> task = learnrate.Task(
        ...     model=lambda: torch.nn.Linear(3, 1),
        ...     loss=torch.nn.MSELoss(),
        ...     data=[(x, x.sum(1, keepdim=True))],
        ... )
        >>> learnrate.train(task, "0.1 * warmup(5%) >> linear()", total_steps=50).curve.steps
        50
    """
    check_is_task("train", task)
    check_seed("train", seed)
    _check_plan(schedule, plan, groups)
    inside = None
    if plan is not None:
        inside = plan_inside(task, total_steps=total_steps, seed=seed, progress=progress)
        schedule, total_steps = inside.schedule, None
    assert schedule is not None  # noqa: S101 - checked above
    deadline = timed(schedule)
    if deadline is None:
        bound = _bound(read_schedule(schedule), task, total_steps)
    else:  # the number of updates is not known; the length of the deadline's schedule is used
        bound = Constant(total_steps or deadline.schedule.total_steps)
    check_task(task)
    trial = Trial(bound, seed)
    loops = [*Controlled(bound, controllers).controllers.values()]
    options = {
        "controllers": loops,
        "limits": Limits.of(limits),
        "guard": guard,
        "edits": tuple(edits),
        "groups": groups,
        "store": store,
        "facts": {} if inside is None else {"plan": inside.words},
        "schedule": bound if deadline is None else deadline,
        "total_steps": None if deadline is None else total_steps,
    }
    length = trial.total_steps if deadline is None else math.ceil(deadline.seconds)
    Controlled(bound, loops)  # raises here, not inside the training
    with (
        ProgressBar(length, shown=progress) as bar,
        preserved(task),
        AttachedTrial(task, trial, options, inside) as attached,
    ):
        curve, training = run_trial(
            task,
            trial,
            on_start=attached.start,
            on_update=_update_callback(attached, bar, deadline),
        )
        curve = attached.end(curve)
    run = attached.run
    if training is not None:
        training.set_mode("eval")
    return Trained(
        schedule=_schedule_of(run, bound, curve),
        changes=() if run is None else run.changes,
        curve=curve,
        model=None if training is None else training.model,
        optimizer=None if training is None else _one_or_list(training.optimizers),
        run=None if run is None else run.id,
        edits=() if run is None else run.edited.edits,
        findings=() if run is None else tuple(run.findings),
        not_judged="" if run is None else run.not_judged,
        not_trained="" if run is None else run.not_trained,
        inside=inside,
    )


def _check_plan(schedule: object, plan: object, groups: object) -> None:
    """Refuse a training with both a schedule and a plan, or with neither.

    Args:
        schedule: the schedule that was given, or None.
        plan: the plan that was given, or None.
        groups: schedules of groups, or None.

    Raises:
        ArgumentError: the arguments do not go together.
    """
    if plan is not None and plan != "inside":
        refuse(
            "train",
            "plan",
            "'inside', or None",
            plan,
            "For a plan that exists already, pass plan.schedule as the schedule.",
        )
    if (schedule is None) == (plan is None):
        raise ArgumentError("train needs a schedule, or plan='inside', and not both.")
    if plan is None:
        return
    if groups is not None:
        refuse("train", "groups", "None with plan='inside'", groups)
    if rank_and_size()[1] > 1:
        raise ArgumentError(
            "train(plan='inside') works in one process, and several ranks train this run. Plan first, "
            "with learnrate plan, and train with its schedule."
        )


def _schedule_of(run: Run | None, bound: Schedule, curve: Curve) -> Schedule:
    """The schedule of a training; by the clock, a table of the rates it used."""
    if run is None:
        return bound
    if run.schedule is None and curve.steps:
        return Table(tuple(curve.lr.tolist()))
    return run.edited.schedule


def _one_or_list(
    optimizers: list[torch.optim.Optimizer],
) -> torch.optim.Optimizer | list[torch.optim.Optimizer]:
    return optimizers[0] if len(optimizers) == 1 else optimizers


def _bound(schedule: Schedule, task: Task, total_steps: int | None) -> Schedule:
    if schedule.total_steps is None:
        return schedule.over(task.run_length(total_steps))
    if total_steps is not None and total_steps != schedule.total_steps:
        raise ArgumentError(
            f"the schedule {schedule} is {schedule.total_steps} steps long, but {total_steps=} was "
            "given; give one of the two, or a schedule in shares of the run."
        )
    return schedule


def _update_callback(
    attached: AttachedTrial, bar: ProgressBar, deadline: Deadline | None
) -> Callable[[Update], None]:
    began = time.monotonic()

    def on_update(update: Update) -> None:
        attached.update(update)
        text = f"step {update.step + 1:,}, rate {update.lr:.2e}, loss {update.loss:.4g}"
        bar.show(update.step + 1 if deadline is None else int(time.monotonic() - began), text)

    return on_update
