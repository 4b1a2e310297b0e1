"""Views: how a log of a run looks, row by row to a live watcher, or thinned in a file."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.schedules import schedule
from learnrate.watch import Finding, Observations, Options, Watcher, diagnose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .logs import LoggedRun

__all__ = ["VIEWS", "findings_in", "thinned_log"]

VIEWS = ("live", "full", "every 10th", "60 rows", "30 rows", "20 rows")
"""What the rules are given: all that `attach` records as it comes, or files of rate and loss."""

_MEANS = {"loss"}  # a log averages them over the updates since the last row


def findings_in(
    run: LoggedRun, view: str, options: Options, only: Iterable[str] | None = None
) -> tuple[Finding, ...]:
    """What the rules say of a run.

    Args:
        run: a run of the corpus.
        view: one of `VIEWS`.
        options: the thresholds.
        only: the codes of the rules to run; None for all.
    """
    if view == "live":
        return _live(run, options, only)
    return diagnose(thinned_log(run, view), options, only=only).findings


def _live(run: LoggedRun, options: Options, only: Iterable[str] | None) -> tuple[Finding, ...]:
    about = run.about
    facts = dict(about["facts"])
    resumes = facts.pop("resumed_at", [])
    text = about["schedule_planned"]
    watcher = Watcher(
        run.name,
        total_steps=about["total_steps"],
        schedule=None if text is None else schedule(text),
        facts=facts,
        options=options,
        only=only,
    )
    findings: list[Finding] = []
    for row, step in enumerate(run.step.tolist()):
        columns = {name: column[row : row + 1] for name, column in run.columns.items()}
        known = {"resumed_at": resumes} if step in resumes else None
        findings += watcher.feed([step], columns, known)
    if about["share"] == 1:
        findings += watcher.finish()
    return tuple(findings)


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
