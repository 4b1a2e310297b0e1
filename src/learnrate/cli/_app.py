"""The application: one file per command, registered here."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from learnrate._version import __version__
from learnrate.cli._alerts import alerts
from learnrate.cli._claims import claims
from learnrate.cli._compare import compare
from learnrate.cli._dashboard import dashboard
from learnrate.cli._diagnose import diagnose
from learnrate.cli._explain import explain
from learnrate.cli._export import export
from learnrate.cli._find import find
from learnrate.cli._merge import merge
from learnrate.cli._meta import meta
from learnrate.cli._plan import plan
from learnrate.cli._replay import replay
from learnrate.cli._runs import runs
from learnrate.cli._scale import scale
from learnrate.cli._show import show
from learnrate.cli._steer import STEER_SETTINGS, steer
from learnrate.cli._sweep import sweep
from learnrate.cli._train import train
from learnrate.cli._transfer import transfer

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "app_for"]

app = typer.Typer(
    name="learnrate",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(plan)
app.command()(train)
app.command()(find)
app.command()(show)
app.command()(sweep)
app.command()(compare)
app.command()(scale)
app.add_typer(transfer)
app.command()(runs)
app.command()(export)
app.command()(merge)
app.add_typer(meta)
app.command()(diagnose)
app.add_typer(claims)
app.command(context_settings=STEER_SETTINGS)(steer)
app.command()(replay)
app.command()(dashboard)
app.command()(alerts)
app.command()(explain)


def _unwrapped(text: str) -> str:
    """A docstring with each paragraph on one line, which the help then wraps at the terminal's width."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _unwrap_help(group: typer.Typer) -> None:
    for command in group.registered_commands:
        if command.help is None and command.callback is not None:
            command.help = _unwrapped(command.callback.__doc__ or "")
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _unwrap_help(inner.typer_instance)


_unwrap_help(app)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"learnrate {__version__}")
        raise typer.Exit


@app.callback()
def learnrate(
    version: Annotated[bool, Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Find, schedule, watch, steer and explain the learning rate of a training.

    TASK is file.py:name or module:name, where name is a learnrate.Task or a function returning one.
    """


def app_for(words: Sequence[str]) -> typer.Typer:
    """The application, with only the command that the first word names, or with all if it names none.

    Typer takes a tenth of a second to build all commands from their signatures.
    """
    name = words[0] if words else ""
    commands = [
        command
        for command in app.registered_commands
        if command.callback is not None and command.callback.__name__ == name
    ]
    groups = [
        group
        for group in app.registered_groups
        if group.typer_instance is not None and group.typer_instance.info.name == name
    ]
    if not commands and not groups:
        return app
    narrowed = copy.copy(app)
    narrowed.registered_commands, narrowed.registered_groups = commands, groups
    return narrowed
