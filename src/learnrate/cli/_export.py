"""`learnrate export`: a run's points as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learnrate.cli._common import RunArgument, StoreOption

__all__ = ["export"]


def export(
    run: RunArgument,
    to: Annotated[Path, typer.Option(help="A file that ends in .csv or .parquet.")],
    store: StoreOption = None,
) -> None:
    """Write the points of a run as CSV or Parquet: a row an update, a column a quantity.

    An empty cell says that the row has no such value. Where a run was resumed or rolled back, the
    latest attempt at a step stands.

    [dim]learnrate export last --to run.csv[/dim]
    """
    from learnrate.store import Store, write_table  # noqa: PLC0415 - loads SQLAlchemy

    held = Store(store, create=False)
    chosen = held.resolve(run)
    rows = write_table(held.points(chosen), to)
    typer.echo(f"{rows:,} rows of {chosen} in {to}")
