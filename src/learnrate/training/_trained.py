"""The result of a training."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from learnrate._files import number_or_none, write_bytes

if TYPE_CHECKING:
    from learnrate.controllers import RateChange
    from learnrate.edits import Edit
    from learnrate.planning import InsidePlan
    from learnrate.schedules import Schedule
    from learnrate.trials import Curve
    from learnrate.watch import Finding

__all__ = ["Trained"]


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
        not_trained: which parts of the model were not trained; empty if none.
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
    not_trained: str = ""
    inside: InsidePlan | None = None

    @property
    def final_loss(self) -> float | None:
        """The mean training loss over the last tenth of the updates; None without updates."""
        losses = self.curve.loss
        return float(losses[-max(1, len(losses) // 10) :].mean()) if len(losses) else None

    def __str__(self) -> str:
        loss, validation = (
            "none" if value is None else f"{value:.4g}"
            for value in (self.final_loss, self.curve.validation)
        )
        codes = ", ".join(dict.fromkeys(finding.code for finding in self.findings))
        summary = (
            f"{self.curve.status} after {self.curve.steps:,} updates under {self.schedule}, "
            f"{self.curve.seconds:.2g} s: loss {loss}, validation {validation}; "
            f"findings: {codes or 'none'}."
        )
        reasons = ", and the findings with their reasons in .findings" if codes else ""
        places = f"The weights are in .model, the rates and losses in .curve{reasons}."
        return "\n".join(filter(None, [summary, self.curve.error, self.curve.note, places]))

    def __repr__(self) -> str:
        return f"<Trained: {self.curve.status}, {self.curve.steps:,} updates>"

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
        """The document of `learnrate train --json`. A loss that is not finite is None."""
        losses = self.curve.loss.tolist()
        rates = self.curve.lr.tolist()
        return {
            "run": self.run,
            "schedule": str(self.schedule),
            "steps": self.curve.steps,
            "total_steps": self.schedule.total_steps,
            "status": str(self.curve.status),
            "error": self.curve.error,
            "note": self.curve.note,
            "loss": number_or_none(self.final_loss),
            "changes": [asdict(change) for change in self.changes],
            "edits": [edit.to_dict() for edit in self.edits],
            "findings": [finding.to_dict() for finding in self.findings],
            "not_judged": self.not_judged,
            "not_trained": self.not_trained,
            "inside": None if self.inside is None else self.inside.to_dict(),
            "validation": number_or_none(self.curve.validation),
            "seconds": self.curve.seconds,
            "curve": [
                {"step": step, "lr": lr, "loss": number_or_none(loss)}
                for step, (lr, loss) in enumerate(zip(rates, losses, strict=True))
            ],
        }
