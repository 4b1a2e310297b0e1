"""Serving: from a store to a page in the browser, until Ctrl-C."""

from __future__ import annotations

import getpass
import socket
import threading
import webbrowser
from typing import TYPE_CHECKING

import uvicorn

from learnrate._errors import ArgumentError
from learnrate.dashboard._access import access_for, is_loopback
from learnrate.dashboard._app import make_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from fastapi import FastAPI

    from learnrate.store import Store

__all__ = ["PORT", "serve"]

PORT = 8321
_PATIENCE = 3  # seconds for answers under way when the server ends


class _Server(uvicorn.Server):
    """A server that tells open pages' streams to end, and then says where it can be reached."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._started = app, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, open streams first."""
        self._app.state.held.stop.said = True
        super().handle_exit(sig, frame)


def serve(
    store: Store,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    read_only: bool = False,
    allow_network: bool = False,
    plans: Path | None = None,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Show a store in the browser, until the process is interrupted.

    Args:
        store: what to show.
        host: the address to listen at.
        port: its port; 0 takes a free one.
        read_only: refuse every change.
        allow_network: let other machines in, where `host` is an address they can reach.
        plans: a folder of plans and range tests to show too.
        browser: open the page in the default browser.
        say: is told the address, with its token.

    Raises:
        ArgumentError: the address cannot be had, or is one that other machines reach and
            `allow_network` is not set.
        FileError: there is no such folder.
    """
    if not is_loopback(host) and not allow_network:
        raise ArgumentError(
            f"--host {host} lets every machine that reaches this one ask for the page, unencrypted; "
            "whoever has the token can read all runs"
            f"{'' if read_only else ' and change those that are running'}. "
            "Say --allow-network if that is what you want; "
            f"an SSH tunnel (ssh -L {port}:127.0.0.1:{port} HOST) needs no such thing."
        )
    with _listening(host, port) as listening:
        at = listening.getsockname()[1]
        access = access_for(host, at, store.place, read_only=read_only)
        app = make_app(store, access, author=getpass.getuser(), plans=plans)
        url = f"http://{_in_url(host)}:{at}/?token={access.token}"

        def started() -> None:
            say(url)
            if browser:  # its own thread: some browsers keep the caller waiting
                threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_PATIENCE,
            ws="none",
            # the ones it was tested on, whatever a tracker has brought beside them
            http="h11",
            loop="asyncio",
        )
        _Server(config, app, started).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    if not 0 <= port < 2**16:
        raise ArgumentError(f"--port must be from 0 to 65535; got {port}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
        except OSError:
            made.close()
            raise
    except OSError as error:
        raise ArgumentError(
            f"--host {host} --port {port} cannot be had: {error.strerror or error}. "
            "Take another port, or --port 0 for any that is free."
        ) from error
    return made


def _in_url(host: str) -> str:
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
