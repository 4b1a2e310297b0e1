"""`learnrate scale`: the rate for a run that cannot be tried, from a table of runs that could."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from learnrate._errors import ArgumentError
from learnrate.cli._common import JsonOption, console, print_json, save_picture

__all__ = ["scale"]


def scale(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="A CSV file of runs, plain or gzipped.")
    ],
    at: Annotated[
        str,
        typer.Option(
            metavar="NAME=VALUE,...",
            help="The run to scale to: N parameters, D tokens, B batch, or any column by its name.",
        ),
    ],
    columns: Annotated[
        str,
        typer.Option(
            metavar="NAME=COLUMN,...",
            help="Which column is what; lr, loss, N, D and B are found by their usual names.",
        ),
    ] = "",
    png: Annotated[Path | None, typer.Option(help="Save the picture here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit how the best rate depends on model, data and batch; say it for another run.

    The verdict is weak, with the reason, where the table does not support the question.

    [dim]learnrate scale runs.csv --at N=1e9,D=2e10,B=256 --columns 'loss="final loss",B=bs'[/dim]
    """
    from learnrate import scaling  # noqa: PLC0415 - loads numpy, which --help does not need

    asked = {name: _number(name, value) for name, value in _pairs("--at", at).items()}
    named = _pairs("--columns", columns)
    fitted = scaling.fit(table, columns=named, also=[name for name in asked if name not in named])
    scaled = fitted.at(**asked)
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
    """What `NAME=VALUE,NAME=VALUE` says; a value with spaces or commas may be quoted."""
    rule = f"{option} must be NAME=VALUE with commas between"
    parser = shlex.shlex(text, posix=True, punctuation_chars=False)
    parser.whitespace = ","
    parser.whitespace_split = True
    parser.commenters = ""
    try:
        parts = list(parser)
    except ValueError as error:
        raise ArgumentError(f"{rule}; got {text!r}, in which a quotation has no end.") from error
    pairs: dict[str, str] = {}
    for part in parts:
        name, equals, value = (one.strip() for one in part.partition("="))
        if not (name and equals and value):
            raise ArgumentError(f"{rule}; got {part!r}.")
        if name in pairs:
            raise ArgumentError(f"{option} names {name} twice.")
        pairs[name] = value
    return pairs


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ArgumentError(
            f"--at {name} must be a number, as in {name}=1e9; got {text!r}."
        ) from error
