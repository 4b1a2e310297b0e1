"""The reference loop: a task and a schedule make a trained model and its curve."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from learnrate._errors import ArgumentError
from learnrate._files import number_or_none, write_bytes
from learnrate._progress import ProgressBar
from learnrate._ranks import rank_and_size
from learnrate.controllers import Controlled, Controller, RateChange
from learnrate.edits import Edit, Limits
from learnrate.probing import Probes
from learnrate.run import Guard, attach
from learnrate.schedules import Schedule, schedule
from learnrate.store import RunStatus
from learnrate.trials import Curve, Status, Trial, Update, check_task, preserved, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from learnrate.probing import ProbeRecord
    from learnrate.run import Run
    from learnrate.store import Store
    from learnrate.task import Task
    from learnrate.trials import Training
    from learnrate.watch import Finding

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes:
        schedule: what it followed, bound to its total, with all edits and what controllers changed:
            training under it repeats a run without rollbacks.
        changes: what controllers changed, when and why.
        curve: rates and losses of the updates made, the validation loss, and how it ended.
        model: the trained copy; None if it could not be made.
        optimizer: the optimizer that trained it, with its state; None likewise.
        run: what the run is called in the store; None where it was not recorded.
        edits: all that took effect, of people, controllers and the guard, in order.
        findings: what the rules said of the run as it was recorded.
    """

    schedule: Schedule
    changes: tuple[RateChange, ...]
    curve: Curve
    model: torch.nn.Module | None
    optimizer: torch.optim.Optimizer | None
    run: str | None = None
    edits: tuple[Edit, ...] = ()
    findings: tuple[Finding, ...] = ()

    def save_weights(self, path: str | Path) -> None:
        """Save the model's `state_dict`, whole or not at all; nothing when no model was made.

        Raises:
            FileError: it cannot be written.
        """
        if self.model is not None:
            buffer = io.BytesIO()
            torch.save(self.model.state_dict(), buffer)
            write_bytes(Path(path), buffer.getvalue())

    def to_dict(self) -> dict[str, Any]:
        """What `learnrate train --json` prints: a loss that is not finite is null."""
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
            "validation": number_or_none(self.curve.validation),
            "seconds": self.curve.seconds,
            "curve": [
                {"step": step, "lr": lr, "loss": number_or_none(loss)}
                for step, (lr, loss) in enumerate(zip(rates, losses, strict=True))
            ],
        }


def train(
    task: Task,
    lr_schedule: Schedule | str | float,
    *,
    total_steps: int | None = None,
    controllers: Iterable[Controller[Any]] = (),
    seed: int = 0,
    store: str | Path | Store | bool | None = False,
    guard: Guard | bool = False,
    limits: Limits | Mapping[str, Any] | None = None,
    edits: Iterable[Edit] = (),
    progress: bool = True,
) -> Trained:
    """Train a copy of the task's model under a schedule.

    The first weights, the data's order and every draw follow from `seed`; the same seed repeats
    the run. The global generators and the task's own model are left as they were. Ctrl-C ends the
    run early and keeps what there is; so does divergence (see `Curve.status`).

    Args:
        task: what to train.
        lr_schedule: a schedule, its text form, or a number for a constant rate. Unless it is bound
            to a length already, it is bound to `total_steps`.
        total_steps: the run in optimizer updates; the schedule's own length, else the task's, by default.
        controllers: closed loops that multiply the schedule by what the training loss shows, such
            as `learnrate.controllers.Plateau()`.
        seed: of weights, data and draws.
        store: where to record the run: a file or URL, None for the default store (see
            `learnrate.Store`), False for nowhere. The losses are the same.
        progress: show a bar on standard error.
        guard: go back and lower the rate when the loss leaves for good; see `attach`.
        limits: what edits of people may not exceed; see `attach`.
        edits: to be made again, each at its step: what `learnrate.steering.replayed(...).again` has.

    Raises:
        ArgumentError: the run has no stated length, or the schedule has another one.
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
    bound = _bound(schedule(lr_schedule), task, total_steps)
    check_task(task)
    trial = Trial(bound, seed)
    loops = list(controllers)
    options = {
        "controllers": loops,
        "limits": Limits.of(limits),
        "guard": guard,
        "edits": tuple(edits),
        "store": store,
    }
    Controlled(bound, loops)  # refused here, not as a failed training
    with (
        ProgressBar(trial.total_steps, shown=progress) as bar,
        preserved(task),
        _Steered(task, trial, options) as steered,
    ):
        curve, training = run_trial(
            task, trial, on_start=steered.start, on_update=_told(steered, bar)
        )
        curve = steered.end(curve)
    run = steered.run
    return Trained(
        schedule=bound if run is None else run.edited.schedule,
        changes=() if run is None else run.changes,
        curve=curve,
        model=None if training is None else training.model,
        optimizer=None if training is None else training.optimizer,
        run=None if run is None else run.id,
        edits=() if run is None else run.edited.edits,
        findings=() if run is None else tuple(run.findings),
    )


def _bound(given: Schedule, task: Task, total_steps: int | None) -> Schedule:
    if given.total_steps is None:
        return given.over(task.run_length(total_steps))
    if total_steps is not None and total_steps != given.total_steps:
        raise ArgumentError(
            f"the schedule {given} is {given.total_steps} steps long, but {total_steps=} was given; "
            "give one of the two, or a schedule in shares of the run."
        )
    return given


def _told(steered: _Steered, bar: ProgressBar) -> Callable[[Update], None]:
    def tell(update: Update) -> None:
        steered.update(update)
        text = f"step {update.step + 1:,}, rate {update.lr:.2e}, loss {update.loss:.4g}"
        bar.show(update.step + 1, text)

    return tell


_PROBED = 30  # updates' batches that the what-if probe is given, of which the last third judges


class _WhatIf:
    """The what-if probe of a training, on the batches that it is trained on next."""

    def __init__(self, task: Task, training: Training) -> None:
        self._task, self._training = task, training

    def __call__(self, _step: int, _optimizer: torch.optim.Optimizer) -> None:
        """Nothing is asked but by a person."""

    def ask(self, step: int, optimizer: torch.optim.Optimizer) -> ProbeRecord:
        """Which way the rate should go.

        Raises:
            ArgumentError: this training cannot be probed; or as `Probes.ask`.
            TaskError: as `Probes.ask`.
        """
        if rank_and_size()[1] > 1:
            raise ArgumentError(
                "several ranks train this run, and a probe works in one process alone. Save a "
                "checkpoint, and ask learnrate.probing.what_if there."
            )
        if self._training.scaler.is_enabled():
            raise ArgumentError(
                "this run scales its float16 gradients, which the what-if probe does not; "
                "bfloat16 needs no scaling, and can be probed."
            )
        size = self._task.accumulate
        ahead = self._training.batches_ahead(_PROBED * size)
        batches = [ahead[first : first + size] for first in range(0, len(ahead), size)]
        criterion = [self._task.loss] if isinstance(self._task.loss, torch.nn.Module) else []
        probes = Probes(
            self._training.model,
            self._loss_of,
            batches,
            only=[],
            clip_norm=self._task.clip_norm,
            also=criterion,
        )
        return probes.ask(step, optimizer)

    def _loss_of(self, _model: torch.nn.Module, batch: list[Any]) -> torch.Tensor:
        return torch.stack([self._training.loss_of(one) for one in batch]).mean()


class _Steered:
    """A trial as a run: its rates are set, its edits taken, and it is recorded if it is to be."""

    def __init__(self, task: Task, trial: Trial, options: dict[str, Any]) -> None:
        self._task, self._trial, self._options = task, trial, options
        self._training: Training | None = None
        self.run: Run | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.run is not None:  # an error, or Ctrl-C outside the trial: else it has ended
            self.run.__exit__(kind, error, trace)

    def start(self, training: Training) -> Run:
        task, clip_norm = self._task, self._task.clip_norm
        facts = {"seed": self._trial.seed, "accumulate": task.accumulate, "clip_norm": clip_norm}
        self._training = training
        self.run = attach(
            training.optimizer,
            self._trial.schedule,
            name=task.name,
            model=training.model,
            gradient_every=None if clip_norm is None else 0,
            facts={name: value for name, value in facts.items() if value is not None},
            also={"scaler": training.scaler} if training.scaler.is_enabled() else None,
            probes=_WhatIf(task, training),
            **self._options,
        )
        return self.run

    def update(self, update: Update) -> None:
        assert self.run is not None  # noqa: S101 - started before
        assert self._training is not None  # noqa: S101 - likewise
        norm, clip_norm = self._training.gradient_norm, self._task.clip_norm
        clipped = None if norm is None or clip_norm is None else norm > clip_norm
        self.run.step(update.loss, gradient_norm=norm, clipped=clipped, updated=True)

    def end(self, curve: Curve) -> Curve:
        """Write how it ended; a run that the guard gave up has diverged."""
        if self.run is None:
            return curve
        if curve.validation is not None:
            self.run.validation(curve.validation)
        if self.run.gave_up:
            curve = replace(curve, status=Status.DIVERGED)
        stopped = curve.status is Status.INTERRUPTED
        self.run.finish(RunStatus.STOPPED if stopped else RunStatus(str(curve.status)))
        return curve
