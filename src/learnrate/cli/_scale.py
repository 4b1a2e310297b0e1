"""`learnrate scale`: the best rate of a run that is too large to try, from a table of smaller ones."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from learnrate._errors import ArgumentError
from learnrate.cli._common import console, print_json, save_picture
from learnrate.cli._options import JsonOption, PictureOption

__all__ = ["scale"]


def scale(
    table: Annotated[
        Path, Argument(metavar="TABLE", help="A CSV file of runs, plain or gzipped.")
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
            help="Which column is what; lr, loss, N, D and B are found by their usual names.",
        ),
    ] = "",
    png: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit how the best rate depends on model, data and batch, and predict it for another run.

    The verdict is weak, with the reason, if the table does not support the prediction.

    [dim]learnrate scale runs.csv --to N=1e9,D=2e10,B=256 --columns 'loss="final loss",B=bs'[/dim]
    """
    from learnrate import scaling  # noqa: PLC0415 - loads numpy, which --help does not need

    factors = {name: _number(name, text) for name, text in _pairs("--to", to).items()}
    column_of = _pairs("--columns", columns)
    extra = [name for name in factors if name not in column_of]
    fitted = scaling.fit(table, columns=column_of, extra_factors=extra)
    scaled = fitted.predict(**factors)
    if png is not None:
        save_picture(fitted.figure(scaled), png)
    if as_json:
        print_json(scaled.to_dict())
        return
    from learnrate.report import show_scaled  # noqa: PLC0415 - not for --json

    show_scaled(console(), fitted, scaled)
    if png is not None:
        typer.echo(f"saved {png}")


def _pairs(option: str, text: str) -> dict[str, str]:
    """Read `NAME=VALUE,NAME=VALUE`; a value with spaces or commas may be quoted."""
    rule = f"{option} must be NAME=VALUE, separated by commas"
    parser = shlex.shlex(text, posix=True, punctuation_chars=False)
    parser.whitespace = ","
    parser.whitespace_split = True
    parser.commenters = ""
    try:
        parts = list(parser)
    except ValueError as error:
        raise ArgumentError(f"{rule}; got {text!r}, which has no closing quote.") from error
    pairs: dict[str, str] = {}
    for part in parts:
        name, equals, value = (word.strip() for word in part.partition("="))
        if not (name and equals and value):
            raise ArgumentError(f"{rule}; got {part!r}.")
        if name in pairs:
            raise ArgumentError(f"{option} has {name} twice.")
        pairs[name] = value
    return pairs


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ArgumentError(
            f"--to {name} must be a number, as in {name}=1e9; got {text!r}."
        ) from error
