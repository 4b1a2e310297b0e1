"""Draws the scaling page's picture while the site is built, by running the page's own snippet."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGE = "how-to/scaling.md"
INKS = {"light": "#1B1F24", "dark": "#E8EAED"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the picture, light and dark."""
    text = (Path(config.docs_dir) / PAGE).read_text(encoding="utf-8")
    snippet = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[0]
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(snippet, names)  # noqa: S102 - our own page
    for theme, ink in INKS.items():
        picture = f"how-to/scaling-{theme}.svg"
        files.append(File.generated(config, picture, content=drawn(names, ink)))
    return files


def drawn(names: dict[str, Any], ink: str) -> bytes:
    """The figure of what the snippet fitted and asked, as SVG."""
    coloured = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    with mpl.rc_context(dict.fromkeys(coloured, ink)):
        figure = names["fitted"].figure(names["scaled"])
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True)
    plt.close(figure)
    return buffer.getvalue()
