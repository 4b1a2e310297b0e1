"""The estimate of a rate from the path of the weights, fitted anew with each family left out.

    PYTHONPATH=benchmarks python -m watch_families fit

What `learnrate.watch` has was fitted to other tasks, whose runs are not stored, and every family of
this corpus is left out of it. The fit here is of the same form and on the stored paths of this corpus:
it shows whether other tasks lead to other numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from _page import table

from .labels import label_of
from .logs import logged_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .logs import LoggedRun

__all__ = ["FORMS", "PathRow", "features", "fit_text", "left_out_predictions", "ridge"]

_RIDGE = 0.3
_SHARES = (0.15, 0.65)  # of the run: the last measurement between them is taken
_RANGE = (-2.5, 1.6)  # decades of the rate over the best rate; rates beyond look alike
_FORMS_OF_LOW = ("slopes", "turns")
FORMS = {
    "slopes": ("slope_1", "slope_2", "slope_4", "slope_8"),
    "turns": ("turn_2", "turn_4", "log_turn"),
    "distance": ("log_distance", "turn_2"),
}
"""The numbers of a path that each estimate is linear in."""


@dataclass(frozen=True)
class PathRow:
    """A run whose rate is known in units of the best rate.

    Attributes:
        family: of the run.
        decades: log10 of its rate over the best rate.
        cost: against the best of the sweep.
        numbers: of its path, as `features` names them.
    """

    family: str
    decades: float
    cost: float
    numbers: Mapping[str, float]


def features(path: Mapping[str, float]) -> dict[str, float]:
    """The features of the linear estimates, each limited to a range.

    Args:
        path: as `learnrate.watch.path_columns` names them.
    """

    def clipped(value: float) -> float:
        return min(max(value, -1.0), 1.0)

    numbers = {
        name.removeprefix("path_"): clipped(value)
        for name, value in path.items()
        if name.startswith(("path_slope", "path_turn"))
    }
    if "turn_2" in numbers:
        numbers["log_turn"] = math.log10(min(max(1.0 - numbers["turn_2"], 1e-3), 1.0))
    if path.get("path_distance", 0.0) > 0.0:
        numbers["log_distance"] = min(max(math.log10(path["path_distance"]), -1.5), 1.5)
    return numbers


def ridge(numbers: np.ndarray, decades: np.ndarray) -> np.ndarray:
    """Least squares with a penalty on all coefficients but the last, the constant.

    Args:
        numbers: (n, k) of the runs.
        decades: (n,) to predict.
    """
    design = np.column_stack([numbers, np.ones(len(numbers))])
    penalty = _RIDGE * np.eye(design.shape[1])
    penalty[-1, -1] = 0.0
    solution: np.ndarray = np.linalg.solve(design.T @ design + penalty, design.T @ decades)
    return solution


def left_out_predictions(rows: list[PathRow], names: Iterable[str]) -> np.ndarray:
    """The prediction for each run from the other families; NaN if the run lacks a number.

    Args:
        rows: the runs.
        names: the numbers that the prediction is linear in.
    """
    names = list(names)
    numbers = np.array([[row.numbers.get(name, math.nan) for name in names] for row in rows])
    decades = np.clip([row.decades for row in rows], *_RANGE)
    families = np.array([row.family for row in rows])
    has_all = np.isfinite(numbers).all(axis=1)
    predictions = np.full(len(rows), math.nan)
    for family in dict.fromkeys(families):
        is_own = families == family
        others = has_all & ~is_own
        if others.sum() > len(names):
            coefficients = ridge(numbers[others], decades[others])
            judged = has_all & is_own
            predictions[judged] = numbers[judged] @ coefficients[:-1] + coefficients[-1]
    return predictions


def path_rows(families: Iterable[str]) -> list[PathRow]:
    """The runs with a path whose rate is a known multiple of the best one from the start to the end."""
    rows = []
    for family in families:
        for run in logged_runs(family):
            path = _last_path(run)
            is_known = run.fault == "healthy" or run.fault.startswith(("rate_x", "rate_/"))
            if is_known and path and label_of(run).counts and run.about["factor"] > 0:
                decades = math.log10(float(run.about["factor"]))
                rows.append(PathRow(family, decades, label_of(run).cost, features(path)))
    return rows


def _last_path(run: LoggedRun) -> dict[str, float]:
    """The last measurement of a path from the first update on, in the middle of the run."""
    low, high = (share * run.about["total_steps"] for share in _SHARES)
    by_step: dict[int, dict[str, float]] = {}
    for name, fact in run.about["facts"].items():
        if name.startswith("path_"):
            for step, value in fact:
                by_step.setdefault(step, {})[name] = value
    steps = [
        step
        for step, path in by_step.items()
        if low <= step <= high and path.get("path_updates", 0.0) >= step
    ]
    return by_step[max(steps)] if steps else {}


def fit_text(families: Iterable[str]) -> str:
    """The coefficients of all families, and how good the predictions with families left out are.

    Args:
        families: with logs.
    """
    rows = path_rows(families)
    decades = np.clip([row.decades for row in rows], *_RANGE)
    parts = [f"{len(rows)} runs of {len({row.family for row in rows})} families"]
    predictions = {}
    for form, names in FORMS.items():
        numbers = np.array([[row.numbers.get(name, math.nan) for name in names] for row in rows])
        has_all = np.isfinite(numbers).all(axis=1)
        coefficients = ridge(numbers[has_all], decades[has_all])
        values = ", ".join(
            f"{name} {value:.2f}" for name, value in zip(names, coefficients, strict=False)
        )
        predictions[form] = left_out_predictions(rows, names)
        parts.append(f"{form}: {values}, constant {coefficients[-1]:.2f}")
    cautious = np.fmax(*(predictions[form] for form in _FORMS_OF_LOW))
    header = ["rate over the best", "runs", "distance: 10 %, median, 90 %"]
    header += ["more cautious of slopes and turns: 10 %, median, 90 %"]
    lines = [
        [f"{10**low:.2g} to {10**high:.2g}", str(int(is_in.sum()))]
        + [_quantiles(values[is_in]) for values in (predictions["distance"], cautious)]
        for low, high in ((-2.6, -1.8), (-1.8, -1.2), (-0.6, 0.4), (0.8, 1.2), (1.2, 1.7))
        for is_in in [(decades > low) & (decades <= high)]
    ]
    return "\n\n".join([*parts, table(header, lines)])


def _quantiles(decades: np.ndarray) -> str:
    known = decades[np.isfinite(decades)]
    if not known.size:
        return "-"
    return ", ".join(f"{10**value:.2g}" for value in np.quantile(known, (0.1, 0.5, 0.9)))
