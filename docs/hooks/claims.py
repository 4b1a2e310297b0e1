"""Writes a page for each claim while the site is built."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from _themes import INKS, add_picture
from learnrate.claims import Claim, Figure, Outcome, claims, quick_and_full, read_result
from learnrate.report import interval_text, leading_text

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

SAYS = {True: "supports it", False: "contradicts it", None: "open"}
INTRODUCTION = """# Claims

What is commonly said about learning rates, each with the training that tests it. The design, the
figure and the rule that decides were fixed before the first run, and a claim that is lost stays.
Every figure has a 95 % interval over seeds. A claim holds if the whole interval of every case lies in
the range that it states, and holds in part if that is so for some. If it is so for none, the claim does
not hold if a case contradicts it, and is open otherwise.

```bash
learnrate claims
learnrate claims show {example}
learnrate claims run {example}
```

`--task my_task.py:task` tests one on your own model, `--full` with more seeds and larger data. The
tasks are small, so a verdict here is about small networks: what would change it on large ones is in
each page's remark.
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every claim under the navigation's entry for claims."""
    for entry in config.nav or []:
        if isinstance(entry, dict) and "Claims" in entry:
            entry["Claims"] = [
                "claims/index.md",
                *(f"claims/{claim.name}.md" for claim in claims()),
            ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the claims' pages and pictures."""
    results = [(claim, read_result(claim)) for claim in claims()]
    files.append(File.generated(config, "claims/index.md", content=_index(results)))
    for claim, tested in results:
        files.append(
            File.generated(config, f"claims/{claim.name}.md", content=_page(claim, tested))
        )
        if tested is None:
            continue
        add_picture(files, config, f"claims/{claim.name}", tested.plot)
    return files


def _index(results: list[tuple[Claim, Outcome | None]]) -> str:
    lines = [INTRODUCTION.format(example="zero-learns-nothing")]
    for topic, group in groupby(results, lambda result: result[0].topic):
        lines += [
            "",
            f"## {topic.capitalize()}",
            "",
            "| claim | verdict | leading figure | quick and full |",
        ]
        lines += ["|---|---|---:|---|"]
        for claim, tested in group:
            link = f"[{claim.statement}]({claim.name}.md)"
            verdict = "not tested" if tested is None else f"**{tested.verdict}**"
            leading = "" if tested is None else leading_text(tested)
            agreement = quick_and_full(*(read_result(claim, full=full) for full in (False, True)))
            lines.append(f"| {link} | {verdict} | {leading} | {agreement} |")
    return "\n".join(lines) + "\n"


def _page(claim: Claim, tested: Outcome | None) -> str:
    lines = [f"# {claim.name}", "", f"> {claim.statement}", "", f"Source: {claim.source}", ""]
    if tested is not None:
        lines += [f"Verdict: **{tested.verdict}**.", ""]
        lines += [
            f"![What was measured, against what is claimed]({claim.name}-{theme}.svg#only-{theme})"
            for theme in INKS
        ]
    lines += ["", "## How it is tested", "", claim.design, ""]
    if tested is not None:
        lines += [_about(figure) for figure in claim.figures]
        lines += [
            "",
            "| figure | measured on | value | 95 % interval | |",
            "|---|---|---:|---:|---|",
        ]
        lines += [_row(tested, index) for index in range(len(tested.cases))]
        lines += ["", f"{tested.conditions[0].upper()}{tested.conditions[1:]}.", ""]
    if claim.remark:
        lines += ["## What the verdict leaves out", "", claim.remark, ""]
    lines += ["## Test it", "", "```bash", f"learnrate claims run {claim.name}", "```", ""]
    if claim.tasks is not None:
        lines += ["On a model of yours, add `--task my_task.py:task`.", ""]
    return "\n".join(lines)


def _about(figure: Figure) -> str:
    claimed = f"; claimed: {figure.claimed}" if figure.decides else "; reported, decides nothing"
    return f"- **{figure.name}**: {figure.meaning}{claimed}"


def _row(tested: Outcome, index: int) -> str:
    case = tested.cases[index]
    figure = tested.claim.figure(case.figure)
    cells = (
        case.figure,
        case.where,
        figure.text(case.value),
        interval_text(tested, case),
        SAYS[case.bears_out] if figure.decides else "",
    )
    return f"| {' | '.join(cells)} |"
