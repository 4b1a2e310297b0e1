"""Branches that decay from one constant run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim
from learnrate.claims._measurement import AS_GOOD, Case, ClaimMeasurement, factor
from learnrate.claims._measures import best_rows_of_others
from learnrate.claims._peaks import (
    DECAYS,
    PEAK_AXES,
    PEAKS_DESIGN,
    peak_lines,
    sweep_peaks,
)
from learnrate.claims._tasks import noisy_digits_mlp
from learnrate.schedules import schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

_PARTS = {"a quarter": 4, "half": 2}


def _tasks(_full: bool) -> Sequence[Task]:
    """Noisy digits."""
    return [noisy_digits_mlp(optimizer) for optimizer in ("SGD momentum", "Adam")]


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The loss of a branch at the whole run's best peak, divided by that of a tuned cosine of its length."""
    cases, sweeps = [], []
    for task in trials.tasks:
        total_steps = task.run_length()
        warmup = max(1, total_steps // 20)  # the branches share it with the whole run
        shape = f"warmup({warmup}) >> constant() >> one_minus_sqrt(20%)"
        whole = sweep_peaks(trials, task, {"whole run": shape})
        rows = best_rows_of_others(whole.losses["whole run"])
        for name, divisor in _PARTS.items():
            length = total_steps // divisor
            branches = trials.losses(
                task, [(peak * schedule(shape)).over(length) for peak in whole.rates]
            )
            separate = sweep_peaks(trials, task, {"cosine": DECAYS["cosine"]}, steps=length)
            ratios = branches[rows, np.arange(len(rows))] / separate.best("cosine")
            cases.append(Case("loss ratio", f"{task.name}, {name} of it", ratios.tolist()))
        sweeps.append((task, whole))
    return ClaimMeasurement(cases, peak_lines(sweeps))


CLAIM = Claim(
    topic="horizon",
    statement="Decayed branches of one constant run are as good as runs planned for each length.",
    source="""
        Hu et al., MiniCPM, 2024, arXiv:2404.06395; Haegele et al. 2024, arXiv:2405.18392
    """,
    design=f"""
        A run with a constant rate has the peak at which it ends best after a decay over its last
        fifth. At a quarter and at a half of it a branch is decayed over the last fifth of the
        branch. It is compared with a cosine of the branch's length at its own best peak.
        {PEAKS_DESIGN}
    """,
    figures=(
        factor(
            "loss ratio",
            "loss of the branch divided by loss of a separate run of its length",
            high=AS_GOOD,
        ),
    ),
    measure=_measure,
    tasks=_tasks,
    seeds=(4, 6),
    axes=PEAK_AXES,
    remark="""
        The peak of the branch was chosen for another length. If the best peak falls with the
        length, a short branch trains at a rate that is too low for it.
    """,
)
