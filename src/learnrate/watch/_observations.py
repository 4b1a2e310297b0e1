"""The record of one run: columns of numbers, one row per update."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._checks import check_whole
from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from learnrate.schedules import Schedule

__all__ = ["COLUMNS", "Observations"]

COLUMNS = (
    "lr",
    "loss",
    "validation",
    "gradient_norm",
    "update_ratio",
    "clipped",
    "seconds",
)
"""The columns that a row may have besides its step; `Observations` explains each of them."""


def _check_rows(call: str, step: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
    """Refuse rows whose steps do not increase, or whose columns do not fit them.

    Args:
        call: what takes the rows, for messages.
        step: one for each row.
        columns: the columns, by name.

    Raises:
        ArgumentError: steps do not strictly increase from at least 0, or a column is unknown or of
            another length.
    """
    if step.ndim != 1 or (step.size and (step[0] < 0 or (np.diff(step) <= 0).any())):
        raise ArgumentError(
            f"{call}(step=...) must be whole numbers of at least 0 that strictly increase."
        )
    for name, column in columns.items():
        if name not in COLUMNS:
            raise ArgumentError(
                f"{call}(columns=...) must be among {', '.join(COLUMNS)}; got {name!r}."
            )
        if column.shape != step.shape:
            raise ArgumentError(
                f"{call}(columns[{name!r}]) must have a value for each of the {step.size} steps; "
                f"got shape {column.shape}."
            )


def rows_of(
    call: str, step: ArrayLike, columns: Mapping[str, ArrayLike]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Steps and columns as checked arrays.

    Args:
        call: the function or class that was given them, for messages.
        step: whole numbers of at least 0, strictly increasing.
        columns: a number for each step, by names of `COLUMNS`.

    Raises:
        ArgumentError: a step is not whole, a value is not a number, or as in `check_rows`.
    """
    numbers = _numbers(f"{call}(step=...)", step)
    with np.errstate(invalid="ignore"):  # of a step that is NaN
        steps = numbers.astype(np.int64, copy=False)
    if (numbers != steps).any():
        raise ArgumentError(f"{call}(step=...) must be whole numbers; got {step!r:.80}.")
    arrays = {
        name: _numbers(f"{call}(columns[{name!r}])", column).astype(float, copy=False)
        for name, column in columns.items()
    }
    _check_rows(call, steps, arrays)
    return steps, arrays


def _numbers(argument: str, values: ArrayLike) -> np.ndarray:
    """An array of numbers; integers stay integers, since steps may be large."""
    try:
        array = np.asarray(values)
        return array if array.dtype.kind in "iuf" else array.astype(float)
    except (TypeError, ValueError):
        raise ArgumentError(f"{argument} must be numbers; got {values!r:.80}.") from None


@dataclass(frozen=True, eq=False, kw_only=True)
class Observations:
    """The record of one run: one column per quantity, one row per update.

    Args:
        run: the name of the run.
        step: (n,) whole numbers of at least 0, strictly increasing: the updates that have a row.
        columns: (n,) float arrays by name, NaN where a row has no value. A column that was never
            recorded is absent. Names are those of `COLUMNS`: `lr`, the highest rate of the
            parameter groups, as the update used it; `loss` of the training batch; `validation`
            loss; `gradient_norm` before clipping, these three inf if they were not finite;
            `update_ratio`, the norm of the update over that of the parameters; `clipped`, the share
            of updates since the previous row whose gradient was clipped; `seconds` per update.
        total_steps: the updates of the whole run as planned, at least 1; None if they are not known.
        schedule: the schedule that the rate should have followed, if known.
        facts: further JSON values by name. Rules read `optimizer`, `momentum`, `clip_norm`,
            `objective` (one of `OBJECTIVES`, see `attach`), `steps_per_epoch`, `step_unit` (`epoch`
            or `row`, if the steps of a log count those instead of updates), `classes` or `chance` (the loss of a model that has learned nothing),
            `sharpness` (pairs of a step and the largest eigenvalue of the Hessian) with
            `preconditioned`, `betas`, `nesterov` and `dampening`, or `edge_ratio` (pairs of a step
            and the rate times the sharpness over the limit of the optimizer), those of
            `PATH_COLUMNS` and `INSPECTION_COLUMNS` (pairs of a step and a number; see `path_columns`),
            `parameter_names` (of the optimizer's tensors in order), `not_trained` (which parts of the
            model are not), `resumed_at` (steps at
            which the run was resumed after an interruption), `edits` (steps at which a person or
            a controller changed the rate) and `reported_live` (the findings reported while it ran, as
            `Finding.to_dict` writes them).

    Raises:
        ArgumentError: a column is unknown or of another length, steps do not increase, or `total_steps`
            is not a whole number of at least 1.

    Examples:
        >>> observations = Observations(run="a", step=[0, 1], columns={"loss": [2.0, 1.5]})
        >>> observations.column("loss").tolist(), observations.has("lr")
        ([2.0, 1.5], False)
    """

    run: str
    step: np.ndarray
    columns: Mapping[str, np.ndarray]
    total_steps: int | None = None
    schedule: Schedule | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.total_steps is not None:
            check_whole("Observations", "total_steps", self.total_steps, 1)
        step, columns = rows_of("Observations", self.step, self.columns)
        object.__setattr__(self, "step", step)
        object.__setattr__(self, "columns", columns)

    def has(self, name: str) -> bool:
        """Whether a column has a value in any row."""
        return name in self.columns and not np.isnan(self.columns[name]).all()

    def column(self, name: str) -> np.ndarray:
        """A column by its name; all NaN if it was never recorded."""
        column = self.columns.get(name)
        return np.full(self.step.shape, np.nan) if column is None else column
