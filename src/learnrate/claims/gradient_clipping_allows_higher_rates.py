"""Gradient clipping and the highest rate."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from learnrate.claims._data import digits
from learnrate.claims._tasks import digits_cnn, digits_mlp, fashion_cnn, mlp, task_on
from learnrate.claims._usable import usable_claim

if TYPE_CHECKING:
    from learnrate.task import Task

NORM = 1.0


def _pairs(full: bool) -> list[tuple[Task, Task]]:
    """Networks without and with clipping."""
    deep = partial(mlp, 64, 32, layers=5)
    tasks = [
        digits_mlp("SGD momentum", width=32, steps=200),
        task_on(digits(), deep, "SGD momentum", steps=200, label="deep MLP"),
        digits_mlp("AdamW", width=32, steps=200),
    ]
    if full:
        tasks += [digits_cnn("SGD momentum"), fashion_cnn("SGD momentum", steps=500)]
    return [(task, replace(task, clip_norm=NORM)) for task in tasks]


CLAIM = usable_claim(
    statement="Clipping the gradient norm allows higher learning rates.",
    source="Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063; Zhang et al. 2020, arXiv:1905.11881",
    technique=f"clipping to a norm of {NORM:g}",
    short="clipping",
    low=1.0,
    pairs=_pairs,
    lowest=3e-3,
    highest=10.0,
    seeds=(4, 6),
    remark="""
        A higher usable rate is not a better rate: compare the best rates and the best losses. Adam
        divides the gradient by its size, so clipping every gradient by the same factor has no
        effect on Adam.
    """,
)
