"""`learnrate dashboard`: a store in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learnrate.cli._common import StoreOption, print_json

__all__ = ["dashboard"]


def dashboard(
    store: StoreOption = None,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8321,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Show, and refuse every change.")
    ] = False,
    plans: Annotated[
        Path | None, typer.Option(help="A folder of plan.json and range tests to show too.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    allow_network: Annotated[
        bool,
        typer.Option(
            "--allow-network",
            help="With --host: let other machines in. Whoever has the printed address, or listens "
            "on the way, since it is not encrypted, can read all runs and change running ones.",
        ),
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help='Print one JSON object, {"url": ...}, and go on serving.'),
    ] = False,
) -> None:
    """Show the runs of a store in the browser, live, and steer those that are running.

    Only this machine can reach it, with the token in the address it prints. Ctrl-C ends it; the
    runs go on. Where there is no store yet, an empty one is made and waits for the first run.

    [dim]learnrate dashboard --store runs.db --plans plans[/dim]
    """
    from learnrate.dashboard import serve  # noqa: PLC0415 - loads a web framework
    from learnrate.store import (  # noqa: PLC0415 - likewise
        Store,
        store_exists,
        url_of,
    )

    new = not read_only and not store_exists(url_of(store))
    held = Store(store, create=new)  # a database of something else is never made a store

    def say(url: str) -> None:
        if as_json:
            print_json({"url": url})
        else:
            typer.echo(f"{held.place}{' (new, no runs yet)' if new else ''} at {url}")

    serve(
        held,
        host=host,
        port=port,
        read_only=read_only,
        allow_network=allow_network,
        plans=plans,
        browser=not no_browser,
        say=say,
    )
