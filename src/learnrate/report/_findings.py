"""The findings of a diagnosis, each with a small figure, in a terminal and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._chart import Axis, Colour, Panel, PanelMark, Polyline, VerticalLine
from learnrate.report._html import filled_in, whole_page
from learnrate.report._plotly import plotly_figure
from learnrate.report._terminal import encoded_text
from learnrate.report._text_plot import show_plot
from learnrate.report._words import count_text
from learnrate.watch import RULES, unit_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from learnrate.report._plotly import PlotlyFigure
    from learnrate.watch import Diagnosis, Finding, Observations

__all__ = ["findings_page", "list_findings", "show_findings"]

_STYLES = {"error": "bold red", "warning": "bold yellow", "advice": "bold cyan"}
_CLASSES = {"error": "verdict-bad", "warning": "verdict-weak", "advice": "verdict-ok"}
_TITLES = {
    "lr": "learning rate",
    "loss": "training loss",
    "validation": "validation loss",
    "gradient_norm": "gradient norm",
    "clipped": "share clipped",
}
_SAID_LIVE = "Found while the run was live, but not in its whole record:"
_COLOURS = (Colour.MEASURED, Colour.CHOSEN)
_RULES = {rule.code: rule for rule in RULES}


def show_findings(
    console: Console, observations: Observations, diagnosis: Diagnosis, *, reasons: bool = False
) -> None:
    """Print the findings of a run with a small plot each, and how many rules could not run.

    Args:
        console: the console to print on.
        observations: the run.
        diagnosis: what was found in it.
        reasons: whether to list the rules that could not run, each with the reason.
    """
    rows, unit = observations.step.size, unit_of(observations.facts)
    count = len(diagnosis.findings)
    result = count_text(count, "finding") if count else "nothing found"
    style = "bold" if count else "bold green"
    console.print(
        encoded_text(
            console,
            (diagnosis.run, "bold"),
            (f"  {count_text(rows, 'row')}: ", ""),
            (result, style),
        ),
        soft_wrap=True,  # so that a path can be copied
    )
    for sentence in _read_as(observations):
        console.print(encoded_text(console, (sentence, "dim")))
    for finding in diagnosis.findings:
        _show_finding(console, finding, unit)
        panel = _finding_panel(observations, finding)
        if panel is not None:
            show_plot(console, panel, height=9)
    if diagnosis.reported_live:
        console.print(encoded_text(console, (f"\n{_SAID_LIVE}", "")))
    for finding in diagnosis.reported_live:
        _show_finding(console, finding, unit)
    if diagnosis.not_judged:
        console.print(encoded_text(console, (f"\n{diagnosis.not_judged}", "")))
    if diagnosis.not_trained:
        console.print(encoded_text(console, (f"\n{diagnosis.not_trained}", "")))
    sentence = _not_run(diagnosis) if reasons else _not_run_count(diagnosis)
    if sentence:
        console.print(encoded_text(console, (f"\n{sentence}", "dim")))
    console.print()


def list_findings(console: Console, findings: Sequence[Finding], unit: str = "step") -> None:
    """Print findings without plots, where the run itself has been shown.

    Args:
        console: the console to print on.
        findings: the findings of the run.
        unit: what its steps count; see `learnrate.watch.unit_of`.
    """
    for finding in findings:
        _show_finding(console, finding, unit)
    if findings:
        console.print()


def findings_page(diagnosed: Sequence[tuple[Observations, Diagnosis]]) -> str:
    """The findings of some runs as one HTML file that loads nothing.

    Args:
        diagnosed: each run with its diagnosis; at least one.
    """
    figures: dict[str, PlotlyFigure] = {}
    runs = [
        _run(number, observations, diagnosis, figures)
        for number, (observations, diagnosis) in enumerate(diagnosed)
    ]
    run_count = count_text(len(runs), "run")
    body = filled_in(
        "findings.html",
        runs=runs,
        classes=_CLASSES,
        run_count=run_count,
        finding_count=count_text(sum(len(run["findings"]) for run in runs), "finding"),
        failed=sum(diagnosis.failed for _, diagnosis in diagnosed),
    )
    title = f"{run_count} diagnosed (learnrate diagnose)"
    return whole_page(title=title, body=body, figures=figures)


def _read_as(observations: Observations) -> list[str]:
    """The series read from a log, each with the flag that changes it, and notes on the reading."""
    read_as = observations.facts.get("read_as")
    if not isinstance(read_as, dict):
        return []
    parts = []
    for column, title in (("loss", "loss"), ("lr", "rate"), ("validation", "validation")):
        series = read_as.get(column)
        of_several = f" of {read_as['rates']}" if column == "lr" and read_as["rates"] > 1 else ""
        series_text = f"{title} {series!r}{of_several}" if series else f"no {title}"
        parts.append(f"{series_text} (--{column})")
    parts.append(f"step {read_as['step']} (--step)")
    return [f"read as: {', '.join(parts)}", *(f"note: {note}" for note in read_as["notes"])]


def _show_finding(console: Console, finding: Finding, unit: str = "step") -> None:
    severity = str(finding.severity)
    where = "" if finding.step is None else f" (from {unit} {finding.step:,})"
    title = f": {_title(finding)}" if _title(finding) else ""
    console.print(
        encoded_text(
            console,
            ("\n" + finding.code, _STYLES.get(severity, "bold")),
            (f" {severity}{title}", "bold"),
            (where, ""),
        )
    )
    console.print(encoded_text(console, (finding.message, "")))
    console.print(encoded_text(console, ("do  ", "dim"), (finding.remedy, "")))


def _title(finding: Finding) -> str:
    """The title of a finding's rule; empty for a code without a rule, of a probe."""
    return _RULES[finding.code].title if finding.code in _RULES else ""


def _not_run(diagnosis: Diagnosis) -> str:
    """Which rules could not run, those with the same reason together; empty if all could."""
    return _by_reason(diagnosis, diagnosis.not_run)


def _not_run_count(diagnosis: Diagnosis) -> str:
    """How many rules could not run, and which of them failed; empty if all could."""
    failed = diagnosis.rule_failures
    lacking = len(diagnosis.not_run) - len(failed)
    parts = [_by_reason(diagnosis, failed)] if failed else []
    if lacking:
        parts.append(f"{count_text(lacking, 'rule')} could not run (--reasons says why).")
    return "\n".join(parts)


def _by_reason(diagnosis: Diagnosis, not_run: Mapping[str, str]) -> str:
    reasons: dict[str, list[str]] = {}
    for code, reason in not_run.items():
        text = "as said above" if reason in diagnosis.not_judged else reason
        reasons.setdefault(text, []).append(code)
    parts = [f"{', '.join(codes)}: {reason}" for reason, codes in reasons.items()]
    return f"rules that could not run: {'; '.join(parts)}." if parts else ""


def _run(
    number: int,
    observations: Observations,
    diagnosis: Diagnosis,
    figures: dict[str, PlotlyFigure],
) -> dict[str, Any]:
    """A run as the template shows it; its figures are added to `figures`."""
    findings = []
    for finding in diagnosis.findings:
        panel = _finding_panel(observations, finding)
        place = f"run-{number}-{finding.code}" if panel else ""
        if panel:
            figures[place] = plotly_figure(panel)
        findings.append(
            {
                "finding": finding,
                "title": _RULES[finding.code].title,
                "place": place,
                "key": _key(panel, unit_of(observations.facts)) if panel else (),
            }
        )
    not_run = f"R{_not_run(diagnosis)[1:]}" if diagnosis.not_run else ""
    return {
        "name": diagnosis.run,
        "rows": observations.step.size,
        "findings": findings,
        "reported_live": [(finding, _title(finding)) for finding in diagnosis.reported_live],
        "not_judged": diagnosis.not_judged,
        "not_trained": diagnosis.not_trained,
        "not_run": not_run,
        "read_as": _read_as(observations),
    }


def _key(panel: Panel, unit: str) -> list[tuple[str, str, str]]:
    lines = [mark for mark in panel.marks if isinstance(mark, Polyline)]
    verticals = [mark for mark in panel.marks if isinstance(mark, VerticalLine)]
    return [
        *((str(line.colour), "━", line.label) for line in lines),
        *((str(vertical.colour), "┊", f"{unit} {vertical.x:,}") for vertical in verticals),
    ]


def _finding_panel(observations: Observations, finding: Finding) -> Panel | None:
    """The columns that a finding rests on, and the step it names; None without any."""
    columns = []
    for name in _RULES[finding.code].shows:
        column = observations.column(name)
        recorded = np.isfinite(column)
        if recorded.sum() > 1:
            columns.append((name, observations.step[recorded], column[recorded]))
    if not columns:
        return None
    low, high = _limits(finding, [column for _, _, column in columns])
    labels = [_TITLES.get(name, name) for name, _, _ in columns]
    marks: list[PanelMark] = [
        Polyline(x=steps, y=np.clip(column, low, high), colour=colour, width=1.2, label=label)
        for colour, label, (_, steps, column) in zip(_COLOURS, labels, columns, strict=False)
    ]
    title, unit = " and ".join(labels), unit_of(observations.facts)
    if finding.step is not None:
        marks.append(VerticalLine(x=finding.step, colour=Colour.DIVERGED))
        title += f" (mark: {unit} {finding.step:,})"
    return Panel(
        title=title,
        x=Axis(
            label=unit,
            low=min(float(steps[0]) for _, steps, _ in columns),
            high=max(float(steps[-1]) for _, steps, _ in columns),
            number_format=",",
        ),
        y=Axis(
            label=labels[0] if len(labels) == 1 else "loss",
            low=low,
            high=high,
            number_format=".4g",
        ),
        marks=tuple(marks),
    )


def _limits(finding: Finding, columns: Sequence[np.ndarray]) -> tuple[float, float]:
    """The limits between which columns are shown; a loss that explodes is cut off above."""
    low = min(float(column.min()) for column in columns)
    highest = max(float(column.max()) for column in columns)
    if "lr" in _RULES[finding.code].shows:
        return min(0.0, low), 1.05 * highest or 1.0
    start = max(float(np.median(column[:3])) for column in columns)
    # Without the cut, the run before the explosion would be a flat line at the bottom.
    usual = max(float(np.quantile(column, 0.75)) for column in columns)
    high = min(highest, max(start, usual) + 0.5 * (start - low))
    room = 0.05 * (high - low)
    return (low - room, high + room) if high > low else (low - 0.5, low + 0.5)
