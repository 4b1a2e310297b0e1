"""`learnrate scale`: the best rate of a run that is too large to try, from a table of smaller ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from learnrate._errors import ArgumentError
from learnrate.cli._common import console, print_json, save_picture
from learnrate.cli._options import JsonOption, PictureOption, pairs_in

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["scale"]


def scale(
    table: Annotated[
        str,
        Argument(
            metavar="TABLE|STORE",
            help="A CSV file of runs, plain or gzipped, or a store that has plans and sweeps.",
        ),
    ],
    to: Annotated[
        str,
        Option(
            metavar="NAME=VALUE,...",
            help="The run to scale to: N parameters, D tokens, B batch, or any column by its name.",
        ),
    ],
    columns: Annotated[
        str,
        Option(
            metavar="NAME=COLUMN,...",
            help="The column of each factor; lr, loss, N, D and B are found by their usual names.",
        ),
    ] = "",
    task: Annotated[
        list[str] | None,
        Option(
            help="With a store: take the plans and sweeps of this task only. May be repeated for tasks "
            "that differ only in size.",
            show_default=False,
        ),
    ] = None,
    png: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit how the best rate depends on model, data and batch, and predict it for another run.

    The runs come from a table, or from the plans and sweeps in a store.

    The verdict is weak, with the reason, if the table does not support the prediction.

    [dim]learnrate scale runs.csv --to N=1e9,D=2e10,B=256 --columns 'loss="final loss",B=bs'[/dim]
    """
    from learnrate import scaling  # noqa: PLC0415 - loads numpy, which --help does not need

    factors = {name: _number(name, text) for name, text in pairs_in("--to", to).items()}
    column_of = pairs_in("--columns", columns)
    extra = [name for name in factors if name not in column_of]
    fitted = scaling.fit(_runs(table, task or (), extra), columns=column_of, extra_factors=extra)
    scaled = fitted.predict(**factors)
    if png is not None:
        save_picture(fitted.plot(scaled), png)
    if as_json:
        print_json(scaled.to_dict())
        return
    from learnrate.report import show_scaled  # noqa: PLC0415 - not for --json

    show_scaled(console(), fitted, scaled)
    if png is not None:
        typer.echo(f"saved {png}")


def _runs(place: str, tasks: Collection[str], factors: Collection[str]) -> Path | dict[str, Any]:
    """The runs of a table or of a store.

    Args:
        place: the place of the table, or of the store.
        tasks: whose plans and sweeps are taken from a store; all of them, if the store has only one task.
        factors: the factors of the run to scale to.
    """
    from learnrate.scaling import stored_runs  # noqa: PLC0415
    from learnrate.store import Store, is_store  # noqa: PLC0415 - loads SQLAlchemy

    if "://" not in place and not is_store(Path(place)):
        if tasks:
            raise ArgumentError(
                f"--task works only with a store, and {place} is a table. Leave it out."
            )
        return Path(place)
    documents = Store(place, create=False).documents()
    known = sorted({document.task for document in documents})
    unknown = [name for name in tasks if name not in known]
    if not known or unknown or (not tasks and len(known) > 1):
        listed = ", ".join(known) or "no task"
        advice = f"--task {unknown[0]} is not among them" if unknown else "choose with --task"
        if not known:
            advice = "save some with learnrate plan --store, or learnrate sweep --store"
        raise ArgumentError(f"the store {place} has plans and sweeps of {listed}; {advice}.")
    chosen = [document for document in documents if document.task in (tasks or known)]
    return stored_runs([(document.content, document.facts) for document in chosen], factors)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ArgumentError(
            f"--to {name} must be a number, as in {name}=1e9; got {text!r}."
        ) from error
