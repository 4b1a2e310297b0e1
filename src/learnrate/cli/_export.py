"""`learnrate export`: write a run's points as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from learnrate.cli._options import RunArgument, StoreOption, output_file

__all__ = ["export"]


def export(
    run: RunArgument,
    to: Annotated[
        Path, Option(help="A file whose name ends in .csv or .parquet.", callback=output_file)
    ],
    store: StoreOption = None,
) -> None:
    """Write the points of a run as CSV or Parquet, one row for each update.

    A column is a quantity; `lr[0]`, `lr[1]`, ... are the rates of parameter groups that differ. An empty cell means a missing value. If a run was resumed or rolled back, the table has the
    latest attempt at each step.

    [dim]learnrate export last --to run.csv[/dim]
    """
    from learnrate.store import Store, with_group_rates, write_table  # noqa: PLC0415 - SQLAlchemy

    opened = Store(store, create=False)
    run_id = opened.resolve(run)
    points = with_group_rates(opened.points(run_id), opened.run(run_id).facts)
    rows = write_table(points, to)
    typer.echo(f"{rows:,} rows of {run_id} in {to}")
