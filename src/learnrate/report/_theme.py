"""The colours of a page, light and dark: one table for its style sheet and its plots.

Every text colour keeps a contrast of at least 4.5 to its background, every mark at least 3.
"""

from __future__ import annotations

from learnrate._axes_style import COLOURS
from learnrate._chart import Colour

__all__ = ["DARK", "LIGHT", "variables"]

LIGHT = {
    "page": "#FFFFFF",
    "card": "#F6F7F9",
    "ink": "#1B1F24",
    "quiet": "#57606A",
    "line": "#D5DAE0",
    "link": "#005A8D",
    **{str(role): colour for role, colour in COLOURS.items() if role is not Colour.QUIET},
    "span": "rgba(0, 128, 93, 0.14)",
    "tried": "rgba(0, 114, 178, 0.10)",
    "chosen-text": "#A84700",
    "diverged-text": "#8E3569",
    "good": "#0B6B50",
    "warn": "#8A4B00",
}
DARK = {
    "page": "#14171B",
    "card": "#1D2127",
    "ink": "#E8EAED",
    "quiet": "#A4ACB6",
    "line": "#3A414A",
    "link": "#7CC4F0",
    "measured": "#56B4E9",
    "measured-light": "#2F7FAF",
    "measured-dark": "#B5DEF8",
    "best": "#3CC79A",
    "chosen": "#FF9A4D",
    "diverged": "#E58AC0",
    "span": "rgba(60, 199, 154, 0.18)",
    "tried": "rgba(86, 180, 233, 0.14)",
    "chosen-text": "#FF9A4D",
    "diverged-text": "#E58AC0",
    "good": "#5FD3AC",
    "warn": "#F5B95F",
}


def variables(colours: dict[str, str]) -> str:
    """The colours as custom properties of CSS."""
    return " ".join(f"--{name}: {value};" for name, value in colours.items())
