"""What the benchmarks share: their options, and a measured table in a page of the docs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path


def parser_of(doc: str | None, *, as_json: bool = False) -> ArgumentParser:
    """A parser with the option `--page`, and `--json` if the rows can be printed.

    Args:
        doc: the docstring of the benchmark; its first line is the description.
        as_json: whether there is `--json`.
    """
    parser = ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--page", type=Path, help="write the table into this page")
    if as_json:
        parser.add_argument("--json", action="store_true", help="print what was measured as JSON")
    return parser


def show(text: str, page: Path | None, name: str) -> None:
    """Print a table, and write it into a page if there is one.

    Args:
        text: the table.
        page: a page of the docs, or None.
        name: of the page's section.
    """
    print(text)
    if page is not None:
        write_section(page, name, text)


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
