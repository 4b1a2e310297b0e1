"""The rate that Adam came with."""

from __future__ import annotations

from learnrate.claims._claim import Claim, Figure
from learnrate.claims._defaults import DEFAULT_DESIGN, default_tasks, measure_default

CLAIM = Claim(
    name="adam-1e-3",
    topic="defaults",
    statement="1e-3 is a good default learning rate for Adam.",
    source="Kingma & Ba, Adam: a method for stochastic optimization, 2015, arXiv:1412.6980",
    design=DEFAULT_DESIGN.format(optimizer="Adam", rates="1e-3"),
    figures=(
        Figure(
            name="excess",
            says="validation loss at 1e-3 over that at the best rate",
            high=1.25,
            unit="x",
        ),
    ),
    measure=measure_default((1e-3,), around=1e-2),
    tasks=default_tasks("Adam"),
    seeds=3,
    full_seeds=5,
    remark=(
        "Good is read as: at most a quarter above the best. These runs are short, and a short "
        "run wants a higher rate than a long one."
    ),
)
