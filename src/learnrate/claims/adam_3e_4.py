"""Karpathy's rate for Adam."""

from __future__ import annotations

from learnrate.claims._claim import Claim, Figure
from learnrate.claims._defaults import DEFAULT_DESIGN, default_tasks, measure_default

CLAIM = Claim(
    name="adam-3e-4",
    topic="defaults",
    statement="3e-4 is the best learning rate for Adam, hands down.",
    source="A. Karpathy, x.com/karpathy/status/801621764144971776, 2016 (a joke, since repeated)",
    design=DEFAULT_DESIGN.format(optimizer="Adam", rates="3e-4"),
    figures=(
        Figure(
            name="excess",
            says="validation loss at 3e-4 over that at the best rate",
            high=1.02,
            unit="x",
        ),
    ),
    measure=measure_default((3e-4,), around=1e-2),
    tasks=default_tasks("Adam"),
    seeds=3,
    full_seeds=5,
    remark="The longer the run, the lower the best rate: large models do train near 3e-4.",
)
