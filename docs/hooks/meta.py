"""Draws the pictures of meta-learning while the site is built: the theory and the measurements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _themes import add_picture
from learnrate._axes_style import CHOSEN, MEASURED, QUIET, new_figure, style
from learnrate.meta import theory

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "meta_regimes.json"
TITLES = {
    "isotropic": "Isotropic regression",
    "alike": "Linearised net, tasks alike",
    "diverse_3": "Linearised net, diverse, 3 inputs",
    "diverse": "The same, 20 inputs",
    "sines": "Sine waves",
    "omniglot_1": "Omniglot, 5-way 1-shot",
    "omniglot_5": "Omniglot, 5-way 5-shot",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures to the site, in the ink of either theme."""
    drawings = {
        "figure-2": lambda: theory.draw_theory(theory.FIGURE_2, inner_lr=0.2, adapt_lr=0.2),
        "figure-3": lambda: theory.draw_theory(theory.FIGURE_3, inner_lr=0.2, adapt_lr=0.2),
        "regimes": lambda: regimes(json.loads(RESULTS.read_text())),
    }
    for name, draw in drawings.items():
        add_picture(files, config, f"why/meta/{name}", draw)
    return files


def regimes(results: dict[str, Any]) -> Figure:
    """The loss at each inner rate minus that at 0, one panel for each regime."""
    names = [name for name in TITLES if name in results]
    figure = new_figure(11.0, 2.9 * -(-len(names) // 3))
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(-(-len(names) // 3), 3, place)
        rows = [row for row in results[name]["rows"] if row["gain"] is not None]
        style(axes, TITLES[name], x="inner_lr", y="loss minus loss at 0")
        axes.axhline(0.0, color=QUIET, linewidth=0.8)
        axes.axvline(0.0, color=QUIET, linewidth=0.8, linestyle="--")
        for row in rows:
            axes.errorbar(
                row["inner_lr"],
                row["gain"],
                yerr=row["error"],
                fmt="o",
                color=MEASURED if row["gain"] < 0 else CHOSEN,
                markersize=5,
            )
    return figure
