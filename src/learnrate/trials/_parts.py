"""How a set of trials is split into parts that may run at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.trials._trial import Trial

__all__ = ["parts_of", "stackable"]


def stackable(trials: Sequence[Trial]) -> list[list[Trial]]:
    """The trials by seed and length, in the order of their first."""
    groups: dict[tuple[int, int], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.seed, trial.total_steps), []).append(trial)
    return list(groups.values())


def parts_of(trials: Sequence[Trial], width: int) -> list[list[Trial]]:
    """The trials in stacks of about equal size, the largest first.

    Each stack takes low rates and high ones, which end early.

    Args:
        trials: in increasing order of their rates, for each seed.
        width: the most that a stack may hold.
    """
    parts: list[list[Trial]] = []
    for group in stackable(trials):
        count = math.ceil(len(group) / width)
        parts.extend(group[first::count] for first in range(count))
    return sorted(parts, key=len, reverse=True)
