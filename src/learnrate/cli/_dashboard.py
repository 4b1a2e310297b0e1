"""`learnrate dashboard`: show a store in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from learnrate.cli._common import print_json
from learnrate.cli._options import StoreOption

__all__ = ["dashboard"]


def dashboard(
    store: StoreOption = None,
    port: Annotated[int, Option(help="The port to listen on; 0 picks a free one.")] = 8321,
    read_only: Annotated[bool, Option("--read-only", help="Refuse all changes.")] = False,
    plans: Annotated[
        Path | None, Option(help="A folder with plan.json files and range tests to show too.")
    ] = None,
    host: Annotated[str, Option(help="The address to listen on.")] = "127.0.0.1",
    allow_network: Annotated[
        bool,
        Option(
            "--allow-network",
            help="With --host: let other machines connect. The connection is not encrypted: anybody who "
            "has the printed address or reads the traffic can read all runs and change running ones.",
        ),
    ] = False,
    no_browser: Annotated[bool, Option("--no-browser", help="Only print the address.")] = False,
    as_json: Annotated[
        bool, Option("--json", help='Print one JSON object, {"url": ...}, and keep serving.')
    ] = False,
) -> None:
    """Show the runs of a store in the browser, live, and steer those that are running.

    Only this machine can connect, with the token in the printed address. Ctrl-C ends the
    dashboard, and the runs continue. If there is no store yet, an empty one is made.

    [dim]learnrate dashboard --store runs.db --plans plans[/dim]
    """
    from learnrate.dashboard import serve  # noqa: PLC0415 - loads a web framework
    from learnrate.store import Store, store_exists, url_of  # noqa: PLC0415 - likewise

    new = not read_only and not store_exists(url_of(store))
    opened = Store(store, create=new)  # tables are never added to another program's database

    def say(url: str) -> None:
        if as_json:
            print_json({"url": url})
        else:
            typer.echo(f"{opened.place}{' (new, no runs yet)' if new else ''} at {url}")

    serve(
        opened,
        host=host,
        port=port,
        read_only=read_only,
        allow_network=allow_network,
        plans=plans,
        browser=not no_browser,
        say=say,
    )
