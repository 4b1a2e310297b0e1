"""A person who lowers the rate according to the progress of each day."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from learnrate.claims._claim import Claim
from learnrate.claims._decisions import against_planned_decay, loss_under_decisions
from learnrate.claims._measurement import AS_GOOD, ClaimMeasurement, Figure, factor
from learnrate.claims._measures import geometric_grid
from learnrate.claims._peaks import short_decay_tasks
from learnrate.claims._trials import ClaimTrials, for_each_task

if TYPE_CHECKING:
    import torch

    from learnrate.claims._decisions import Decide
    from learnrate.task import Task

_DAYS = 8
_CUT = 3.0
_PROGRESS = 0.05
_SHARES = (1 / 3, 1.0)


def _person(optimizer: torch.optim.Optimizer) -> Decide:
    """Divides the rate by 3 after a day on which the mean loss fell by less than 5 %."""
    yesterday = math.inf

    def decide(training_loss: float, _validation_loss: float | None) -> None:
        nonlocal yesterday
        if training_loss > (1.0 - _PROGRESS) * yesterday:
            for group in optimizer.param_groups:
                group["lr"] /= _CUT
        yesterday = training_loss

    return decide


def _by_hand(task: Task, lr: float, seed: int) -> tuple[float, float]:
    """The final loss, and the number of cuts."""
    final, final_share = loss_under_decisions(task, lr, seed, decisions=_DAYS, decider=_person)
    return final, -math.log(final_share, _CUT)


def _measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The rule at the best of its first rates over linear decay at its best peak."""
    rates = geometric_grid(1e-3, 1.0, 2)
    labels = ("planned", "by hand")
    return against_planned_decay(
        trials, task, _by_hand, rates=rates, shares=_SHARES, labels=labels
    )


CLAIM = Claim(
    topic="decay",
    statement="A person who lowers the rate day by day does as well as a schedule.",
    source="""
        common practice on long runs, such as the log of OPT-175B, Zhang et al. 2022,
        arXiv:2205.01068; the rule here is a simple one
    """,
    design="""
        A run has eight days. After a day whose mean training loss is less than 5 % below that of
        the day before, the rate is divided by 3. The first rate is the better of two. The run is
        compared with a schedule of 5 % warm-up and a linear decay to 0 at its best peak. Rates are
        chosen on the other seeds.
    """,
    figures=(
        factor(
            "loss",
            "validation loss with daily decisions divided by that with the schedule",
            high=AS_GOOD,
        ),
        Figure("cuts", "cuts made at the better first rate"),
    ),
    measure=for_each_task(_measure),
    tasks=short_decay_tasks,
    seeds=(4, 6),
    quick_decides=False,
    remark="""
        A person sees more than one mean a day and knows how many days are left. This rule knows
        neither, and does not need the length of the run.
    """,
)
