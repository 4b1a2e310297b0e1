"""Writes a measured table into a page of the docs, in place of the previous one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_section(page: Path, name: str, text: str) -> None:
    """Replace the text between the page's comments `<!-- name -->` and `<!-- /name -->`.

    Args:
        page: a page of the docs.
        name: of the section.
        text: the new content.

    Raises:
        SystemExit: the page does not have both comments once.
    """
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    content = page.read_text()
    if content.count(first) != 1 or content.count(last) != 1:
        raise SystemExit(f"{page} must contain {first} and {last} exactly once.")
    before, rest = content.split(first)
    _, after = rest.split(last)
    page.write_text(f"{before}{first}\n\n{text.strip()}\n\n{last}{after}")


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; every column but the first is aligned to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])
