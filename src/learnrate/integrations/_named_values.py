"""Recorded rows in the form that trackers take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from learnrate.watch import Observations

__all__ = ["named_values"]


def named_values(
    observations: Observations, prefix: str
) -> Iterator[tuple[int, dict[str, float]]]:
    """The step and the values by name of every row that has values.

    Missing values are left out. A loss that was not finite is infinite.

    Args:
        observations: the recorded rows.
        prefix: the prefix of every name.
    """
    for row, step in enumerate(observations.step.tolist()):
        values = {
            prefix + name: float(column[row])
            for name, column in observations.columns.items()
            if not np.isnan(column[row])
        }
        if values:
            yield step, values
