"""AdamW without warm-up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from learnrate.claims import _data as data
from learnrate.claims._measurement import AS_GOOD, factor
from learnrate.claims._peaks import contest_claim
from learnrate.claims._tasks import mlp, noisy_digits_mlp, row_transformer, task_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.task import Task


def _tasks(full: bool) -> Sequence[Task]:
    """Networks of two and of six layers; in the full test also a transformer."""
    deep = partial(mlp, 64, 32, layers=6)
    tasks = [
        noisy_digits_mlp("AdamW", steps=200),
        task_on(data.noisy_digits(), deep, "AdamW", batch=32, steps=200, label="6 hidden"),
    ]
    if full:
        transformer = partial(row_transformer, 8, 16, layers=1)
        tasks.append(
            task_on(data.digits(), transformer, "AdamW", batch=32, steps=200, label="transformer")
        )
    return tasks


CLAIM = contest_claim(
    topic="warm-up and cycles",
    statement="AdamW with decoupled weight decay needs no warm-up.",
    source="""
        a question of 2025 and 2026: Kosson et al. 2024, arXiv:2410.23922, reduce the need for
        warm-up by bounding the size of the first updates
    """,
    design="""
        A linear decay to zero from the first update on is compared with the same decay after 5 %
        warm-up. Both train at peaks a factor of two apart. The grid grows until the best peak is not
        at its edge. The peak of each schedule is chosen on the other seeds.
    """,
    figure=factor("loss ratio", "loss without warm-up divided by loss with 5 %", high=AS_GOOD),
    shapes={"no warm-up": "linear()", "5 %": "warmup(5%) >> linear()"},
    tasks=_tasks,
    seeds=(6, 6),
    remark="""
        Without warm-up the best peak may be lower, so each schedule has its own best peak here. The
        start of a run hardly matters after thousands of updates, but it does in a short run.
    """,
)
