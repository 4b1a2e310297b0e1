"""`learnrate explain`: what a word means."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from learnrate.cli._common import JsonOption, console, print_json

if TYPE_CHECKING:
    from learnrate.glossary import Page

__all__ = ["explain"]

_WIDTH = 88  # beyond it lines are hard to read
_HEADINGS = {"word": "Words", "finding": "Findings", "claim": "Claims", "schedule": "Schedules"}


def explain(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORD]", help="A term, a finding's code, a schedule's name."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a word means; without one, list all words.

    With --json a list of pages, each with word, kind, summary, names and see; asked for one word,
    also its text, in Markdown.

    [dim]learnrate explain warm-up[/dim]
    """
    from learnrate.glossary import look_up, pages  # noqa: PLC0415 - loads numpy

    if not words:
        _list(pages(), as_json)
        return
    found = look_up(" ".join(words))
    if as_json:
        print_json([page.to_dict() for page in found])
        return
    _print(found)


def _list(known: tuple[Page, ...], as_json: bool) -> None:
    if as_json:
        described = [page.to_dict() for page in known]
        print_json([{k: v for k, v in one.items() if k != "text"} for one in described])
        return
    from rich.table import Table  # noqa: PLC0415 - not for --json
    from rich.text import Text  # noqa: PLC0415

    out = console()
    for kind, each in groupby(known, key=lambda page: page.kind):
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="bold")
        table.add_column()
        for page in sorted(each, key=lambda page: page.word.casefold()):
            table.add_row(page.word, Text(page.summary.replace("`", "")))
        out.print(f"\n[bold underline]{_HEADINGS.get(kind, kind)}[/]")
        out.print(table)


def _print(found: tuple[Page, ...]) -> None:
    from rich.markdown import Markdown  # noqa: PLC0415 - not for --json

    out = console()
    for page in found:
        out.print(Markdown(page.text, code_theme="bw"), width=min(out.width, _WIDTH))
        out.print()
