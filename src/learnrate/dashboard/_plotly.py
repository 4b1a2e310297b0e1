"""plotly.js of the installed plotly package."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

__all__ = ["PLOTLY", "script", "style_hashes"]

PLOTLY = version("plotly")
"""The version of the package; it changes when the script does."""

_STYLE = re.compile(r"\.textContent='([^'\\]*)'")


def script() -> Path:
    """The path of plotly.min.js in the package plotly."""
    return Path(str(files("plotly").joinpath("package_data", "plotly.min.js")))


@cache
def style_hashes() -> tuple[str, ...]:
    """The hashes of the style elements that plotly.js adds, for a content security policy.

    The first element is empty; plotly.js fills it through the CSSOM, which no policy restricts.
    """
    styles = ["", *_STYLE.findall(script().read_text(encoding="utf-8"))]
    digests = (hashlib.sha256(style.encode()).digest() for style in styles)
    return tuple(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
