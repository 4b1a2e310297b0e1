"""`learnrate explain`: what a word means."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from learnrate.cli._common import console, print_json
from learnrate.cli._options import JsonOption

if TYPE_CHECKING:
    from learnrate.glossary import Page

__all__ = ["explain"]

_WIDTH = 88  # beyond it lines are hard to read
_HEADINGS = {"word": "Words", "finding": "Findings", "claim": "Claims", "schedule": "Schedules"}


def explain(
    words: Annotated[
        list[str] | None,
        Argument(metavar="[WORD]", help="A term, the code of a finding, or a schedule."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a word means; without a word, list all words.

    --json prints a list of pages with word, kind, summary, names and see. The pages about one word
    also have their text, in Markdown.

    [dim]learnrate explain warm-up[/dim]
    """
    from learnrate.glossary import look_up, pages  # noqa: PLC0415 - loads numpy

    if not words:
        _list(pages(), as_json)
        return
    matches = look_up(" ".join(words))
    if as_json:
        print_json([page.to_dict() for page in matches])
        return
    _print(matches)


def _list(known: tuple[Page, ...], as_json: bool) -> None:
    if as_json:
        listed = [page.to_dict() for page in known]
        for document in listed:
            del document["text"]
        print_json(listed)
        return
    from rich.table import Table  # noqa: PLC0415 - not for --json
    from rich.text import Text  # noqa: PLC0415

    out = console()
    for kind, same_kind in groupby(known, key=lambda page: page.kind):
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="bold")
        table.add_column()
        for page in sorted(same_kind, key=lambda page: page.word.casefold()):
            table.add_row(page.word, Text(page.summary.replace("`", "")))
        out.print(f"\n[bold underline]{_HEADINGS.get(kind, kind)}[/]")
        out.print(table)


def _print(matches: tuple[Page, ...]) -> None:
    from rich.markdown import Markdown  # noqa: PLC0415 - not for --json

    out = console()
    for page in matches:
        out.print(Markdown(page.text, code_theme="bw"), width=min(out.width, _WIDTH))
        out.print()
