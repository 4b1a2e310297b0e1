"""Writes a measured table into a page of the docs, in place of the one measured before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_section(page: Path, name: str, text: str) -> None:
    """Replace what lies between the page's two comments `<!-- name -->` and `<!-- /name -->`.

    Raises:
        SystemExit: the page has no such place.
    """
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    content = page.read_text()
    if content.count(first) != 1 or content.count(last) != 1:
        raise SystemExit(f"{page} must hold {first} and {last} once, in lines of their own.")
    before, rest = content.split(first)
    _, after = rest.split(last)
    page.write_text(f"{before}{first}\n\n{text.strip()}\n\n{last}{after}")


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; every column but the first is aligned to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])
