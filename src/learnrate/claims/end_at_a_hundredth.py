"""The last rate of an exponential decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim
from learnrate.claims._measurement import AS_GOOD, factor
from learnrate.claims._measures import best_of_others
from learnrate.claims._peaks import PEAK_AXES, PEAKS_DESIGN, measure_peaks
from learnrate.claims._tasks import noisy_digits_mlp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from learnrate.claims._peaks import PeakSweep
    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

_SHARES = (0.3, 0.1, 0.03, 0.003, 0.001, 0.01)
_CHOSEN = "to 0.01"


def _compare(_trials: ClaimTrials, _task: Task, sweep: PeakSweep) -> Mapping[str, ArrayLike]:
    """The loss with the share over the best of all shares and peaks."""
    names = list(sweep.losses)
    best = best_of_others(np.vstack([sweep.losses[name] for name in names]))
    lowest = [
        float(name.removeprefix("to "))
        for name in (
            min(names, key=lambda name: sweep.losses[name][:, seed].min())
            for seed in range(len(best))
        )
    ]
    return {"loss ratio": sweep.best(_CHOSEN) / best, "best share": lowest}


CLAIM = Claim(
    topic="decay",
    statement="A decay should end at a hundredth of the first rate.",
    source="lrf = 0.01 in Ultralytics YOLO, its last rate as a share of the first; common advice",
    design=f"""
        An exponential decay to a hundredth of the peak is compared with the best exponential decay
        to 0.3, 0.1, 0.03, 0.01, 0.003 or 0.001 of the peak. {PEAKS_DESIGN}
    """,
    figures=(
        factor(
            "loss ratio",
            "loss with a hundredth divided by loss with the best last rate",
            high=AS_GOOD,
        ),
        factor("best share", "best last rate of each seed, as a share of the peak"),
    ),
    measure=measure_peaks(
        {
            f"to {share:g}": f"warmup(5%) >> exponential(factor={share:g}, every=95%)"
            for share in _SHARES
        },
        _compare,
        by_figure=("loss ratio", "best share"),
    ),
    tasks=lambda full: [
        noisy_digits_mlp(optimizer, steps=steps)
        for optimizer in ("SGD momentum", "Adam")
        for steps in ((200, 600) if full else (200,))
    ],
    seeds=(4, 4),
    axes=PEAK_AXES,
    remark="""
        An exponential decay reaches a hundredth only at the end, so its rate is higher than under a
        linear decay for most of the run. The factor per update follows from the length: 0.01 to the
        power of 1 / updates.
    """,
)
