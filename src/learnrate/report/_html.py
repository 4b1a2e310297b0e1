"""One HTML file that loads nothing: its templates, its style, its script and its figures."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from learnrate._numbers import rate_text
from learnrate.report import _words as words
from learnrate.report._theme import DARK, LIGHT, variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment
    from markupsafe import Markup

    from learnrate.report._plotly import PlotlyFigure

__all__ = ["TRAIN_COMMAND", "filled_in", "whole_page"]

TRAIN_COMMAND = "learnrate train TASK --plan plan.json"


def whole_page(*, title: str, body: Markup, figures: Mapping[str, PlotlyFigure]) -> str:
    """One HTML file with its style, its script, plotly.js and its figures inside.

    Args:
        title: the title of the window, as plain text.
        body: the content of the page.
        figures: the figures, by the id of their place in the body.
    """
    from markupsafe import Markup  # noqa: PLC0415 - with Jinja2, loaded when a page is made
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - 5 MB, read when a page is made

    page_data = {"themes": {"light": LIGHT, "dark": DARK}, "figures": figures}
    return _rendered(
        "page.html",
        title=title,
        body=body,
        # None of these contains text of the user except the JSON of the figures, which is escaped.
        light=Markup(variables(LIGHT)),  # noqa: S704
        dark=Markup(variables(DARK)),  # noqa: S704
        style=Markup(_asset("page.css")),  # noqa: S704
        figures=Markup(_script_json(page_data)),  # noqa: S704
        plotly=Markup(get_plotlyjs()),  # noqa: S704
        script=Markup(_asset("page.js")),  # noqa: S704
    )


def filled_in(template: str, **values: Any) -> Markup:
    """A template of the package, filled in; every text is escaped."""
    from markupsafe import Markup  # noqa: PLC0415 - with Jinja2, loaded when a page is made

    return Markup(_rendered(template, words=words, **values))  # noqa: S704


def _rendered(template: str, **values: Any) -> str:
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - slow to load

    environment = Environment(
        loader=PackageLoader("learnrate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "rate": rate_text,
        "loss": lambda loss: f"{loss:.4g}",
        "count": lambda number: f"{number:,}",
        "percent": lambda share: f"{share:.0%}",
    }
    return environment


def _asset(name: str) -> str:
    return files("learnrate.report").joinpath(name).read_text(encoding="utf-8")


def _script_json(content: object) -> str:
    """JSON that cannot close the script element that contains it."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
