"""The two rates that SGD is begun with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.claims._claim import Claim, Figure
from learnrate.claims._defaults import DEFAULT_DESIGN, default_tasks, measure_default

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.task import Task


def _tasks(full: bool) -> Sequence[Task]:
    """The quick test has two tasks for its time, one without momentum and one with it."""
    made = [task for name in ("SGD", "SGD momentum") for task in default_tasks(name)(full)]
    return made if full else made[::2]


CLAIM = Claim(
    name="sgd-0.1-or-0.01",
    topic="defaults",
    statement="0.1 or 0.01 is a good start for SGD.",
    source=(
        "Common advice; Bengio, Practical recommendations for gradient-based training of deep "
        "architectures, 2012, arXiv:1206.5533, has 0.01 for standard networks"
    ),
    design=DEFAULT_DESIGN.format(
        optimizer="SGD, without momentum and with 0.9,",
        rates="0.1 and 0.01, of which the better counts",
    ),
    figures=(
        Figure(
            name="excess",
            says="validation loss at the better of 0.1 and 0.01 over that at the best rate",
            high=1.25,
            unit="x",
        ),
    ),
    measure=measure_default((0.1, 0.01), around=0.1),
    tasks=_tasks,
    seeds=3,
    full_seeds=5,
    remark=(
        "Good is read as: at most a quarter above the best. Momentum of 0.9 makes ten times the "
        "step, so 0.01 with it is about 0.1 without. The better of the two is the one that is "
        "better on all seeds together."
    ),
)
