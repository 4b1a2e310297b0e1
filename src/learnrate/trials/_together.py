"""What trials cost that run at once, from the timings of the candidates for an engine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from learnrate.trials._auto import Choice

__all__ = ["costs_together"]


def costs_together(choice: Choice, most: int) -> tuple[float, ...]:
    """What 1, 2, ... `most` trials of one seed and length cost at once, in trials that run alone.

    The time of a stack of a width that was not timed is interpolated.

    Args:
        choice: the engine, with its timings.
        most: the largest number of trials.
    """
    alone = min((t.seconds for t in choice.timings if t.width == t.processes == 1), default=0.0)
    if not alone or choice.width == choice.processes == 1:
        return (1.0,)
    like = [
        timing
        for timing in choice.timings
        if timing.processes == choice.processes and timing.threads == choice.threads
    ]
    widths = sorted({timing.width for timing in like})
    stacks = [width * min(t.seconds for t in like if t.width == width) for width in widths]
    costs = [1.0]
    for count in range(2, most + 1):
        in_process = math.ceil(count / choice.processes)
        rounds = math.ceil(in_process / choice.width)
        seconds = rounds * float(np.interp(math.ceil(in_process / rounds), widths, stacks))
        costs.append(min(float(count), max(costs[-1], seconds / alone)))
    return tuple(costs)
