"""`learnrate claims`: what is said about learning rates, and the commands that test it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learnrate._errors import ArgumentError
from learnrate.cli._common import (
    JsonOption,
    SeedOption,
    TotalStepsOption,
    console,
    own_stdout,
    print_json,
    save_picture,
)

if TYPE_CHECKING:
    from learnrate.claims import Claim, Outcome

__all__ = ["claims"]

claims = typer.Typer(
    name="claims",
    rich_markup_mode="rich",
    help="What is said about learning rates: each claim with its verdict and a test.",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A claim that the list names.")]
ResultsOption = Annotated[
    Path | None,
    typer.Option(
        "--results",
        help="Folder of results, as `claims run --out` keeps them; those of the package by default.",
        show_default=False,
    ),
]


@claims.callback(invoke_without_command=True)
def every(
    context: typer.Context, results: ResultsOption = None, as_json: JsonOption = False
) -> None:
    """List the claims with their last verdicts.

    [dim]learnrate claims[/dim]
    """
    if context.invoked_subcommand is not None:
        return
    from learnrate.claims import claims as known  # noqa: PLC0415 - loads torch

    found = [(claim, _kept(claim, results)) for claim in known()]
    if as_json:
        print_json([_listed(claim, tested) for claim, tested in found])
        return
    from learnrate.report import show_claims  # noqa: PLC0415 - not for --json

    show_claims(console(), found)


@claims.command()
def show(name: NameArgument, results: ResultsOption = None, as_json: JsonOption = False) -> None:
    """Say what a claim is, how it is tested, and what its last test found.

    [dim]learnrate claims show adam-3e-4[/dim]
    """
    from learnrate.claims import claim_named  # noqa: PLC0415 - loads torch

    claim = claim_named(name)
    tested = _kept(claim, results)
    if as_json:
        print_json(_listed(claim, tested) if tested is None else tested.to_dict())
        return
    from learnrate.report import show_claim  # noqa: PLC0415 - not for --json

    show_claim(console(), claim, tested)


@claims.command()
def run(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Claims that the list names, or all.")
    ],
    full: Annotated[bool, typer.Option("--full", help="More seeds and larger data.")] = False,
    task: Annotated[
        str | None,
        typer.Option("--task", help="Test it on your own: file.py:name or module:name."),
    ] = None,
    total_steps: TotalStepsOption = None,
    seed: SeedOption = 0,
    out: Annotated[
        Path | None, typer.Option(help="Keep the results in this folder.", show_default=False)
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Save the picture here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Test claims: train, measure, decide by the rule that was fixed before.

    [dim]learnrate claims run adam-3e-4 --task my_task.py:task[/dim]
    """
    from learnrate.claims import claim_named, run_claim, write_result  # noqa: PLC0415 - loads torch
    from learnrate.claims import claims as known  # noqa: PLC0415

    chosen = list(known()) if names == ["all"] else [claim_named(name) for name in names]
    if png is not None and len(chosen) > 1:
        raise ArgumentError(f"--png is one claim's picture; {len(chosen)} claims are asked for.")
    if total_steps is not None and task is None:
        raise ArgumentError("--total-steps is the length of a run of --task; no task is given.")
    made = []
    try:
        own = _own(task, total_steps)
        for claim in chosen:
            with own_stdout():
                tested = run_claim(claim, task=own, full=full, seed=seed)
            made.append(tested)
            if out is not None:
                write_result(tested, out)
            if png is not None:
                save_picture(tested.plot(), png)
            if not as_json:
                _print(tested)
    except KeyboardInterrupt:
        typer.echo(f"interrupted; {len(made)} of {len(chosen)} claims were tested.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json([tested.to_dict() for tested in made])


def _own(task: str | None, total_steps: int | None) -> Any:
    if task is None:
        return None
    from dataclasses import replace  # noqa: PLC0415

    from learnrate.task import load_task  # noqa: PLC0415 - loads torch

    with own_stdout():
        loaded = load_task(task)
    return loaded if total_steps is None else replace(loaded, total_steps=total_steps)


def _print(tested: Outcome) -> None:
    from learnrate.report import show_claim  # noqa: PLC0415 - not for --json

    show_claim(console(), tested.claim, tested)


def _kept(claim: Claim, folder: Path | None) -> Outcome | None:
    from learnrate.claims import read_result  # noqa: PLC0415 - loads torch

    return read_result(claim) if folder is None else read_result(claim, folder)


def _listed(claim: Claim, tested: Outcome | None) -> dict[str, Any]:
    """A claim as `run --json` prints it, without what only a test knows if there is none."""
    keys = ("name", "statement", "source", "verdict", "figure", "interval", "seeds", "seconds")
    known = {} if tested is None else tested.to_dict()
    about = {"name": claim.name, "statement": claim.statement, "source": claim.source}
    return {key: about.get(key, known.get(key)) for key in keys}
