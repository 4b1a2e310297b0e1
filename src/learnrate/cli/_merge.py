"""`learnrate merge`: add the runs of one store to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument

from learnrate.cli._common import print_json
from learnrate.cli._options import JsonOption, StoreOption

__all__ = ["merge"]


def merge(
    files: Annotated[
        list[Path],
        Argument(
            metavar="FILE...",
            help="Stores to read, such as the file of points that a run could not write.",
        ),
    ],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the runs of other stores to a store, without those that it already has.

    If a run could not write its points, they are in a file beside its store, named after the run.
    The files that are read are not changed. The store is created if it does not exist.

    [dim]learnrate merge learnrate-unwritten-kobu-zarite.db[/dim]
    """
    from learnrate._errors import ArgumentError  # noqa: PLC0415
    from learnrate.store import Store  # noqa: PLC0415 - loads SQLAlchemy, which --help does not need
    from learnrate.store import merge as merge_stores  # noqa: PLC0415

    sources = [Store(file, create=False) for file in files]
    target = Store(store)
    for source in sources:
        if source.url == target.url:
            raise ArgumentError(
                f"merge needs a FILE other than the store itself; got {source.place}."
            )
    added = {source.place: merge_stores(source, target) for source in sources}
    if as_json:
        print_json(added)
        return
    for place, runs in added.items():
        for run, rows in runs.items():
            typer.echo(f"{rows:,} rows of {run} added from {place}")
