"""Recorded rows as what trackers take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from learnrate.watch import Observations

__all__ = ["rows"]


def rows(seen: Observations, prefix: str) -> Iterator[tuple[int, dict[str, float]]]:
    """A step and its values by name, for every row that has any; a lost loss is infinite.

    Args:
        seen: what was recorded.
        prefix: before every name.
    """
    for at, step in enumerate(seen.step.tolist()):
        found = {prefix + name: float(held[at]) for name, held in seen.columns.items()}
        found = {name: value for name, value in found.items() if not np.isnan(value)}
        if found:
            yield step, found
