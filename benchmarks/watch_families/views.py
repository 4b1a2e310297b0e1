"""Views of a run: rows fed to a live watcher a few at a time, or a thinned log in a file."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.schedules import schedule
from learnrate.watch import (
    PATH_COLUMNS,
    RULES,
    Finding,
    Observations,
    Options,
    Rule,
    Watcher,
)
from learnrate.watch._diagnose import diagnose_reading
from learnrate.watch._reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .logs import LoggedRun

__all__ = ["VIEWS", "dated_findings", "findings_in", "reading_of", "thinned_log"]

VIEWS = ("live", "full", "every 10th", "60 rows", "30 rows", "20 rows")
"""What the rules are given: all that `attach` records as it comes, or files of rate and loss."""

_BLOCK = 8  # rows that a live watcher is fed at once
_MEANS = {"loss"}  # a log averages them over the updates since the last row


def findings_in(
    run: LoggedRun, view: str, options: Options, rules: tuple[Rule[Any], ...] = RULES
) -> tuple[Finding, ...]:
    """The findings in a run.

    Args:
        run: a run of the corpus.
        view: one of `VIEWS`.
        options: the thresholds.
        rules: the rules to run.
    """
    if view == "live":
        return _live(run, options, rules)
    return diagnose_reading(reading_of(run, view), options, rules).findings


def reading_of(run: LoggedRun, view: str) -> Reading:
    """A run as the rules read it in a view.

    Args:
        run: a run of the corpus.
        view: one of `VIEWS`; `live` is the whole record here.
    """
    return Reading(run.observations() if view == "live" else thinned_log(run, view))


class _Asking(Watcher):
    """A watcher that uses given rules."""

    def __init__(self, run: str, rules: tuple[Rule[Any], ...], **known: Any) -> None:
        super().__init__(run, **known)
        self._rules = rules


def _live(run: LoggedRun, options: Options, rules: tuple[Rule[Any], ...]) -> tuple[Finding, ...]:
    return tuple(finding for _, finding in dated_findings(run, options, rules))


def dated_findings(
    run: LoggedRun, options: Options, rules: tuple[Rule[Any], ...] = RULES
) -> Iterator[tuple[int, Finding]]:
    """The findings of a live watcher, each with the step of the last row that it was given.

    Args:
        run: a run of the corpus.
        options: the thresholds.
        rules: the rules to run.
    """
    about, text = run.about, run.about["schedule_planned"]
    facts = {name: fact for name, fact in about["facts"].items() if name != "resumed_at"}
    watcher = _Asking(
        run.name,
        rules,
        total_steps=about["total_steps"],
        schedule=None if text is None else schedule(text),
        facts={name: fact for name, fact in facts.items() if name not in PATH_COLUMNS},
        options=options,
    )
    resumes = about["facts"].get("resumed_at", [])
    edges = {*range(0, run.step.size, _BLOCK), *np.searchsorted(run.step, resumes).tolist()}
    for first, end in itertools.pairwise([*sorted(edges - {run.step.size}), run.step.size]):
        last = int(run.step[end - 1])
        known = {
            name: [pair for pair in fact if pair[0] <= last]
            for name, fact in facts.items()
            if name in PATH_COLUMNS
        }
        if run.step[first] in resumes:
            known["resumed_at"] = resumes
        columns = {name: column[first:end] for name, column in run.columns.items()}
        for finding in watcher.feed(run.step[first:end], columns, known):
            yield last, finding
    if about["share"] == 1:
        for finding in watcher.finish():
            yield int(run.step[-1]), finding


def thinned_log(run: LoggedRun, view: str) -> Observations:
    """The rows of a file: the rate, the mean loss since the last row, perhaps the gradient norm.

    Every other log has gradient norms. The file knows neither the length of the run nor its
    schedule, optimizer or resumes.

    Args:
        run: a run of the corpus.
        view: one of `VIEWS` but `live`.
    """
    count = run.step.size
    names = ["lr", "loss", "validation", *(["gradient_norm"] if run.about["seed"] % 2 else [])]
    columns = {name: run.columns[name] for name in names if name in run.columns}
    if view == "full":
        return Observations(run=run.name, step=run.step, columns=columns)
    rows = count // 10 if view == "every 10th" else int(view.split(maxsplit=1)[0])
    edges = np.unique(np.linspace(0, count, min(max(rows, 2), count) + 1).astype(int))
    if view == "every 10th":
        edges = np.arange(0, count + 1, 10)
    thinned: dict[str, Any] = {
        name: _thinned(column, edges, mean=name in _MEANS) for name, column in columns.items()
    }
    return Observations(run=run.name, step=run.step[edges[1:] - 1], columns=thinned)


def _thinned(column: np.ndarray, edges: np.ndarray, *, mean: bool) -> np.ndarray:
    rows = []
    for first, end in itertools.pairwise(edges):
        part = column[first:end]
        part = part[~np.isnan(part)]
        rows.append(np.nan if not part.size else part.mean() if mean else part[-1])
    return np.array(rows)
