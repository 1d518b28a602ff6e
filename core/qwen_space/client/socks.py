"""Connections through a SOCKS proxy, with python-socks."""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["SocksError", "open_socks"]

_DEFAULT_PORT = 1080
_NEVER = 10.0**6  # seconds: the limits are those of the request


class SocksError(Exception):
    """A SOCKS proxy did not connect; says why."""


async def open_socks(proxy: str, host: str, port: int) -> socket.socket:
    """Open a connection to a host through a SOCKS proxy, which looks the host's name up.

    Args:
        proxy: The proxy's address, `socks5://user:password@host:port` or `socks4://...`.
        host: The host to reach.
        port: Its port.

    Raises:
        SocksError: There is no proxy, or it refuses, or cannot reach the host.
    """
    # In a thread, as an import reads files.
    package = await asyncio.to_thread(importlib.import_module, "python_socks")
    proxies = await asyncio.to_thread(importlib.import_module, "python_socks.async_.asyncio")
    parts = urlsplit(proxy)
    connection = proxies.Proxy(
        package.ProxyType.SOCKS4 if parts.scheme.startswith("socks4") else package.ProxyType.SOCKS5,
        parts.hostname,
        parts.port or _DEFAULT_PORT,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        rdns=True,
    )
    try:
        opened: socket.socket = await connection.connect(host, port, timeout=_NEVER)
    except package.ProxyConnectionError as exc:
        raise SocksError(f"there is no connection to it ({_reason(exc)})") from exc
    except OSError as exc:
        raise SocksError(f"it broke the connection off ({_reason(exc)})") from exc
    except (package.ProxyError, ValueError) as exc:  # the latter of a password that is too long
        raise SocksError(str(exc) or "it closed the connection") from exc
    return opened


def _reason(error: Any) -> Any:
    """Return the system's words; asyncio's own name the address, or several."""
    if isinstance(error.__cause__, socket.gaierror):
        return error.__cause__.strerror
    return os.strerror(error.errno) if error.errno else error
