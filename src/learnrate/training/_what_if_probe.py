"""The what-if probe of a training, for a person who asks whether to change the rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from learnrate._errors import ArgumentError
from learnrate._ranks import rank_and_size
from learnrate.probing import Probes

if TYPE_CHECKING:
    from learnrate.probing import ProbeRecord
    from learnrate.task import Task
    from learnrate.trials import Training

__all__ = ["WhatIfProbe", "can_be_probed"]

_PROBED_UPDATES = 30  # whose batches the what-if probe gets; it measures on the last third


class WhatIfProbe:
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


def can_be_probed(task: Task, training: Training) -> bool:
    """Whether an update is a step of a single optimizer on the loss of a batch."""
    return task.update is None and len(training.optimizers) == 1
