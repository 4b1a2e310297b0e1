"""Access to the dashboard: the token, the cookie, and the accepted host names.

The printed URL contains the token. The first request with it is answered with a cookie. The
cookie's value is derived from a secret file of the user, so that an open page still works after a
restart of the dashboard.
"""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Access", "access_for", "is_loopback"]

_SECRET_BYTES = 32
_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(:[0-9]{1,5})?")  # localhost:80, [::1]:80
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, kw_only=True)
class Access:
    """The conditions that a request must meet to be answered.

    Attributes:
        token: part of the printed URL; programs send it as `Authorization: Bearer`.
        cookie: the cookie's name, with the port, since browsers share cookies between ports.
        key: the cookie's value.
        names: the host names of the dashboard, in lower case. Another site can make its own name
            point at this machine (DNS rebinding), but its requests then carry that name.
        addresses: whether a numeric address is accepted too; it cannot be rebound.
        read_only: whether all changes are refused.
    """

    token: str
    cookie: str
    key: str
    names: frozenset[str]
    addresses: bool = False
    read_only: bool = False

    def is_own_host(self, host: str) -> bool:
        """Whether a Host header, with or without a port, names this dashboard."""
        match = _HOST.fullmatch(host.lower())
        if match is None:
            return False
        name = match["name"]
        return name in self.names or (self.addresses and _address(name) is not None)

    def has_token(self, text: str) -> bool:
        """Whether a text is the token, compared in constant time."""
        return hmac.compare_digest(text.encode(), self.token.encode())

    def has_key(self, text: str) -> bool:
        """Whether a text is the cookie's value, compared in constant time."""
        return hmac.compare_digest(text.encode(), self.key.encode())


def access_for(host: str, port: int, place: str, *, read_only: bool) -> Access:
    """The access to a dashboard, with a new token, and a key that does not change at a restart.

    Args:
        host: the address it listens at.
        port: its port.
        place: the store it shows; another store has another key.
        read_only: whether all changes are refused.
    """
    message = f"{port} {place}".encode()
    names = set(_LOOPBACK)
    if not is_loopback(host):
        names |= {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
    return Access(
        token=secrets.token_urlsafe(24),
        cookie=f"learnrate-{port}",
        key=hmac.digest(_secret(), message, "sha256").hex(),
        names=frozenset(names),
        addresses=not is_loopback(host),
        read_only=read_only,
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a dashboard that listens at an address."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _secret() -> bytes:
    """The user's secret, made at the first use; a temporary one if it cannot be stored."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    file = Path(state) / "learnrate" / "dashboard.key"
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as new:
                new.write(secrets.token_bytes(_SECRET_BYTES))
        secret = file.read_bytes()
        private = file.stat().st_mode & 0o077 == 0
        if len(secret) == _SECRET_BYTES and private:
            return secret
    return secrets.token_bytes(_SECRET_BYTES)
