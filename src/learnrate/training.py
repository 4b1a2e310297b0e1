"""The reference loop: a task and a schedule make a trained model and its curve."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from learnrate._errors import ArgumentError
from learnrate._files import number_or_none, write_bytes
from learnrate._progress import ProgressBar
from learnrate.schedules import Schedule, schedule
from learnrate.steer import Change, Controlled, Controller
from learnrate.trials import Curve, Trial, Update, check_task, preserved, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from learnrate.task import Task

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
    """

    schedule: Schedule
    changes: tuple[Change, ...]
    curve: Curve
    model: torch.nn.Module | None
    optimizer: torch.optim.Optimizer | None

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
    with ProgressBar(trial.total, shown=progress) as bar, preserved(task):
        curve, training = run_trial(
            task, trial, on_update=_told(rates, bar), rate=rates.lr if rates.controllers else None
        )
    return Trained(
        schedule=rates.realised(),
        changes=rates.changes,
        curve=curve,
        model=None if training is None else training.model,
        optimizer=None if training is None else training.optimizer,
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


def _told(rates: Controlled, bar: ProgressBar) -> Callable[[Update], None]:
    def tell(update: Update) -> None:
        if rates.controllers:
            rates.observe(update.step, update.loss)
        text = f"step {update.step + 1:,}, rate {update.lr:.2e}, loss {update.loss:.4g}"
        bar.show(update.step + 1, text)

    return tell
