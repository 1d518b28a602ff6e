"""The proxy that a request goes through."""

from __future__ import annotations

import base64
import functools
import importlib.util
import ipaddress
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

from qwen_space.config import Secret, SpaceConfig, is_loopback, is_proxy_address

__all__ = ["Proxy", "choose_proxy", "environment_proxies", "is_this_machine"]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy of the configuration, or of the environment.

    Attributes:
        url: Its address, with the password if it has one.
        is_ambient: Whether the environment names it.
    """

    url: str
    is_ambient: bool = False

    def __repr__(self) -> str:
        return f"Proxy({str(self)!r})"

    def __str__(self) -> str:
        """Return the address without the user and the password."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, and not HTTP."""
        return self.url.lower().startswith("socks")

    def is_at(self, host: str, port: int | None) -> bool:
        """Whether a host and a port are those of the proxy."""
        parts = urlsplit(self.url)
        standard = {"http": 80, "https": 443}.get(parts.scheme)
        return (parts.hostname, parts.port or standard) == (host, port)

    @property
    def authorization(self) -> Secret | None:
        """The header of an HTTP proxy's user and password, in UTF-8 as browsers send them."""
        parts = urlsplit(self.url)
        if parts.username is None:
            return None
        login = f"{parts.username}:{parts.password or ''}"
        return Secret(f"Basic {base64.b64encode(unquote_to_bytes(login)).decode()}")

    @property
    def fault(self) -> str | None:
        """The reason why no request can go through it, without its address if that is none."""
        if not is_proxy_address(self.url):
            return "the value for its proxy is no address, such as http://127.0.0.1:3128"
        if self.is_socks and importlib.util.find_spec("python_socks") is None:
            return f'the proxy {self} speaks SOCKS: pip install "qwen-space[socks]"'
        return None

    @property
    def remedy(self) -> str:
        """The remedy for a proxy that does not serve."""
        if self.is_ambient:
            return (
                "Check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; proxy= names another, "
                "and trust_env=False goes without."
            )
        return "Check proxy=."


def environment_proxies() -> dict[str, str]:
    """Return the proxies of the environment, or else of the system, by scheme; `no` without."""
    return urllib.request.getproxies()


def choose_proxy(
    config: SpaceConfig, url: str, environment: Mapping[str, str] | None
) -> Proxy | None:
    """Return the proxy for a request; None for a straight connection.

    Args:
        config: Its `proxy` serves for everything.
        url: The requested address.
        environment: The proxies of the environment; None if they are not to be used. They are
            chosen as httpx does it, and never for this machine itself.
    """
    if config.proxy is not None:
        return Proxy(config.proxy)
    if not environment or is_this_machine(url):
        return None
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    named = (environment.get(parts.scheme) or environment.get("all") or "").strip()
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    if not named or _is_excluded(host, port, environment.get("no", "")):
        return None
    return Proxy(named if "://" in named else f"http://{named}", is_ambient=True)


def is_this_machine(url: str) -> bool:
    """Whether an address is one of this machine itself, for which the environment has no proxy."""
    return _is_this_host((urlsplit(url).hostname or "").rstrip("."))


@functools.lru_cache(maxsize=256)  # each request asks for it
def _is_this_host(host: str) -> bool:
    address = _address(host)
    return is_loopback(host) or (address is not None and address.is_unspecified)


def _is_excluded(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether `NO_PROXY` names a host: itself, its domain, its network, or everything."""
    return any(_names(entry, host, port) for entry in re.split(r"[,\s]+", no_proxy.lower()))


def _names(entry: str, host: str, port: int | None) -> bool:
    entry = entry.rpartition("://")[2]
    if entry == "*":
        return True
    if (address := _address(host)) is not None:
        try:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal():
        if int(wanted) != port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").strip(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
