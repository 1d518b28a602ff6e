"""Refuses requests that this app does not need, or that come from another website.

A server on loopback is reached by every page in the user's browser: by a form or a script of
another site, and by a host name that such a site points to 127.0.0.1 (DNS rebinding). The browser
tells both, in the headers Origin and Host.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response

from qwen_space.config import hostname, is_loopback, without_default_port
from qwen_space.local.limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard", "path_names", "stated_length"]

# All that a page and a client post; Gradio has more, and gets more with its releases.
_POSTED = frozenset({"call", "cancel", "login", "queue", "reset", "run"})
# Read by no page of ours. A deep link writes the session into a file.
_CLOSED = frozenset({"deep_link", "dev", "monitoring", "openapi.json", "run-history", "stream"})
# Asked without a token: by a balancer, and by Gradio itself as it starts.
_OPEN = (["health"], ["startup-events"])

# A picture in a reply, a script or a font from elsewhere would tell another server of the chat.
# Gradio's page needs scripts of its own in the page, and builds some of them as it runs.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "media-src 'self' blob:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)


class Guard:
    """ASGI middleware that refuses foreign hosts and origins, closed paths and large bodies.

    Args:
        app: The app behind it.
        loopback: Whether the server listens on loopback, so that only names of this machine are
            its own.
        allowed_hosts: Further names of the server, such as a proxy's, without a port.
        uploads: Whether the app takes files.
        limits: The most bytes of a request.
        token: A token that each request needs but `/health`; none if None.
        embedded_in: Origins whose pages may show this one in a frame.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        loopback: bool,
        allowed_hosts: Collection[str] = (),
        uploads: bool = False,
        limits: Limits,
        token: str | None = None,
        embedded_in: Collection[str] = (),
    ) -> None:
        self._app = app
        self._loopback = loopback
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._uploads = uploads
        self._limits = limits
        self._token = token
        self._headers = _headers(embedded_in)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 403, 404 or 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        names = path_names(scope)
        is_upload = names[:1] == ["upload"]
        limit = self._limits.upload_bytes if is_upload else self._limits.request_bytes
        refusal: Response | None = self._refuse(headers) or self._close(scope["method"], names)
        if refusal is None and names not in _OPEN:
            refusal = self._challenge(headers)
        if refusal is None and stated_length(headers) > limit:
            refusal = _too_large()
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await _Limited(self._app, limit, self._headers)(scope, receive, send)

    def _refuse(self, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "")
        if self._loopback and not self._is_own(hostname(host)):
            return PlainTextResponse(
                "This server answers under names of its own machine only. "
                "For another name, such as a proxy's, start it with --allow-host NAME.",
                403,
            )
        origin = headers.get("origin")
        if origin is None or self._is_same(origin, host, headers.get("x-forwarded-host")):
            return None
        return PlainTextResponse(
            "This server does not answer pages of other websites. "
            "For a page of yours, start it with --allow-host NAME.",
            403,
        )

    def _challenge(self, headers: Headers) -> Response | None:
        if self._token is None:
            return None
        given = [headers.get("authorization", ""), headers.get("x-hf-authorization", "")]
        own = self._token.encode()
        if any(secrets.compare_digest(_token(each), own) for each in given):
            return None
        # In the form of Gradio's own errors, which clients read. Bearer first, as it is theirs;
        # each in a header of its own, as Chromium reads one of each.
        said = "does not take this token" if any(given) else "needs a token"
        refusal = JSONResponse(
            {"detail": f"This Space {said}: hf_token in a client, a password in a browser."}, 401
        )
        for scheme in ("Bearer", "Basic"):
            refusal.headers.append("WWW-Authenticate", f'{scheme} realm="qwen-space"')
        return refusal

    def _is_own(self, name: str) -> bool:
        return is_loopback(name) or name in self._allowed

    def _is_same(self, origin: str, *hosts: str | None) -> bool:
        # A page cannot send X-Forwarded-Host without a preflight, which is refused here.
        own = {without_default_port(host.lower()) for host in hosts if host}
        netloc = origin.lower().partition("://")[2]
        return bool(netloc) and (
            without_default_port(netloc) in own or hostname(netloc) in self._allowed
        )

    def _close(self, method: str, names: list[str]) -> PlainTextResponse | None:
        first = names[0] if names else ""
        if method in {"GET", "HEAD", "OPTIONS"}:
            is_open = first not in _CLOSED and not first.startswith("proxy=")
        else:
            posted = first in _POSTED or (first == "upload" and self._uploads)
            is_open = method == "POST" and posted
        return None if is_open else PlainTextResponse("Not found.", 404)


class _Limited:
    """Answers 413 to a body over a limit that its headers hid, and adds headers to answers."""

    def __init__(self, app: ASGIApp, limit: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._app = app
        self._left = limit
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def count() -> Message:
            message = await receive()
            was_within = self._left >= 0
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                if was_within:
                    await _too_large()(scope, receive, send)
                return {"type": "http.disconnect"}
            return message

        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            if self._left >= 0:
                await send(message)

        await self._app(scope, count, pass_on)


def _headers(embedded_in: Collection[str]) -> tuple[tuple[bytes, bytes], ...]:
    policy = " ".join([_POLICY, *embedded_in])
    return (
        (b"content-security-policy", policy.encode("latin-1")),
        (b"referrer-policy", b"same-origin"),
        (b"x-content-type-options", b"nosniff"),
    )


def _too_large() -> JSONResponse:
    # In the form of Gradio's own errors, which its page shows.
    return JSONResponse({"detail": "This is too large to send."}, 413, {"Connection": "close"})


def _token(authorization: str) -> bytes:
    """Return the token of a header: a bearer's, or the password of basic authentication."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode()
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def path_names(scope: Scope) -> list[str]:
    """Return the names in a path, without the prefix of Gradio's API."""
    names: list[Any] = [name for name in scope["path"].split("/") if name]
    return names[1:] if names[:1] == ["gradio_api"] else names


def stated_length(headers: Headers) -> int:
    """Return the bytes of a body by its header; 0 if it tells none."""
    stated = headers.get("content-length", "")
    return int(stated) if stated.isdecimal() and len(stated) < 20 else 0
