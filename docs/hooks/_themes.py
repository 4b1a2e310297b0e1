"""Pictures for light and dark pages: one drawing in two colours of text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

INKS = {"light": "#1B1F24", "dark": "#E8EAED"}
GROUNDS = {"light": "#FFFFFF", "dark": "#1E2129"}
_COLOURED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")


def add_picture(
    files: Files, config: MkDocsConfig, place: str, draw: Callable[[], Figure]
) -> None:
    """Add `place-light.svg` and `place-dark.svg`, with a transparent background.

    Args:
        files: of the site.
        config: of the site.
        place: the path of the picture without its theme and suffix.
        draw: makes the figure, once for each theme.
    """
    for theme, ink in INKS.items():
        with mpl.rc_context(
            {**dict.fromkeys(_COLOURED, ink), "axes.facecolor": GROUNDS[theme], "svg.hashsalt": ""}
        ):
            figure = draw()
            buffer = io.BytesIO()
            figure.savefig(buffer, format="svg", bbox_inches="tight", transparent=True)
            plt.close(figure)
        files.append(File.generated(config, f"{place}-{theme}.svg", content=buffer.getvalue()))
