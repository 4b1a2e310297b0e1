"""Common default rates, used without a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .methods import Method, Pick

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate import Task

    from .cells import Cell

__all__ = ["METHODS"]

_LIKE_ADAM = ("adam", "adamw", "nadam", "radam", "rmsprop")
_DEFAULTS = {
    "sgd": 1e-3,
    "plain": 1e-3,
    "nesterov": 1e-3,
    "adam": 1e-3,
    "adamw": 1e-3,
    "nadam": 2e-3,
    "radam": 1e-3,
    "adamax": 2e-3,
    "rmsprop": 1e-2,
    "adagrad": 1e-2,
    "adadelta": 1.0,
    "sparseadam": 1e-3,
    "muon": 1e-3,
}


def _constant(rate: float) -> Callable[[Cell, Task, int], Pick]:
    return lambda _cell, _task, _seed: Pick(rate, 0.0)


def _torch_default(cell: Cell, _task: Task, _seed: int) -> Pick:
    return Pick(_DEFAULTS[cell.optimizer], 0.0)


METHODS = [
    *(
        Method(
            name=f"Adam {text}",
            version="1",
            pick=_constant(float(text)),
            applies=lambda cell: cell.optimizer in _LIKE_ADAM,
            seeds=1,
        )
        for text in ("1e-3", "3e-4")
    ),
    *(
        Method(
            name=f"SGD {text}",
            version="1",
            pick=_constant(float(text)),
            applies=lambda cell: cell.optimizer in {"sgd", "nesterov"},
            seeds=1,
        )
        for text in ("0.1", "0.01")
    ),
    Method(
        name="torch's default",
        version=torch.__version__,
        pick=_torch_default,
        applies=lambda cell: cell.optimizer in _DEFAULTS,
        seeds=1,
    ),
]
