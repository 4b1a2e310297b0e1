"""The reference training loop: it trains a task under a schedule."""

from __future__ import annotations

import contextlib
import io
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from learnrate._checks import check_seed, refuse
from learnrate._errors import ArgumentError
from learnrate._files import number_or_none, write_bytes
from learnrate._progress import ProgressBar
from learnrate._ranks import rank_and_size
from learnrate.controllers import Controlled, Controller, RateChange
from learnrate.edits import Edit, Limits
from learnrate.planning import InsidePlan, is_worth_an_edit, plan_inside
from learnrate.probing import Probes
from learnrate.run import Guard, Measure, attach
from learnrate.schedules import Constant, Schedule, Table, timed
from learnrate.schedules import schedule as read_schedule
from learnrate.store import RunStatus
from learnrate.trials import Curve, Status, Trial, Update, check_task, preserved, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from learnrate.probing import ProbeRecord
    from learnrate.run import Run
    from learnrate.schedules import Deadline
    from learnrate.store import Store
    from learnrate.task import Task
    from learnrate.trials import Training
    from learnrate.watch import Finding

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        schedule: the schedule it followed, bound to its total, with all edits and the changes of
            controllers. Training under it repeats a run without rollbacks.
        changes: the changes that controllers made, when and why.
        curve: rates and losses of the updates made, the validation loss, and how the run ended.
        model: the trained copy; None if it could not be made.
        optimizer: the optimizer that trained it, with its state, or the list of them; None if it
            could not be made. Optimizers with modes are in "eval".
        run: the run's id in the store; None if it was not recorded.
        edits: all edits that took effect, of people, controllers and the guard, in order.
        findings: the findings of the rules while the run was recorded.
        not_judged: what the rules could not judge of the rate, and why; empty if nothing.
        inside: the search of a run that planned itself; None for any other.
    """

    schedule: Schedule
    changes: tuple[RateChange, ...]
    curve: Curve
    model: torch.nn.Module | None
    optimizer: torch.optim.Optimizer | list[torch.optim.Optimizer] | None
    run: str | None = None
    edits: tuple[Edit, ...] = ()
    findings: tuple[Finding, ...] = ()
    not_judged: str = ""
    inside: InsidePlan | None = None

    def save_weights(self, path: str | Path) -> None:
        """Save the model's `state_dict` atomically. Does nothing if `model` is None.

        Raises:
            FileError: the file cannot be written.
        """
        if self.model is not None:
            buffer = io.BytesIO()
            torch.save(self.model.state_dict(), buffer)
            write_bytes(Path(path), buffer.getvalue())

    def to_dict(self) -> dict[str, Any]:
        """What `learnrate train --json` prints. A loss that is not finite is None."""
        losses = self.curve.loss.tolist()
        rates = self.curve.lr.tolist()
        final = float(self.curve.loss[-max(1, len(losses) // 10) :].mean()) if losses else None
        return {
            "run": self.run,
            "schedule": str(self.schedule),
            "steps": self.curve.steps,
            "total_steps": self.schedule.total_steps,
            "status": str(self.curve.status),
            "error": self.curve.error,
            "loss": number_or_none(final),
            "changes": [asdict(change) for change in self.changes],
            "edits": [edit.to_dict() for edit in self.edits],
            "findings": [finding.to_dict() for finding in self.findings],
            "not_judged": self.not_judged,
            "inside": None if self.inside is None else self.inside.to_dict(),
            "validation": number_or_none(self.curve.validation),
            "seconds": self.curve.seconds,
            "curve": [
                {"step": step, "lr": lr, "loss": number_or_none(loss)}
                for step, (lr, loss) in enumerate(zip(rates, losses, strict=True))
            ],
        }


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
        plan: "inside" for a run that plans itself, for at most 15 % of its updates: a short plan
            first, then branches from the run's own state at a few steps, which are undone to the bit.
            The run goes on at the better rate by an edit that states the evidence, and decays last.
        total_steps: length of the run in optimizer updates. By default that of the schedule, or
            that of the task if the schedule has none.
        controllers: closed loops that multiply the schedule by a factor, depending on the training
            loss, such as `learnrate.controllers.Plateau()`.
        seed: of the weights, the data and every draw.
        store: where to record the run: a file or URL, None for the default store (see
            `learnrate.Store`), False to record nothing. It does not change the losses.
        guard: roll back and lower the rate when the loss diverges; see `attach`.
        limits: limits for the edits of people; see `attach`.
        edits: edits to make again, each at its step, such as those of
            `learnrate.steering.replayed(...).again`.
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
    else:  # the updates are not known; those of the deadline's schedule stand for them
        bound = Constant(total_steps or deadline.schedule.total_steps)
    check_task(task)
    trial = Trial(bound, seed)
    loops = list(controllers)
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
        _AttachedTrial(task, trial, options, inside) as attached,
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
        inside=inside,
    )


def _check_plan(schedule: object, plan: object, groups: object) -> None:
    """Refuse a training with both a schedule and a plan, or with neither.

    Args:
        schedule: that was given, or None.
        plan: that was given, or None.
        groups: schedules of groups, or None.

    Raises:
        ArgumentError: the arguments do not go together.
    """
    if plan is not None and plan != "inside":
        refuse("train", "plan", "'inside', or None", plan, "Give plan.schedule for a made plan.")
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
    attached: _AttachedTrial, bar: ProgressBar, deadline: Deadline | None
) -> Callable[[Update], None]:
    began = time.monotonic()

    def on_update(update: Update) -> None:
        attached.update(update)
        text = f"step {update.step + 1:,}, rate {update.lr:.2e}, loss {update.loss:.4g}"
        bar.show(update.step + 1 if deadline is None else int(time.monotonic() - began), text)

    return on_update


_PROBED_UPDATES = 30  # whose batches the what-if probe gets; it measures on the last third


class _WhatIf:
    """The what-if probe of a training, on the batches that come next in the training."""

    def __init__(self, task: Task, training: Training) -> None:
        self._task, self._training = task, training

    def __call__(self, _step: int, _optimizer: torch.optim.Optimizer) -> None:
        """Probes nothing by itself; only people ask for this probe."""

    def ask(self, step: int, optimizer: torch.optim.Optimizer) -> ProbeRecord:
        """Measure whether the rate should be raised or lowered.

        Raises:
            ArgumentError: this training cannot be probed, or as for `Probes.ask`.
            TaskError: as for `Probes.ask`.
        """
        if rank_and_size()[1] > 1:
            raise ArgumentError(
                "several ranks train this run, and a probe needs a single process. Save a "
                "checkpoint, and call learnrate.probing.what_if on it."
            )
        if self._training.scaler.is_enabled():
            raise ArgumentError(
                "this run scales its float16 gradients, which the what-if probe does not do. "
                "A run in bfloat16 needs no scaling and can be probed."
            )
        size = self._task.accumulate
        ahead = self._training.batches_ahead(_PROBED_UPDATES * size)
        batches = [ahead[first : first + size] for first in range(0, len(ahead), size)]
        criterion = [self._task.loss] if isinstance(self._task.loss, torch.nn.Module) else []
        probes = Probes(
            self._training.model,
            self._loss_of,
            batches,
            only=[],
            clip_norm=self._task.clip_norm,
            extra_state=criterion,
        )
        return probes.ask(step, optimizer)

    def _loss_of(self, _model: torch.nn.Module, batch: list[Any]) -> torch.Tensor:
        return torch.stack([self._training.loss_of(micro_batch) for micro_batch in batch]).mean()


def _can_be_probed(task: Task, training: Training) -> bool:
    """Whether an update is that of one optimizer on the loss of a batch."""
    return task.update is None and len(training.optimizers) == 1


class _AttachedTrial:
    """A trial with a run attached, which sets its rates, makes its edits and records it."""

    def __init__(
        self, task: Task, trial: Trial, options: dict[str, Any], inside: InsidePlan | None = None
    ) -> None:
        self._task, self._trial, self._options = task, trial, dict(options)
        self._facts = self._options.pop("facts", {})
        self._inside = inside
        self._training: Training | None = None
        self.run: Run | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        # The run has ended already, unless by an error or by Ctrl-C outside the trial.
        if self.run is not None:
            self.run.__exit__(*raised)

    def start(self, training: Training) -> Run:
        task, clip_norm = self._task, self._task.clip_norm
        facts = {"seed": self._trial.seed, "accumulate": task.accumulate, "clip_norm": clip_norm}
        self._training = training
        self.run = attach(
            training.optimizers,
            name=task.name,
            model=training.model,
            criterion=task.loss if isinstance(task.loss, torch.nn.Module) else None,
            measure=Measure(gradient_every=None if clip_norm is None else 0),
            facts={name: value for name, value in facts.items() if value is not None}
            | self._facts,
            extra_state={"scaler": training.scaler} if training.scaler.is_enabled() else None,
            probes=_WhatIf(task, training) if _can_be_probed(task, training) else None,
            **self._options,
        )
        return self.run

    def update(self, update: Update) -> None:
        assert self.run is not None  # noqa: S101 - started before
        assert self._training is not None  # noqa: S101 - likewise
        norm, clip_norm = self._training.gradient_norm, self._task.clip_norm
        clipped = None if norm is None or clip_norm is None else norm > clip_norm
        self.run.step(update.loss, gradient_norm=norm, clipped=clipped, updated=True)
        if self._inside is not None and self._inside.is_due(self.run.next_step):
            self._test_rates(self._inside, self.run, self._training)

    def _test_rates(self, inside: InsidePlan, run: Run, training: Training) -> None:
        """Branch off, unless a person holds the rate, and go on at the better one."""
        if run.done or run.edited.is_held:
            inside.skip()
            return
        test = inside.test(training, run.next_step, run.lr)
        factor = float(f"{test.rate / test.lr:.3g}")
        if is_worth_an_edit(factor):
            with contextlib.suppress(ArgumentError):  # limits of the user forbid it, and say so
                run.steer(f"scale {factor:g}", author="plan", reason=test.words)

    def end(self, curve: Curve) -> Curve:
        """Record how the run ended; it has diverged if the guard gave up."""
        if self.run is None:
            return curve
        if curve.validation is not None:
            self.run.validation(curve.validation)
        if self.run.gave_up:
            curve = replace(curve, status=Status.DIVERGED)
        stopped = curve.status is Status.INTERRUPTED
        self.run.finish(RunStatus.STOPPED if stopped else RunStatus(str(curve.status)))
        return curve
