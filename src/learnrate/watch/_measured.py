"""Measurements at some updates, as the facts that rules read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.watch._inspection import INSPECTION_COLUMNS
from learnrate.watch._path import PATH_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MEASURED_COLUMNS", "measured_facts"]

_BY_NAME = (*PATH_COLUMNS, *INSPECTION_COLUMNS)
MEASURED_COLUMNS = frozenset(
    {"preconditioned_sharpness", "sharpness", "edge_ratio", "classes", *_BY_NAME}
)
"""The columns that `measured_facts` reads."""


def measured_facts(columns: Mapping[str, np.ndarray], step: np.ndarray) -> dict[str, Any]:
    """Measurements that are not columns of every row, as facts that rules read: pairs with a step.

    Of a sharpness probe, these are the eigenvalues of P^-1 H, which matter for Adam, or else those
    of H; and the rate times the sharpness over the optimizer's limit, if the probe knew it. Of the
    path of the weights and of inspections, they are the numbers by their names.

    Args:
        columns: the columns, by name, NaN in rows without a value.
        step: the step of each row.

    Examples:
        >>> columns = {"kept_gradient": np.array([np.nan, 1.0]), "loss": np.array([2.0, 1.0])}
        >>> measured_facts(columns, np.array([0, 1]))
        {'kept_gradient': [[1, 1.0]]}
    """
    facts: dict[str, Any] = {}
    for name, scaled in (("preconditioned_sharpness", True), ("sharpness", False)):
        if name in columns:
            facts = {"sharpness": _pairs(step, columns[name]), "preconditioned": scaled}
            break
    if "edge_ratio" in columns:
        facts["edge_ratio"] = _pairs(step, columns["edge_ratio"])
    if "classes" in columns:
        known = columns["classes"][~np.isnan(columns["classes"])]
        facts |= {"classes": int(known[0])} if known.size else {}
    facts |= {name: _pairs(step, columns[name]) for name in _BY_NAME if name in columns}
    return facts


def _pairs(step: np.ndarray, column: np.ndarray) -> list[list[float]]:
    known = ~np.isnan(column)
    return [list(pair) for pair in zip(step[known].tolist(), column[known].tolist(), strict=True)]
