"""The checks that every request passes before a page or the API receives it."""

from __future__ import annotations

import json
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from learnrate.dashboard._access import Access

__all__ = ["RequestGuard", "error_body"]

_LARGEST_BODY = 64 * 1024
_READ_METHODS = {"GET", "HEAD"}
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_UNAUTHORIZED = (
    "This page needs a token. Open the address that `learnrate dashboard` printed when it started."
)


class RequestGuard:
    """ASGI middleware that checks Host, Origin, token and cookie, and adds security headers.

    Args:
        app: the application to guard.
        access: what a request must show.
        is_page: whether the application has a page for a request.
        styles: hashes of the style elements that scripts of the dashboard may add.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        is_page: Callable[[Scope], bool],
        styles: Sequence[str] = (),
    ) -> None:
        self._app, self._access, self._is_page = app, access, is_page
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

        async def send_with_headers(message: Message) -> None:
            await send(_with_headers(message, self._headers))

        refusal = self._refusal(scope)
        if refusal is not None:
            await _send_error(send_with_headers, *refusal, as_json=_wants_json(scope))
        elif (location := self._location_without_token(scope)) is not None:
            await _redirect(send_with_headers, location, self._cookie(scope))
        else:
            await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """The status and message of a refusal; None if the request may pass."""
        headers = _headers(scope)
        if (message := self._foreign_page(scope, headers)) is not None:
            return 403, message
        if not self._is_authorized(scope, headers):
            return 401, _UNAUTHORIZED
        if scope["method"] in _READ_METHODS:
            return None
        if self._access.read_only:
            return (
                403,
                "This dashboard is read-only. Start it without --read-only to make changes.",
            )
        if not _is_small(headers):
            return 413, (
                f"A request must have a Content-Length header of at most {_LARGEST_BODY:,} bytes."
            )
        return None

    def _foreign_page(self, scope: Scope, headers: dict[str, list[str]]) -> str | None:
        """Why a request comes from a page of another site; None if it does not."""
        if len(headers["host"]) != 1 or not self._access.is_own_host(headers["host"][0]):
            return f"This dashboard answers only requests to {_host_names(self._access)}."
        own_origin = f"{scope['scheme']}://{headers['host'][0]}".lower()
        following_a_link = scope["method"] in _READ_METHODS and not _wants_json(scope)
        foreign = bool(set(headers["sec-fetch-site"]) - {"same-origin", "none"})
        if any(origin.lower() != own_origin for origin in headers["origin"]) or (
            foreign and not following_a_link
        ):
            return "Pages of other sites may not use this dashboard."
        return None

    def _is_authorized(self, scope: Scope, headers: dict[str, list[str]]) -> bool:
        bearer = [value[7:] for value in headers["authorization"] if value[:7] == "Bearer "]
        if any(self._access.has_token(token) for token in [*_tokens(scope), *bearer]):
            return True
        return any(self._access.has_key(key) for key in self._keys(headers))

    def _keys(self, headers: dict[str, list[str]]) -> list[str]:
        """The values of the dashboard's cookie in a request."""
        keys = []
        for text in headers["cookie"]:
            try:
                morsel = SimpleCookie(text).get(self._access.cookie)
            except CookieError:
                continue
            keys += [] if morsel is None else [morsel.value]
        return keys

    def _location_without_token(self, scope: Scope) -> str | None:
        """Where to redirect a request for a page with a token in its address; None for others."""
        if not _tokens(scope) or not self._is_page(scope):
            return None
        query = [pair for pair in _query(scope) if pair[0] != "token"]
        # Quoted, because //name and /\\name would be another site, and a line break another header.
        path = "/" + quote(scope["path"].lstrip("/"))
        return path + (f"?{urlencode(query)}" if query else "")

    def _cookie(self, scope: Scope) -> str:
        secure = "; Secure" if scope["scheme"] == "https" else ""
        access = self._access
        return f"{access.cookie}={access.key}; Path=/; HttpOnly; SameSite=Strict{secure}"


def error_body(message: str) -> dict[str, str]:
    """The body of every error of the API."""
    return {"error": message}


def _headers(scope: Scope) -> dict[str, list[str]]:
    names = ("host", "origin", "sec-fetch-site", "cookie", "authorization", "content-length")
    headers: dict[str, list[str]] = {name: [] for name in names}
    for name, value in scope["headers"]:
        if (key := name.decode("latin-1").lower()) in headers:
            headers[key].append(value.decode("latin-1"))
    return headers


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _tokens(scope: Scope) -> list[str]:
    """The tokens in the address of a page."""
    if scope["method"] != "GET" or scope["path"].startswith("/api"):
        return []
    return [value for name, value in _query(scope) if name == "token"]


def _is_small(headers: dict[str, list[str]]) -> bool:
    lengths = headers["content-length"]
    return len(lengths) == 1 and lengths[0].isdigit() and int(lengths[0]) <= _LARGEST_BODY


def _host_names(access: Access) -> str:
    names = ", ".join(sorted(access.names))
    return f"{names}, or a numeric address" if access.addresses else names


def _with_headers(message: Message, headers: Mapping[str, str]) -> Message:
    if message["type"] != "http.response.start":
        return message
    present = {name.lower() for name, _ in message.get("headers", [])}
    more = [(k.encode(), v.encode()) for k, v in headers.items() if k.encode() not in present]
    if b"cache-control" not in present:
        more.append((b"cache-control", b"no-store"))
    return {**message, "headers": [*message.get("headers", []), *more]}


def _wants_json(scope: Scope) -> bool:
    """Whether errors are answered with JSON."""
    return bool(scope["path"].startswith(("/api", "/openapi")))


async def _send_error(send: Send, status: int, message: str, *, as_json: bool) -> None:
    body = json.dumps(error_body(message)) if as_json else f"{message}\n"
    kind = "application/json" if as_json else "text/plain; charset=utf-8"
    await _send(send, status, body.encode(), [("content-type", kind)])


async def _redirect(send: Send, location: str, cookie: str) -> None:
    await _send(send, 303, b"", [("location", location), ("set-cookie", cookie)])


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
    sized = [*headers, ("content-length", str(len(body)))]
    coded = [(name.encode(), value.encode("latin-1")) for name, value in sized]
    await send({"type": "http.response.start", "status": status, "headers": coded})
    await send({"type": "http.response.body", "body": body})
