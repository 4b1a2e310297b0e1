"""What a diagnosis looks like: findings with a small picture each, in a terminal and as a page."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from learnrate.report._figures import Figure, _axis, _figure, _line
from learnrate.report._shell import figure, key_of, whole_page
from learnrate.report._terminal import _text
from learnrate.report._text_plot import TextPlot, show_plot
from learnrate.watch import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from learnrate.watch import Diagnosis, Finding, Observations

__all__ = ["findings_page", "show_findings", "show_found"]

_STYLES = {"error": "bold red", "warning": "bold yellow", "advice": "bold cyan"}
_CLASSES = {"error": "verdict-bad", "warning": "verdict-weak", "advice": "verdict-ok"}
_TITLES = {
    "lr": "learning rate",
    "loss": "training loss",
    "validation": "validation loss",
    "gradient_norm": "gradient norm",
    "clipped": "share clipped",
}
_COLOURS = ("measured", "chosen")
_MOST_POINTS = 600
_RULES = {rule.code: rule for rule in RULES}


def show_findings(console: Console, observations: Observations, diagnosis: Diagnosis) -> None:
    """Print what was found in a run, each finding with a small plot, and what could not be told."""
    steps = observations.step.size
    count = len(diagnosis.findings)
    said = "nothing found" if not count else f"{count} finding{'s' if count > 1 else ''}"
    style = "bold green" if not count else "bold"
    console.print(
        _text(console, (diagnosis.run, "bold"), (f"  {steps:,} rows: ", ""), (said, style)),
        soft_wrap=True,  # so that a path can be copied
    )
    for one in diagnosis.findings:
        _show_finding(console, one)
        plot = _plot(observations, one)
        if plot is not None:
            show_plot(console, plot, height=9)
    if diagnosis.not_run:
        console.print(_text(console, (f"\n{_not_run(diagnosis)}", "dim")))
    console.print()


def show_found(console: Console, findings: Sequence[Finding]) -> None:
    """Print findings in words alone, where the run they are of has been shown."""
    for one in findings:
        _show_finding(console, one)
    if findings:
        console.print()


def _show_finding(console: Console, finding: Finding) -> None:
    severity = str(finding.severity)
    where = "" if finding.step is None else f" (from step {finding.step:,})"
    title = f": {_RULES[finding.code].title}" if finding.code in _RULES else ""
    console.print(
        _text(
            console,
            ("\n" + finding.code, _STYLES.get(severity, "bold")),
            (f" {severity}{title}", "bold"),
            (where, ""),
        )
    )
    console.print(_text(console, (finding.message, "")))
    console.print(_text(console, ("do  ", "dim"), (finding.remedy, "")))


def _not_run(diagnosis: Diagnosis) -> str:
    """Which rules could not run, those of one reason together."""
    reasons: dict[str, list[str]] = {}
    for code, reason in diagnosis.not_run.items():
        reasons.setdefault(reason, []).append(code)
    parts = [f"{', '.join(codes)}: {reason}" for reason, codes in reasons.items()]
    return f"could not be told: {'; '.join(parts)}."


def _plot(observations: Observations, finding: Finding) -> TextPlot | None:
    lines, limits = _lines(observations, finding)
    if not lines:
        return None
    names = " and ".join(_TITLES.get(name, name) for name, _, _ in lines)
    plot = TextPlot("step", names, y_limits=limits)
    plot.lines = [(x, y) for _, x, y in lines]
    if finding.step is not None:
        plot.marks.append((float(finding.step), "red"))
        plot.y_title += f" (mark: step {finding.step:,})"
    return plot


def _lines(
    observations: Observations, finding: Finding
) -> tuple[list[tuple[str, np.ndarray, np.ndarray]], tuple[float, float]]:
    """The series that a finding rests on, thinned out, and between which values they are shown."""
    lines = []
    for name in _RULES[finding.code].shows:
        held = observations.column(name)
        there = np.isfinite(held)
        if there.sum() > 1:
            lines.append((name, *_thinned(observations.step[there], held[there])))
    if not lines:
        return [], (0.0, 1.0)
    if "lr" in _RULES[finding.code].shows:
        high = max(float(y.max()) for _, _, y in lines)
        return lines, (min(0.0, *(float(y.min()) for _, _, y in lines)), 1.05 * high or 1.0)
    low = min(float(y.min()) for _, _, y in lines)
    starts = max(float(np.median(y[:3])) for _, _, y in lines)
    # What explodes is cut off above: the run before it would be a line along the bottom.
    usual = max(float(np.quantile(y, 0.75)) for _, _, y in lines)
    high = min(max(float(y.max()) for _, _, y in lines), max(starts, usual) + 0.5 * (starts - low))
    room = 0.05 * (high - low)
    return lines, (low - room, high + room) if high > low else (low - 0.5, low + 0.5)


def _thinned(step: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most 600 points that keep every part's lowest and highest."""
    if step.size <= _MOST_POINTS:
        return step.astype(float), value
    edges = np.linspace(0, step.size, _MOST_POINTS // 2 + 1).astype(int)
    kept = set()
    for a, b in pairwise(edges):
        kept |= {a + int(np.argmin(value[a:b])), a + int(np.argmax(value[a:b]))}
    at = np.array(sorted(kept))
    return step[at].astype(float), value[at]


def findings_page(diagnosed: Sequence[tuple[Observations, Diagnosis]]) -> str:
    """What was found in some runs as one HTML file that loads nothing.

    Args:
        diagnosed: each run with its diagnosis; at least one.
    """
    figures: dict[str, Figure] = {}
    runs = "\n".join(
        _run(f"run-{index}", observations, diagnosis, figures)
        for index, (observations, diagnosis) in enumerate(diagnosed)
    )
    count = sum(len(diagnosis.findings) for _, diagnosis in diagnosed)
    failed = sum(diagnosis.failed for _, diagnosis in diagnosed)
    runs_text = f"{len(diagnosed)} run{'s' if len(diagnosed) != 1 else ''}"
    body = f"""<header><p class="over">learnrate diagnose</p>
<h1>{count} finding{"s" if count != 1 else ""} in {runs_text}</h1>
<p>{failed} of {runs_text} with an error.</p></header>
<main>{runs}</main>
"""
    return whole_page(
        title=f"{runs_text} diagnosed (learnrate diagnose)", body=body, figures=figures
    )


def _run(
    place: str, observations: Observations, diagnosis: Diagnosis, figures: dict[str, Figure]
) -> str:
    parts = [f"<h2>{escape(diagnosis.run)}</h2>"]
    if not diagnosis.findings:
        parts.append(f"<p>Nothing found in {observations.step.size:,} rows.</p>")
    for one in diagnosis.findings:
        severity = str(one.severity)
        parts.append(
            f"<article><h3>{one.code}: {escape(_RULES[one.code].title)} "
            f'<strong class="verdict {_CLASSES[severity]}">{severity}</strong></h3>'
            f"<p>{escape(one.message)}</p><p><strong>What to do.</strong> {escape(one.remedy)}</p>"
        )
        lines, limits = _lines(observations, one)
        if lines:
            name = f"{place}-{one.code}"
            figures[name] = _figure_of(lines, limits, one)
            parts.append(figure(name, one.message, ""))
            parts.append(key_of(_key(lines, one)))
        parts.append("</article>")
    if diagnosis.not_run:
        parts.append(f'<p class="reason">{escape("C" + _not_run(diagnosis)[1:])}</p>')
    return "\n".join(parts)


def _key(lines: Sequence[tuple[str, np.ndarray, np.ndarray]], finding: Finding) -> str:
    items = [
        f'<li><i class="{colour}" aria-hidden="true">━</i>{escape(_TITLES.get(name, name))}</li>'
        for colour, (name, _, _) in zip(_COLOURS, lines, strict=False)
    ]
    if finding.step is not None:
        mark = '<i class="diverged" aria-hidden="true">┊</i>'
        items.append(f"<li>{mark}step {finding.step:,}</li>")
    return "".join(items)


def _figure_of(
    lines: Sequence[tuple[str, np.ndarray, np.ndarray]],
    limits: tuple[float, float],
    finding: Finding,
) -> Figure:
    drawn = []
    for colour, (name, x, y) in zip(_COLOURS, lines, strict=False):
        hover = f"step %{{x:,}}<br>{_TITLES.get(name, name)} %{{y:.4g}}"
        line = _line(x.tolist(), np.clip(y, *limits).tolist(), f"@{colour}", hover)
        line["line"]["width"] = 1.5
        drawn.append(line)
    first = min(float(x[0]) for _, x, _ in lines)
    last = max(float(x[-1]) for _, x, _ in lines)
    shapes = []
    if finding.step is not None:
        dotted = {"color": "@diverged", "width": 2, "dash": "dot"}
        ends = {"x0": finding.step, "x1": finding.step, "y0": 0, "y1": 1, "yref": "paper"}
        shapes.append({"type": "line", "line": dotted} | ends)
    title = _TITLES.get(lines[0][0], lines[0][0]) if len(lines) == 1 else "loss"
    return _figure(
        drawn,
        x=_axis("step", [first, last]) | {"tickformat": ","},
        y=_axis(title, limits) | {"tickformat": ".3~g"},
        shapes=shapes,
    )
