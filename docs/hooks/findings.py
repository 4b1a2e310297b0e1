"""Draws a run, or a probe, on the page of every finding, and lists the findings with their pages."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib import pyplot as plt

from _themes import add_picture
from learnrate._axes_style import CHOSEN, DIVERGED, MEASURED, log_axis, style
from learnrate.probing import WhatIf, what_if
from learnrate.watch import RULES, Finding, Observations, Rule, diagnose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

PAGES = Path(__file__).parents[1] / "findings"
PROBED_RATES = {"LR106": 0.205, "LR203": 0.002}  # rates at which a probe has that finding


def page_names() -> list[str]:
    """The names of the pages of all findings, in the order of their codes."""
    return [page.name for page in sorted(PAGES.glob("LR*.md"))]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every finding's page under the navigation's entry for findings."""
    for entry in config.nav or []:
        if isinstance(entry, dict) and "Findings" in entry:
            entry["Findings"] += [f"findings/{name}" for name in page_names()]
    return config


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the table of all findings into their index."""
    del config, files
    if page.file.src_uri != "findings/index.md":
        return markdown
    return markdown.replace("{{ findings }}", "\n".join(table_lines()))


def table_lines() -> Iterator[str]:
    """The table of all findings, from the titles and severities on their pages."""
    yield "| code | finding | severity |"
    yield "|---|---|---|"
    for name in page_names():
        text = (PAGES / name).read_text(encoding="utf-8")
        title = re.match(r"# (LR\d+): (.+)", text)
        severity = re.search(r"^Severity: (\w+)", text, flags=re.MULTILINE)
        if title is None or severity is None:
            raise ValueError(f"{name} must begin with '# CODE: TITLE' and have 'Severity: ...'")
        yield f"| [{title[1]}]({name}) | {title[2]} | {severity[1]} |"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures of the findings' pages."""
    for rule in RULES:
        observations, finding = run_with(rule)
        draw = partial(_draw_run, observations=observations, finding=finding, shows=rule.shows)
        add_picture(files, config, f"findings/{rule.code}", partial(_picture, draw))
    for code, lr in PROBED_RATES.items():
        probe = _what_if_at(lr)
        finding = probe.finding(0)
        if finding is None or finding.code != code:
            raise ValueError(f"the probe drawn for {code} has the finding {finding}")
        draw = partial(_draw_probe, probe=probe)
        add_picture(files, config, f"findings/{code}", partial(_picture, draw))
    return files


def run_with(rule: Rule) -> tuple[Observations, Finding]:
    """The example run of a rule, and the finding in it."""
    observations = rule.example_run()
    findings = diagnose(observations).findings
    if [finding.code for finding in findings] != [rule.code]:
        raise ValueError(f"the example run of {rule.code} has the findings {findings}")
    return observations, findings[0]


def _what_if_at(lr: float) -> WhatIf:
    """A what-if probe on a noisy quadratic, which is stable up to a rate of 0.2."""
    curvatures = torch.logspace(-2, 1, 8)
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.ones(8))
    generator = torch.Generator().manual_seed(0)
    batches = [0.1 * torch.randn(8, generator=generator) for _ in range(90)]
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def loss_of(model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return 0.5 * (curvatures * (model.weight - batch).square()).sum()

    return what_if(model, optimizer, loss_of, batches)


def _picture(draw: Callable[[Axes], None]) -> Figure:
    axes = plt.figure(figsize=(7, 2.6)).add_subplot()
    draw(axes)
    return axes.figure


def _draw_run(
    axes: Axes, observations: Observations, finding: Finding, shows: tuple[str, ...]
) -> None:
    recorded = [name for name in shows if observations.has(name)]
    for name, colour in zip(recorded, (MEASURED, CHOSEN), strict=False):
        column = observations.column(name)
        has_value = ~np.isnan(column)
        axes.plot(
            observations.step[has_value],
            column[has_value],
            color=colour,
            linewidth=1.4,
            label=name,
        )
    style(axes, "", x="step", y=" and ".join(recorded))
    if finding.step is not None:
        axes.axvline(finding.step, color=DIVERGED, linestyle=":", linewidth=1.8)
    if len(recorded) > 1:
        axes.legend(frameon=False)


def _draw_probe(axes: Axes, probe: WhatIf) -> None:
    positions = np.arange(len(probe.factors))
    kinds = (
        ("at that rate", probe.constant, MEASURED),
        ("after an anneal to 0", probe.annealed, CHOSEN),
    )
    for (label, losses, colour), marker in zip(kinds, "os", strict=True):
        axes.plot(positions, losses, marker=marker, color=colour, linewidth=1.4, label=label)
    axes.set_xticks(positions, [f"{factor:g}x" for factor in probe.factors])
    losses = [*probe.constant, *probe.annealed]
    log_axis(axes.yaxis, 0.8 * min(losses), 1.2 * max(losses))
    style(axes, "", x="factor on the current rate", y="loss")
    axes.legend(frameon=False)
