"""The two common initial rates of SGD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.claims._defaults import default_claim, default_tasks
from learnrate.claims._measurement import GOOD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.task import Task


def _tasks(full: bool) -> Sequence[Task]:
    """Without momentum and with it; the quick test leaves the convolutions out to save time."""
    tasks = [task for name in ("SGD", "SGD momentum") for task in default_tasks(name)(full)]
    return tasks if full else tasks[::2]


CLAIM = default_claim(
    statement="0.1 or 0.01 is a good start for SGD.",
    source="""
        Common advice; Bengio, Practical recommendations for gradient-based training of deep
        architectures, 2012, arXiv:1206.5533, has 0.01 for standard networks
    """,
    optimizer="SGD, without momentum and with 0.9,",
    defaults={"0.1": 0.1, "0.01": 0.01},
    around=0.1,
    high=GOOD,
    tasks=_tasks,
    remark="""
        Good means: a loss at most a quarter above the best. A momentum of 0.9 makes steps ten
        times as long, so 0.01 with momentum is about 0.1 without. The better rate is the one with
        the lower mean loss over all seeds.
    """,
)
