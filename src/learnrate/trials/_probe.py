"""Whether a task's trials can be stacked: a few updates of both engines on copies are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from learnrate.trials._flat_optimizers import unsupported
from learnrate.trials._random import kept_random_state
from learnrate.trials._stack import Stack, StackError
from learnrate.trials._training import Training, preserved

if TYPE_CHECKING:
    from learnrate.task import Task
    from learnrate.trials._trial import Trial

__all__ = ["Probe", "probe"]

_UPDATES = 3
_AGREEMENT = 1e-3
_NORMS = nn.modules.batchnorm._BatchNorm  # noqa: SLF001 - torch names the family nowhere else


@dataclass(frozen=True)
class Probe:
    """Whether the trials of a task can be stacked.

    Attributes:
        refusal: why they cannot be stacked, as a clause; empty if they can.
        random: whether the loss draws from torch's generator, as dropout does. In a stack, each
            trial then draws other numbers of the same distribution.
    """

    refusal: str = ""
    random: bool = False


def probe(task: Task, trial: Trial) -> Probe:
    """Try a few updates at the trial's highest rate in both engines, on copies."""
    with preserved(task):
        try:
            return _compared(task, trial)
        except StackError as error:
            return Probe(str(error))
        except Exception as error:  # noqa: BLE001 - vmap and the model may raise anything
            return Probe(f"its loss does not run under torch.vmap: {first_line(error)}")


def first_line(error: BaseException) -> str:
    """An error's name and the first sentence of its message."""
    lines = str(error).strip().splitlines() or [""]
    sentence = lines[0].split(". ")[0]
    return f"{type(error).__name__}: {sentence[:160]}"


def _compared(task: Task, trial: Trial) -> Probe:
    rates = _rates(trial)
    training = Training(task, trial.seed)
    refusal = _static_refusal(task, training)
    if refusal:
        return Probe(refusal)
    buffers = {name: value.clone() for name, value in training.model.named_buffers()}
    before = torch.get_rng_state()
    alone = [training.update(lr) for lr in rates]
    random = not torch.equal(before, torch.get_rng_state())
    for name, value in training.model.named_buffers():
        if name not in buffers or not _same(value, buffers[name]):
            return Probe(f"its model writes to the buffer {name!r} while it trains")
    with kept_random_state():
        stack = Stack(task, trial.seed, 2)
        stacked = [stack.update(np.array([lr, lr])) for lr in rates]
    if not random and not np.allclose(np.array(stacked), np.array(alone)[:, None], _AGREEMENT):
        return Probe("its stacked losses differ from those of one trial alone")
    return Probe(random=random)


def _rates(trial: Trial) -> list[float]:
    """The trial's highest rate for a few updates; the first rates of a warm-up change too little."""
    return [float(np.max(trial.schedule.table()))] * min(_UPDATES, trial.total_steps)


def _static_refusal(task: Task, training: Training) -> str:
    """Why trials cannot be stacked, as far as it can be seen without running them."""
    if task.update is not None or len(training.optimizers) > 1:
        return "the task has several optimizers, or makes its updates by itself"
    refusal = unsupported(training.optimizer)
    if refusal:
        return refusal
    if task.amp == "float16":
        return "the gradient scaler of float16 keeps one scale for each model"
    for name, module in training.model.named_modules():
        if isinstance(module, _NORMS) and module.track_running_stats:
            kind = type(module).__name__
            return f"{kind} {name!r} keeps running statistics, which a stack would share"
    if task.clip_norm is not None and _has_untrained(training):
        return "clip_norm counts gradients of parameters that its optimizer does not train"
    return ""


def _has_untrained(training: Training) -> bool:
    trained = {id(p) for group in training.optimizer.param_groups for p in group["params"]}
    return any(p.requires_grad and id(p) not in trained for p in training.model.parameters())


def _same(value: torch.Tensor, before: torch.Tensor) -> bool:
    return torch.equal(value, before) or bool(
        value.shape == before.shape and torch.allclose(value, before, 0, 0, equal_nan=True)
    )
