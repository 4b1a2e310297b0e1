"""Serving a store to the browser, until Ctrl-C."""

from __future__ import annotations

import getpass
import socket
import threading
import webbrowser
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn

from learnrate._errors import ArgumentError, LearnrateError
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
_SHUTDOWN_WAIT = 3  # seconds that the server waits for running requests when it ends


class _Server(uvicorn.Server):
    """A server that calls a function when it has started, and ends the event streams of pages."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._started = app, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and call the function."""
        await super().startup(sockets)
        self._started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, event streams first."""
        self._app.state.dashboard.shutdown.requested = True
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
        store: the store to show.
        host: the address to listen at.
        port: the port to listen at; 0 picks a free port.
        read_only: whether to refuse all changes.
        allow_network: must be True if `host` is an address that other machines can reach.
        plans: a folder of plans and range tests to show too.
        browser: whether to open the page in the default browser.
        say: is called with the address, which contains the token.

    Raises:
        ArgumentError: the address is not available, or other machines can reach it and
            `allow_network` is False.
        FileError: the folder does not exist.
    """
    if not is_loopback(host) and not allow_network:
        raise ArgumentError(
            f"--host {host} opens the page, unencrypted, to every machine on the network; "
            "anybody who has the token can read all runs"
            f"{'' if read_only else ' and change running ones'}. "
            "Add --allow-network if you want that, "
            f"or use an SSH tunnel: ssh -L {port}:127.0.0.1:{port} HOST."
        )
    with _listening_socket(host, port) as listener:
        actual_port = listener.getsockname()[1]
        access = access_for(host, actual_port, store.place, read_only=read_only)
        app = make_app(store, access, author=getpass.getuser(), plans=plans)
        url = f"http://{_in_url(host)}:{actual_port}/?token={access.token}"

        def started() -> None:
            say(url)
            threading.Thread(target=_read_ahead, args=(app,), daemon=True).start()
            if browser:  # in a thread, since some browsers block the caller
                threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

        config = uvicorn.Config(
            app,
            log_config=None,  # uvicorn's own would close every log handler of the process
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_SHUTDOWN_WAIT,
            ws="none",
            # the tested implementation, whatever others are installed
            http="h11",
            loop="asyncio",
        )
        _Server(config, app, started).run(sockets=[listener])


def _read_ahead(app: FastAPI) -> None:
    """Read the list of runs before a browser asks for it."""
    with suppress(LearnrateError):  # the request itself will report the error
        app.state.dashboard.index.runs()


def _listening_socket(host: str, port: int) -> socket.socket:
    if not 0 <= port < 2**16:
        raise ArgumentError(f"--port must be from 0 to 65535; got {port}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ArgumentError(
            f"--host {host} --port {port} is not available: {error.strerror or error}. "
            "Use another port, or --port 0 for a free one."
        ) from error
    return listener


def _in_url(host: str) -> str:
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
