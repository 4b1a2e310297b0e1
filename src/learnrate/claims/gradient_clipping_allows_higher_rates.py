"""Gradient clipping and the highest rate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from learnrate.claims._claim import Claim
from learnrate.claims._tasks import digits_cnn, digits_mlp, fashion_cnn
from learnrate.claims._usable import USABLE_DESIGN, measure_usable, usable_figures

if TYPE_CHECKING:
    from learnrate.task import Task

NORM = 1.0


def _pairs(full: bool) -> list[tuple[Task, Task]]:
    tasks = [digits_mlp("SGD momentum", steps=200), digits_cnn("SGD momentum", steps=200)]
    tasks.append(digits_mlp("AdamW", steps=200))
    if full:
        tasks.append(fashion_cnn("SGD momentum", steps=500))
    return [(task, replace(task, clip_norm=NORM)) for task in tasks]


CLAIM = Claim(
    name="gradient-clipping-allows-higher-rates",
    topic="extremes",
    statement="Clipping the gradient norm allows higher learning rates.",
    source=(
        "Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063; Zhang et al. 2020, arXiv:1905.11881"
    ),
    design=USABLE_DESIGN.format(what=f"clipping to a norm of {NORM:g}"),
    figures=usable_figures("clipping", low=2.0),
    measure=measure_usable(_pairs, 1e-3, 10.0),
    seeds=4,
    full_seeds=6,
    remark=(
        "A higher rate that can be used is not a better one: the best rates and losses stand beside. "
        "Adam divides by the gradient's own size, so clipping every step alike changes nothing there."
    ),
)
