"""Computes the pictures and figures of the pages on why, while the site is built."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from _themes import add_picture
from ideas import IDEAS

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_FIGURE = re.compile(r"\{\{ (\w+) \}\}")
_figures: dict[str, dict[str, str]] = {}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Train what the pages show, and add their pictures."""
    for page, measure in IDEAS.items():
        idea = measure()
        _figures[f"why/{page}.md"] = idea.figures
        for name, draw in idea.drawings.items():
            add_picture(files, config, f"why/pictures/{name}", draw)
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Write the figures that were computed where the page has `{{ name }}`.

    Raises:
        KeyError: the page names a figure that its idea does not have.
    """
    figures = _figures.get(page.file.src_uri)
    if figures is None:
        return markdown
    return _FIGURE.sub(lambda match: figures[match[1]], markdown)
