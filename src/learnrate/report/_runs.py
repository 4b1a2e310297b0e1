"""The runs of a store, in the terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from learnrate._axes import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from learnrate.store import StoredRun

__all__ = ["show_runs"]

_STYLES = {"running": "bold cyan", "finished": "green", "diverged": "bold red", "failed": "red"}


def show_runs(console: Console, runs: Sequence[StoredRun]) -> None:
    """Print a line a run."""
    from rich.table import Table  # noqa: PLC0415 - slow to load
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    table.add_column("run", no_wrap=True)
    table.add_column("name")
    table.add_column("status", no_wrap=True)
    for name in ("step", "total", "lr", "loss", "started"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(
            Text(run.id, "bold"),
            Text(run.name),
            Text(str(run.status), _STYLES.get(str(run.status), "yellow")),
            f"{run.step:,}",
            "" if run.total is None else f"{run.total:,}",
            "" if run.lr is None else rate_text(run.lr),
            "" if run.loss is None else f"{run.loss:.4g}",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started)),
        )
    console.print(table if runs else "no runs yet")
