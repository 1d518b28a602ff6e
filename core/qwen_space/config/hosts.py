"""Names of hosts, as a server's requests have them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

__all__ = ["hostname", "is_loopback", "without_default_port"]


def is_loopback(hostname: str) -> bool:
    """Whether a host's name or address can only be this machine."""
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def hostname(netloc: str) -> str:
    """Return the name in a header `Host`, or behind the scheme of an `Origin`; empty if none is."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def without_default_port(netloc: str) -> str:
    """Return a host without the port of http or https."""
    host, _, port = netloc.rpartition(":")
    return host if host and port in {"80", "443"} else netloc
