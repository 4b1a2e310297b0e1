"""Default rates that people use without a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .methods import Method, Pick

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate import Task

    from .cells import Cell

__all__ = ["METHODS"]

_LIKE_ADAM = ("adam", "adamw", "rmsprop")


def _constant(rate: float) -> Callable[[Cell, Task, int], Pick]:
    return lambda _cell, _task, _seed: Pick(rate, 0.0)


def _torch_default(cell: Cell, _task: Task, _seed: int) -> Pick:
    defaults = {"sgd": 1e-3, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-2, "adagrad": 1e-2}
    return Pick(defaults[cell.optimizer], 0.0)


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
            applies=lambda cell: cell.optimizer == "sgd",
            seeds=1,
        )
        for text in ("0.1", "0.01")
    ),
    Method(name="torch's default", version=torch.__version__, pick=_torch_default, seeds=1),
]
