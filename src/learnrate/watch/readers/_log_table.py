"""The table of a log, with one row for each time that something was logged."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from learnrate.watch.readers._names import Names, epoch_name, step_names

__all__ = ["LogTable", "in_columns", "in_phases", "is_text_of_interest", "parts_by_run"]

_PHASES = {"split", "phase", "mode", "stage", "subset", "set", "partition", "dataset"}
_RUNS = {"run", "run_id", "run_name", "trial", "trial_id", "fold", "experiment"}
_SERIES_NAMES = {"metric", "metric_name", "tag", "key", "variable", "series"}
_VALIDATION = {"val", "valid", "validation", "eval", "evaluation", "test", "dev", "testing"}
_COMPANION = re.compile(r"__(MIN|MAX)$")  # of a chart's export: the range around each value
_CHART = re.compile(r"^(.+?) - (.+)$")  # of a chart's export: the run and its series
_NO_NAMES = Names()


@dataclass
class LogTable:
    """The columns of a log that may matter.

    Attributes:
        rows: how many rows there are.
        numbers: (rows,) floats by name: NaN where there is no value, inf where it is not finite.
        texts: (rows,) texts by name, of the columns that say to which run, split or series a row
            belongs; empty where there is none.
        names: the names of all columns, for messages.
    """

    rows: int
    numbers: dict[str, np.ndarray]
    texts: dict[str, np.ndarray]
    names: list[str]

    def part(self, rows: np.ndarray) -> LogTable:
        """The rows chosen by a mask or by their numbers."""
        numbers = {name: column[rows] for name, column in self.numbers.items()}
        texts = {name: column[rows] for name, column in self.texts.items()}
        count = int(rows.sum()) if rows.dtype == bool else rows.size
        return LogTable(count, numbers, texts, self.names)


def is_text_of_interest(name: str) -> bool:
    """Whether a column of texts may say to which run, split or series a row belongs."""
    return name.strip().lower() in _PHASES | _RUNS | _SERIES_NAMES


def _without_companions(table: LogTable) -> LogTable:
    """The table without the ranges that an exported chart has next to each series."""
    all_names = set(table.names)
    stems = {name: _COMPANION.sub("", name) for name in table.names}
    names = [name for name, stem in stems.items() if stem == name or stem not in all_names]
    shown_names = set(names)
    numbers = {name: column for name, column in table.numbers.items() if name in shown_names}
    return LogTable(table.rows, numbers, table.texts, names)


def in_columns(table: LogTable) -> LogTable:
    """A table with a series in each column, of one with a name and a value in each row.

    The ranges that an exported chart has next to each series are left out.
    """
    table = _without_companions(table)
    tag = next((name for name in table.texts if name.strip().lower() in _SERIES_NAMES), None)
    value = next((name for name in table.numbers if name.strip().lower() == "value"), None)
    if tag is None or value is None:
        return table
    numbers = {name: column for name, column in table.numbers.items() if name != value}
    for name in np.unique(table.texts[tag]).tolist():
        if name:
            numbers[name] = np.where(table.texts[tag] == name, table.numbers[value], np.nan)
    return LogTable(table.rows, numbers, table.texts, [*numbers])


def parts_by_run(table: LogTable, run: str) -> list[tuple[str, LogTable]]:
    """The parts of a table that belong to runs, with their names."""
    for name, column in table.texts.items():
        if name.strip().lower() in _RUNS:
            runs = list(dict.fromkeys(column.tolist()))
            if 1 < len(runs) < table.rows / 2:
                return [(f"{run} ({label})", table.part(column == label)) for label in runs]
    charts = [_CHART.match(name) for name in table.names]
    labels = list(dict.fromkeys(match[1] for match in charts if match))
    if not labels or any(not match for match in charts[1:]):
        return [(run, table)]
    parts = []
    for label in labels:
        numbers = {
            name.removeprefix(f"{label} - "): column
            for name, column in table.numbers.items()
            if name == table.names[0] or name.startswith(f"{label} - ")
        }
        name = run if len(labels) == 1 else f"{run} ({label})"
        parts.append((name, LogTable(table.rows, numbers, table.texts, list(numbers))))
    return parts


def in_phases(table: LogTable) -> LogTable:
    """The table with the values of validation rows in columns of their own."""
    for name, column in table.texts.items():
        if name.strip().lower() not in _PHASES:
            continue
        validation = np.array([text.strip().lower() in _VALIDATION for text in column.tolist()])
        if not validation.any() or validation.all():
            continue
        counters = {*step_names(table.names, _NO_NAMES, ""), epoch_name(table.names), "attempt"}
        numbers = {}
        for series, values in table.numbers.items():
            if series in counters:
                numbers[series] = values
                continue
            numbers[series] = np.where(validation, np.nan, values)
            of_validation = np.where(validation, values, np.nan)
            if not np.isnan(of_validation).all():
                numbers[f"val/{series}"] = of_validation
        return LogTable(table.rows, numbers, table.texts, list(numbers))
    return table
