"""A trial that is recorded and steered: what connects a training with its run."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from learnrate._errors import ArgumentError
from learnrate.planning import InsidePlan, is_worth_an_edit
from learnrate.run import Measure, attach
from learnrate.store import RunStatus
from learnrate.training._what_if_probe import WhatIfProbe, can_be_probed
from learnrate.trials import Curve, Status, Trial, Update

if TYPE_CHECKING:
    from learnrate.run import Run
    from learnrate.task import Task
    from learnrate.trials import Training

__all__ = ["AttachedTrial"]


class AttachedTrial(contextlib.ExitStack):
    """A trial with a run attached, which sets its rates, makes its edits and records it.

    Leaving the block ends a run that has not ended, because of an error or Ctrl-C outside the trial.
    """

    def __init__(
        self, task: Task, trial: Trial, options: dict[str, Any], inside: InsidePlan | None = None
    ) -> None:
        super().__init__()
        self._task, self._trial, self._options = task, trial, dict(options)
        self._facts = self._options.pop("facts", {})
        self._inside = inside
        self._training: Training | None = None
        self.run: Run | None = None

    def start(self, training: Training) -> Run:
        """Attach a run to the optimizers of the training that begins."""
        task, clip_norm = self._task, self._task.clip_norm
        facts = {"seed": self._trial.seed, "accumulate": task.accumulate, "clip_norm": clip_norm}
        self._training = training
        run = attach(
            training.optimizers,
            name=task.name,
            model=training.model,
            criterion=task.loss if isinstance(task.loss, torch.nn.Module) else None,
            measure=Measure(gradient_every=None if clip_norm is None else 0),
            facts={name: value for name, value in facts.items() if value is not None}
            | self._facts,
            extra_state={"scaler": training.scaler} if training.scaler.is_enabled() else None,
            probes=WhatIfProbe(task, training) if can_be_probed(task, training) else None,
            **self._options,
        )
        self.run = self.enter_context(run)
        return run

    def update(self, update: Update) -> None:
        """Record an update, and test other rates if the run plans itself and a test is due."""
        assert self.run is not None  # noqa: S101 - started before
        assert self._training is not None  # noqa: S101 - started before
        norm, clip_norm = self._training.gradient_norm, self._task.clip_norm
        clipped = None if norm is None or clip_norm is None else norm > clip_norm
        self.run.step(update.loss, gradient_norm=norm, clipped=clipped, updated=True)
        if self._inside is not None and self._inside.is_due(self.run.next_step):
            self._test_rates(self._inside, self.run, self._training)

    def _test_rates(self, inside: InsidePlan, run: Run, training: Training) -> None:
        """Train branches at other rates, unless a person holds the rate, and continue at the better one."""
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
