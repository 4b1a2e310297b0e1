"""The rates of parameter groups, from the rate that was recorded and the share of each group."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from learnrate.store._records import RecordedPoints

__all__ = ["with_group_rates"]

_COLUMN = re.compile(r"lr\[[0-9]{1,5}\]")


def with_group_rates(points: RecordedPoints, facts: Mapping[str, Any]) -> RecordedPoints:
    """The points with the columns `lr[0]`, `lr[1]`, ..., a rate for each parameter group.

    A row has them if a group left its share of the highest rate. In other rows, they are the share
    of the group times the rate. Nothing is added if all groups have the same rate throughout.

    Args:
        points: the points of a run.
        facts: the facts of the run; `group_lr` has the rates that the groups were built with.
    """
    built = [abs(float(rate)) for rate in facts.get("group_lr") or ()]
    highest = max(built, default=0.0)
    recorded = [name for name in points.columns if _COLUMN.fullmatch(name)]
    if "lr" not in points.columns or highest == 0 or (len({*built}) == 1 and not recorded):
        return points
    columns = {name: column for name, column in points.columns.items() if name not in recorded}
    count = max(len(built), *(int(name[3:-1]) + 1 for name in recorded), 0)
    unknown = np.full(len(points.step), np.nan)
    in_groups = np.any([~np.isnan(points.columns[name]) for name in recorded], axis=0)
    for group in range(count):
        column = points.columns.get(f"lr[{group}]", unknown)
        if group < len(built):
            derived = points.columns["lr"] * (built[group] / highest)
            column = np.where(np.isnan(column) & ~in_groups, derived, column)
        columns[f"lr[{group}]"] = column
    return replace(points, columns=columns)
