"""Refuses requests from other websites, under foreign names, or without the token.

A server on loopback is reached by every page in the user's browser: by a form or a script of
another site, and by a host name that such a site points to 127.0.0.1 (DNS rebinding). The browser
tells both, in the headers Origin and Host.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection

from aiohttp import web

from qwen_space.api.errors import ApiError
from qwen_space.config import hostname, is_loopback, without_default_port

__all__ = ["Access"]

_OPEN = frozenset({"/health"})


class Access:
    """Decides which requests are answered.

    Args:
        token: The key that each request has to bring, but for `/health`; none if None.
        loopback: Whether the server listens on loopback, so that only names of this machine are
            its own.
        allowed_hosts: Further names of the server, such as a proxy's, without a port.
    """

    def __init__(
        self, token: str | None, *, loopback: bool, allowed_hosts: Collection[str] = ()
    ) -> None:
        self._token = token
        self._loopback = loopback
        self._allowed = frozenset(host.lower() for host in allowed_hosts)

    def refuse(self, request: web.BaseRequest) -> ApiError | None:
        """Return the error of a request that is not answered; None for one that is."""
        host = request.headers.get("Host", "")
        if self._loopback and not self._is_own(hostname(host)):
            return ApiError(
                403,
                "This server answers under names of its own machine only. For another name, such "
                "as a proxy's, start it with --allow-host NAME.",
                code="host_not_allowed",
            )
        origin = request.headers.get("Origin")
        if origin is not None and not self._is_same(origin, host):
            return ApiError(
                403,
                "This server does not answer pages of other websites. For a page of yours, start "
                "it with --allow-host NAME.",
                code="origin_not_allowed",
            )
        return None if request.path in _OPEN else self._challenge(request)

    def _challenge(self, request: web.BaseRequest) -> ApiError | None:
        given = _bearer(request.headers.get("Authorization", ""))
        if self._token is None or secrets.compare_digest(given, self._token.encode()):
            return None
        said = "does not take this key" if given else "needs a key"
        return ApiError(
            401,
            f"This server {said}: give the one of --token as api_key.",
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _is_own(self, name: str) -> bool:
        return is_loopback(name) or name in self._allowed

    def _is_same(self, origin: str, host: str) -> bool:
        netloc = origin.lower().partition("://")[2]
        is_own = without_default_port(netloc) == without_default_port(host.lower())
        return bool(netloc) and (is_own or hostname(netloc) in self._allowed)


def _bearer(authorization: str) -> bytes:
    scheme, _, value = authorization.partition(" ")
    return value.strip().encode(errors="surrogateescape") if scheme.lower() == "bearer" else b""
