"""The door: every request passes it before any page or any part of the API sees it."""

from __future__ import annotations

import json
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from learnrate.dashboard._access import Access

__all__ = ["Guard", "error_body"]

_LARGEST_BODY = 64 * 1024
_READING = {"GET", "HEAD"}
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_CLOSED = (
    "This dashboard needs the address that `learnrate dashboard` printed when it was started, "
    "with its token. Open that one."
)


class Guard:
    """ASGI middleware: names, origins, the token and the cookie, read-only mode, and headers.

    Args:
        app: what it guards.
        access: what a request must show.
        styles: style elements that scripts of ours may make, as their hashes.
    """

    def __init__(self, app: ASGIApp, access: Access, styles: Sequence[str] = ()) -> None:
        self._app, self._access = app, access
        policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self' {' '.join(styles)}; "
            "img-src 'self' data:; connect-src 'self'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        self._headers = {"content-security-policy": policy, **_HEADERS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def sent(message: Message) -> None:
            await send(_with_headers(message, self._headers))

        refused = self._refusal(scope)
        if refused is not None:
            await _answer(sent, *refused, program=_for_programs(scope))
        elif (place := self._entered(scope)) is not None:
            await _redirect(sent, place, self._cookie(scope))
        else:
            await self._app(scope, receive, sent)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and words; None where the request may pass."""
        held = _headers(scope)
        if (words := self._stranger(scope, held)) is not None:
            return 403, words
        if not self._known(scope, held):
            return 401, _CLOSED
        if scope["method"] in _READING:
            return None
        if self._access.read_only:
            return 403, "This dashboard is read-only; start one without --read-only."
        if not _small(held):
            return 413, f"A request may have {_LARGEST_BODY:,} bytes, and must say so."
        return None

    def _stranger(self, scope: Scope, held: dict[str, list[str]]) -> str | None:
        """Why a request comes from a page that is not ours, if it does."""
        if len(held["host"]) != 1 or not self._access.is_ours(held["host"][0]):
            return f"This dashboard answers to {_named(self._access)} only."
        ours = f"{scope['scheme']}://{held['host'][0]}".lower()
        following_a_link = scope["method"] in _READING and not _for_programs(scope)
        foreign = bool(set(held["sec-fetch-site"]) - {"same-origin", "none"})
        if any(one.lower() != ours for one in held["origin"]) or (
            foreign and not following_a_link
        ):
            return "Another site's page may not speak to this dashboard."
        return None

    def _known(self, scope: Scope, held: dict[str, list[str]]) -> bool:
        if any(self._access.has_token(given) for given in _tokens(scope)):
            return True
        bearer = [value[7:] for value in held["authorization"] if value[:7] == "Bearer "]
        if any(self._access.has_token(given) for given in bearer):
            return True
        return any(self._access.has_key(given) for given in self._keys(held))

    def _keys(self, held: dict[str, list[str]]) -> list[str]:
        found = []
        for text in held["cookie"]:
            try:
                morsel = SimpleCookie(text).get(self._access.cookie)
            except CookieError:
                continue
            found += [] if morsel is None else [morsel.value]
        return found

    def _entered(self, scope: Scope) -> str | None:
        """Where to go on without the token in the address; None where there is none."""
        if not _tokens(scope):
            return None
        query = [pair for pair in _query(scope) if pair[0] != "token"]
        path: str = "/" + scope["path"].lstrip("/")  # //elsewhere would be another site
        return path + (f"?{urlencode(query)}" if query else "")

    def _cookie(self, scope: Scope) -> str:
        secure = "; Secure" if scope["scheme"] == "https" else ""
        access = self._access
        return f"{access.cookie}={access.key}; Path=/; HttpOnly; SameSite=Strict{secure}"


def error_body(words: str) -> dict[str, str]:
    """What every error of the API looks like."""
    return {"error": words}


def _headers(scope: Scope) -> dict[str, list[str]]:
    names = ("host", "origin", "sec-fetch-site", "cookie", "authorization", "content-length")
    found: dict[str, list[str]] = {name: [] for name in names}
    for name, value in scope["headers"]:
        if (key := name.decode("latin-1").lower()) in found:
            found[key].append(value.decode("latin-1"))
    return found


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _tokens(scope: Scope) -> list[str]:
    """Tokens in the address, where a page is asked for."""
    if scope["method"] != "GET" or scope["path"].startswith("/api"):
        return []
    return [value for name, value in _query(scope) if name == "token"]


def _small(held: dict[str, list[str]]) -> bool:
    given = held["content-length"]
    return len(given) == 1 and given[0].isdigit() and int(given[0]) <= _LARGEST_BODY


def _named(access: Access) -> str:
    names = ", ".join(sorted(access.names))
    return f"{names}, or an address in numbers" if access.addresses else names


def _with_headers(message: Message, headers: Mapping[str, str]) -> Message:
    if message["type"] != "http.response.start":
        return message
    held = {name.lower() for name, _ in message.get("headers", [])}
    more = [(k.encode(), v.encode()) for k, v in headers.items() if k.encode() not in held]
    if b"cache-control" not in held:
        more.append((b"cache-control", b"no-store"))
    return {**message, "headers": [*message.get("headers", []), *more]}


def _for_programs(scope: Scope) -> bool:
    """Whether an answer is JSON."""
    return bool(scope["path"].startswith(("/api", "/openapi")))


async def _answer(send: Send, status: int, words: str, *, program: bool) -> None:
    body = json.dumps(error_body(words)) if program else f"{words}\n"
    kind = "application/json" if program else "text/plain; charset=utf-8"
    await _send(send, status, body.encode(), [("content-type", kind)])


async def _redirect(send: Send, place: str, cookie: str) -> None:
    await _send(send, 303, b"", [("location", place), ("set-cookie", cookie)])


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
    sized = [*headers, ("content-length", str(len(body)))]
    coded = [(name.encode(), value.encode("latin-1")) for name, value in sized]
    await send({"type": "http.response.start", "status": status, "headers": coded})
    await send({"type": "http.response.body", "body": body})
