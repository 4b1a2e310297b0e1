"""The reference loop: a task and a schedule make a trained model and its curve."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from learnrate._errors import ArgumentError
from learnrate._files import number_or_none, write_bytes
from learnrate._progress import ProgressBar
from learnrate.schedules import Schedule, schedule
from learnrate.steer import Change, Controlled, Controller, attach
from learnrate.store import RunStatus
from learnrate.trials import Curve, Status, Trial, Update, check_task, preserved, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from learnrate.steer import Run
    from learnrate.store import Store
    from learnrate.task import Task
    from learnrate.trials import Training

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes:
        schedule: what it followed, bound to its total, with the changes that controllers made:
            training under it repeats the run.
        changes: what controllers changed, when and why.
        curve: rates and losses of the updates made, the validation loss, and how it ended.
        model: the trained copy; None if it could not be made.
        optimizer: the optimizer that trained it, with its state; None likewise.
        run: what the run is called in the store; None where it was not recorded.
    """

    schedule: Schedule
    changes: tuple[Change, ...]
    curve: Curve
    model: torch.nn.Module | None
    optimizer: torch.optim.Optimizer | None
    run: str | None = None

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
            "total": self.schedule.total,
            "status": str(self.curve.status),
            "error": self.curve.error,
            "loss": number_or_none(final),
            "changes": [asdict(change) for change in self.changes],
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
    steps: int | None = None,
    controllers: Iterable[Controller[Any]] = (),
    seed: int = 0,
    store: str | Path | Store | bool | None = False,
    progress: bool = True,
) -> Trained:
    """Train a copy of the task's model under a schedule.

    The first weights, the data's order and every draw follow from `seed`; the same seed repeats
    the run. The global generators and the task's own model are left as they were. Ctrl-C ends the
    run early and keeps what there is; so does divergence (see `Curve.status`).

    Args:
        task: what to train.
        lr_schedule: a schedule, its text form, or a number for a constant rate. Unless it is bound
            to a length already, it is bound to `steps`.
        steps: the run in optimizer updates; the schedule's own length, else the task's, by default.
        controllers: closed loops that multiply the schedule by what the training loss shows, such
            as `learnrate.steer.Plateau()`.
        seed: of weights, data and draws.
        store: where to record the run: a file or URL, None for the default store (see
            `learnrate.Store`), False for nowhere. The losses are the same.
        progress: show a bar on standard error.

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
        >>> learnrate.train(task, "0.1 * warmup(5%) >> linear()", steps=50).curve.steps
        50
    """
    bound = _bound(schedule(lr_schedule), task, steps)
    check_task(task)
    trial = Trial(bound, seed)
    rates = Controlled(bound, controllers)
    with (
        ProgressBar(trial.total, shown=progress) as bar,
        preserved(task),
        _Recording(task, trial, store) as recording,
    ):
        curve, training = run_trial(
            task,
            trial,
            on_start=recording.start,
            on_update=_told(rates, bar, recording),
            rate=rates.lr if rates.controllers else None,
        )
        recording.end(curve)
    return Trained(
        schedule=rates.realised(),
        changes=rates.changes,
        curve=curve,
        model=None if training is None else training.model,
        optimizer=None if training is None else training.optimizer,
        run=recording.id,
    )


def _bound(given: Schedule, task: Task, steps: int | None) -> Schedule:
    if given.total is None:
        return given.over(task.total(steps))
    if steps is not None and steps != given.total:
        raise ArgumentError(
            f"the schedule {given} is {given.total} steps long and steps={steps} was asked for; "
            "give one of the two, or a schedule in shares of the run."
        )
    return given


def _told(rates: Controlled, bar: ProgressBar, recording: _Recording) -> Callable[[Update], None]:
    def tell(update: Update) -> None:
        recording.update(update)
        if rates.controllers:
            rates.observe(update.step, update.loss)
        text = f"step {update.step + 1:,}, rate {update.lr:.2e}, loss {update.loss:.4g}"
        bar.show(update.step + 1, text)

    return tell


class _Recording:
    """A trial's run in the store, or nothing at all. The trial sets its rates itself."""

    def __init__(self, task: Task, trial: Trial, store: str | Path | Store | bool | None) -> None:
        self._task, self._trial, self._store = task, trial, store
        self._training: Training | None = None
        self._run: Run | None = None
        self.id: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._run is not None:  # an error, or Ctrl-C outside the trial: else it has ended
            self._run.__exit__(kind, error, trace)

    def start(self, training: Training) -> None:
        if self._store is False or training.ranks.rank > 0:
            return
        task, clip_norm = self._task, self._task.clip_norm
        facts = {"seed": self._trial.seed, "accumulate": task.accumulate, "clip_norm": clip_norm}
        self._training = training
        self._run = attach(
            training.optimizer,
            None,
            store=self._store,
            name=task.name,
            total=self._trial.total,
            model=training.model,
            gradient_every=None if clip_norm is None else 0,
            planned=self._trial.schedule,
            facts={name: value for name, value in facts.items() if value is not None},
        )
        self.id = self._run.id

    def update(self, update: Update) -> None:
        if self._run is None or self._training is None:
            return
        norm, clip_norm = self._training.gradient_norm, self._task.clip_norm
        clipped = None if norm is None or clip_norm is None else norm > clip_norm
        self._run.step(update.loss, gradient_norm=norm, clipped=clipped, updated=True)

    def end(self, curve: Curve) -> None:
        if self._run is None:
            return
        if curve.validation is not None:
            self._run.validation(curve.validation)
        stopped = curve.status is Status.INTERRUPTED
        self._run.finish(RunStatus.STOPPED if stopped else RunStatus(str(curve.status)))
        self.id = self._run.id
