"""How large a task is, as far as a table of runs of several sizes needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from learnrate.trials._training import Training, preserved

if TYPE_CHECKING:
    from learnrate.task import Task

__all__ = ["task_size"]


def task_size(task: Task) -> dict[str, int]:
    """N, the parameters that are trained, and B, the examples of an update if its batches are tensors.

    The task is left as it was.
    """
    with preserved(task):
        training = Training(task, 0)
        size = {"N": sum(p.numel() for p in training.model.parameters() if p.requires_grad)}
        examples = _examples(training.batches_ahead(1)[0])
    return size if examples is None else {**size, "B": examples * task.accumulate}


def _examples(batch: Any) -> int | None:
    """The length of the first tensor of a batch; None if it has none."""
    if isinstance(batch, torch.Tensor):
        return len(batch) if batch.ndim else None
    parts = batch.values() if isinstance(batch, dict) else batch
    if not isinstance(batch, dict | list | tuple):
        return None
    sizes = (_examples(part) for part in parts)
    return next((size for size in sizes if size), None)
