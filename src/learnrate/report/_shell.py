"""What every page is made of: one file that loads nothing, its figures, its texts to copy."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from learnrate.report._theme import DARK, LIGHT, variables

if TYPE_CHECKING:
    from learnrate.report._figures import Figure

__all__ = ["copyable", "figure", "key_of", "whole_page"]


def whole_page(*, title: str, body: str, figures: dict[str, Figure]) -> str:
    """One HTML file with its style, its script, plotly.js and its figures inside.

    Args:
        title: of the window, as plain text.
        body: HTML, escaped where it holds text of the user's.
        figures: by the id of their place in the body.
    """
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - 5 MB, read when a page is made

    island = {"themes": {"light": LIGHT, "dark": DARK}, "figures": figures}
    return Template(_asset("page.html")).substitute(
        title=escape(title),
        light=variables(LIGHT),
        dark=variables(DARK),
        style=_asset("page.css"),
        body=body,
        figures=_json(island),
        plotly=get_plotlyjs(),
        script=_asset("page.js"),
    )


def _asset(name: str) -> str:
    return files("learnrate.report").joinpath(name).read_text(encoding="utf-8")


def _json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def copyable(title: str, text: str) -> str:
    """A text with a button that copies it; its id is the title's first word."""
    name, place = escape(title), f"copy-{title.partition(' ')[0].lower()}"
    return (
        f'<div class="copy"><h3 id="{place}">{name}</h3>'
        f'<button type="button" hidden aria-live="polite" aria-describedby="{place}">Copy</button>'
        f'<pre tabindex="0" role="region" aria-labelledby="{place}"><code>{escape(text)}</code></pre></div>'
    )


def figure(name: str, described: str, key: str) -> str:
    """The place of a figure, with what it shows in words and what its marks mean."""
    place = f'<div class="plot" id="{name}" role="img" aria-label="{escape(described)}"></div>'
    caption = f"<figcaption>{key_of(key)}</figcaption>" if key else ""
    return (
        f"<figure>{place}{caption}"
        "<noscript><p>The plot needs JavaScript; its figures are in the table of trials.</p>"
        "</noscript></figure>"
    )


def key_of(items: str) -> str:
    """A list of what the marks mean, from `<li>` items."""
    return f'<ul class="key" aria-label="What the marks mean">{items}</ul>'
