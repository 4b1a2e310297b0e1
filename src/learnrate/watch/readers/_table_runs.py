"""The runs in a table: the column that counts steps, the step of each row, and the chosen columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import FileError
from learnrate.watch._measured import measured_facts
from learnrate.watch.readers._log_series import ChosenSeries, observed, whole_steps
from learnrate.watch.readers._log_table import LogTable, in_columns, in_phases, parts_by_run
from learnrate.watch.readers._names import epoch_name, step_names, total_name
from learnrate.watch.readers._restarts import (
    LoggedFit,
    fits_of,
    is_unordered,
    joined_by_epoch,
    shifted,
    spacing_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["runs_in"]

_LEAST_STEP_SHARE = 0.9  # of the rows must have a step; otherwise another column is used


def runs_in(
    table: LogTable,
    run: str,
    names: Names,
    where: str,
    *,
    total_steps: int | None = None,
    facts: Mapping[str, Any] | None = None,
) -> list[Observations]:
    """The runs in a table: one, unless it has several by name, or the log of a second fit.

    Args:
        table: the log.
        run: the name of the run.
        names: which columns are the loss, the rate and so on.
        where: the log, for messages.
        total_steps: the updates of the whole run as planned, if known.
        facts: what else is known, as `Observations` has them.

    Raises:
        FileError: no column looks like a loss or a rate, it is not clear which one is, or the
            steps are not whole numbers.
    """
    return [
        observations
        for name, part in parts_by_run(in_columns(table), run)
        for observations in _runs(
            in_phases(part), name, names, where, total_steps=total_steps, facts=facts or {}
        )
    ]


def _runs(
    table: LogTable,
    run: str,
    names: Names,
    where: str,
    *,
    total_steps: int | None,
    facts: Mapping[str, Any],
) -> list[Observations]:
    if names.step is not None:
        step_names(table.names, names, where)  # before a complaint about other columns
    filled = {
        name: int(np.count_nonzero(~np.isnan(column))) for name, column in table.numbers.items()
    }
    with_values = [name for name in table.names if filled.get(name, 1)]
    chosen = ChosenSeries(names.columns(with_values, where, filled))
    planned = _planned(table) if total_steps is None else total_steps
    counted = _counted(table, chosen, names, where, planned)
    if is_unordered(counted.step):
        raise FileError(
            f"{where}: the rows are not in the order of {chosen.step}; many steps are lower than in the "
            "row above. Sort the rows by the step, and give each run a column that names it if there "
            "are several."
        )
    rates = counted.rate[np.isfinite(counted.rate)]
    if rates.size and rates.max() < 0:
        raise FileError(
            f"{where}: all rates in {chosen.columns['lr'][-1]!r} are below 0, as logarithms are. Write "
            "the rates themselves, or name another column with --lr."
        )
    fits = fits_of(counted.step, counted.loss, counted.rate, of_epochs=counted.of_epochs)
    runs = []
    for number, fit in enumerate(fits, 1):
        tracks = _tracks(table, counted, fit, chosen)
        name = run if len(fits) == 1 else f"{run} (fit {number} of {len(fits)})"
        chosen_in_fit = ChosenSeries(dict(chosen.columns), chosen.step, notes=[*chosen.notes])
        more = counted.facts | dict(facts) | _own_measurements(table, counted)
        length = fit.steps_per_epoch or counted.steps_per_epoch
        if length is not None:
            more["steps_per_epoch"] = length
            chosen_in_fit.notes.append(
                f"the step restarts in each epoch of {length:,} steps; the epochs are read "
                "as one run"
            )
        for step in fit.resumed_at:
            chosen_in_fit.notes.append(
                f"the step restarts and the loss continues; read as one run that was resumed at step "
                f"{step - counted.first_step:,}"
            )
        resumed_at = {step - counted.first_step for step in fit.resumed_at}
        runs.append(
            observed(
                name,
                tracks,
                chosen_in_fit,
                total_steps=planned,
                facts=more,
                resumed_at=resumed_at | counted.resumed_at,
            )
        )
    return runs


def _own_measurements(table: LogTable, counted: _CountedRows) -> dict[str, Any]:
    """Measurements of `attach` in a table of this package; empty for other tables."""
    if not _is_own_export(table):
        return {}
    rows = ~np.isnan(counted.counter)
    columns = {name: column[rows] for name, column in table.numbers.items()}
    return measured_facts(columns, counted.counter[rows].astype(np.int64))


def _is_own_export(table: LogTable) -> bool:
    """Whether the table's steps are as this package counts them."""
    return "attempt" in table.numbers


@dataclass
class _CountedRows:
    """The rows of the training, with their steps as logged."""

    rows: np.ndarray  # their numbers in the table
    step: np.ndarray
    loss: np.ndarray
    rate: np.ndarray
    facts: dict[str, Any]
    of_epochs: bool
    steps_per_epoch: int | None
    first_step: int  # 1 if steps are counted from 1
    resumed_at: set[int]
    counter: np.ndarray  # of every row of the table, NaN if it has none


def _counted(
    table: LogTable, chosen: ChosenSeries, names: Names, where: str, planned: int | None
) -> _CountedRows:
    training = _has_value(table, [*chosen.columns.get("loss", []), *chosen.columns.get("lr", [])])
    name, counter = _counter(table, names, where, training)
    rows = np.flatnonzero(training & ~np.isnan(counter))
    if not rows.size:
        raise FileError(f"{where}: column {name!r} has no step for any row.")
    raw = counter[rows]
    epoch = epoch_name(table.numbers)
    facts: dict[str, Any] = {}
    of_epochs, steps_per_epoch = False, None
    if name is None:
        facts["step_unit"] = "row"
        chosen.step = "the number of the row"
    elif name == epoch or "epoch" in name.lower():
        of_epochs = True
        facts["step_unit"] = "epoch"
        chosen.step = repr(name)
    else:
        chosen.step = repr(name)
    if name is not None and (name == epoch or _is_time(name)) and _is_fractional(raw):
        counter = np.unique(counter, return_inverse=True)[1].astype(float)
        counter[np.isnan(table.numbers[name])] = np.nan
        raw = counter[rows]
        facts["step_unit"] = "row"
        chosen.step = f"the order of {name!r}"
    step = whole_steps(raw, f"{where}, column {name!r}")
    if epoch is not None and not of_epochs and name is not None:
        epochs = _filled(table.numbers[epoch])[rows]
        joined = joined_by_epoch(step, epochs) if np.isfinite(epochs).all() else None
        if joined is not None:
            step, steps_per_epoch = joined
            of_epochs = True
            counter = counter.copy()
            counter[rows] = step
            chosen.step = f"{epoch!r} and {name!r}"
    first = 0 if _is_own_export(table) else _counts_from(step, planned)
    if first:
        chosen.step += ", counted from 1"
    loss = _row_values(table, chosen.columns.get("loss", []), rows)
    rate = _row_values(table, chosen.columns.get("lr", [])[-1:], rows)
    return _CountedRows(
        rows=rows,
        step=step,
        loss=loss,
        rate=rate,
        facts=facts,
        of_epochs=of_epochs,
        steps_per_epoch=steps_per_epoch,
        first_step=first,
        resumed_at=_attempts(table, rows, step),
        counter=counter,
    )


def _tracks(
    table: LogTable, counted: _CountedRows, fit: LoggedFit, chosen: ChosenSeries
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The steps and values of each chosen column in the rows of one fit."""
    rows = counted.rows[fit.first : fit.end]
    step = shifted(counted.step[fit.first : fit.end], fit.starts, fit.offsets)
    step = np.maximum(step - counted.first_step, 0)
    first = 0 if fit.first == 0 else int(counted.rows[fit.first])
    end = table.rows if fit.end == counted.rows.size else int(counted.rows[fit.end])
    tracks = {}
    for series_names in chosen.columns.values():
        for name in series_names:
            column = table.numbers[name]
            filled = first + np.flatnonzero(~np.isnan(column[first:end]))
            tracks[name] = _steps_at(filled, rows, step, counted), column[filled]
    return tracks


def _steps_at(
    table_rows: np.ndarray, rows: np.ndarray, step: np.ndarray, counted: _CountedRows
) -> np.ndarray:
    """The steps of some rows.

    A row that is not of the training, such as one of a validation, has its own step if that lies
    between those of the training rows around it, or else that of the training row before it.

    Args:
        table_rows: their numbers in the table.
        rows: the numbers of the training rows.
        step: the step of each training row, from 0 and never starting again.
        counted: the training as logged.
    """
    after = np.searchsorted(rows, table_rows)
    is_training = rows[np.minimum(after, rows.size - 1)] == table_rows
    before = np.clip(after - 1, 0, rows.size - 1)
    steps = np.where(is_training, step[np.minimum(after, rows.size - 1)], step[before])
    other = ~is_training
    if not other.any():
        return steps
    logged = counted.counter[table_rows[other]] - counted.first_step
    with np.errstate(invalid="ignore"):
        usable = (logged >= 0) & (logged <= 2**53) & (logged == np.floor(logged))
        if (after[other] < rows.size).any() or other.sum() < 2:
            usable &= logged >= step[before[other]]
            usable &= logged <= np.append(step[1:], step[-1] + 2 * spacing_of(step))[before[other]]
            usable &= counted.steps_per_epoch is None
        # Otherwise all lie behind the training, as in a table sorted by split.
    steps[other] = np.where(
        usable, np.nan_to_num(logged, posinf=0.0).astype(np.int64), steps[other]
    )
    return steps


def _counter(
    table: LogTable, names: Names, where: str, training: np.ndarray
) -> tuple[str | None, np.ndarray]:
    """The column that counts the rows and its values; the numbers of the rows if there is none."""
    available = [name for name in table.numbers if not np.isnan(table.numbers[name]).all()]
    candidates = step_names(available if names.step is None else table.names, names, where)
    epoch = epoch_name(available)
    candidates += [epoch] if epoch is not None and names.step is None else []
    rows = max(1, int(training.sum()))
    filled = {
        name: int((~np.isnan(table.numbers[name]) & training).sum()) / rows
        for name in candidates
        if name in table.numbers
    }
    if names.step is not None and names.step not in filled:
        raise FileError(f"{where}: column {names.step!r} (--step) has no numbers.")
    best = max(filled.values(), default=0.0)
    for name, share in filled.items():
        if share >= min(_LEAST_STEP_SHARE, best):
            return name, _finite(table.numbers[name])
    return None, np.arange(table.rows, dtype=float)


def _counts_from(step: np.ndarray, planned: int | None) -> int:
    """1 if steps are counted from 1, so that the first row is one spacing after the start."""
    if step.size < 2:
        return 0
    rises = np.diff(step)
    rises = rises[rises > 0]
    if step[0] == 0 or not rises.size:
        return 0
    spacing = spacing_of(step)
    regular = float((rises == spacing).mean()) > _LEAST_STEP_SHARE
    return int((regular and step[0] == spacing) or step.max() == planned)


def _attempts(table: LogTable, rows: np.ndarray, step: np.ndarray) -> set[int]:
    """The steps at which a later attempt took over, in a table that `learnrate export` wrote."""
    attempt = table.numbers.get("attempt")
    if attempt is None:
        return set()
    return set(step[np.flatnonzero(np.diff(attempt[rows]) > 0) + 1].tolist())


def _planned(table: LogTable) -> int | None:
    """The length of the run that the rows repeat."""
    name = total_name(table.numbers)
    if name is None:
        return None
    totals = table.numbers[name]
    totals = totals[np.isfinite(totals)]
    if not totals.size or not 1 <= totals[-1] <= 2**53 or totals[-1] != np.floor(totals[-1]):
        return None
    return int(totals[-1])


def _has_value(table: LogTable, names: Sequence[str]) -> np.ndarray:
    has_value = np.zeros(table.rows, dtype=bool)
    for name in names:
        has_value |= ~np.isnan(table.numbers[name])
    return has_value


def _row_values(table: LogTable, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
    if not names:
        return np.full(rows.size, np.nan)
    with np.errstate(over="ignore"):
        return np.asarray(np.sum([table.numbers[name][rows] for name in names], axis=0))


def _finite(column: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(column), column, np.nan)


def _filled(column: np.ndarray) -> np.ndarray:
    """Each missing value replaced by the last one before it."""
    has_value = np.isfinite(column)
    last = np.maximum.accumulate(np.where(has_value, np.arange(column.size), 0))
    return np.asarray(_finite(column)[last])


def _is_fractional(values: np.ndarray) -> bool:
    return bool((values != np.floor(values)).any())


def _is_time(name: str) -> bool:
    return bool(re.search(r"time|seconds|elapsed|hours|minutes", name.lower()))
