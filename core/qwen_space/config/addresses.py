"""Addresses of Spaces: ids of the hub, and the URLs of apps."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

__all__ = [
    "DEFAULT_SPACE",
    "HUB",
    "has_password",
    "is_hugging_face",
    "is_proxy_address",
    "is_web_address",
    "space_id",
    "space_url",
]

DEFAULT_SPACE = "Qwen/Qwen2.5"
HUB = "https://huggingface.co"

# Compiled when an address is read, not when the package is imported.
# The hub has no owner with a dot in the name, so `chat.example.org/app` is an address.
_SPACE_ID = r"(?a)(?!localhost/)[A-Za-z0-9][\w-]*/[\w.-]+"
_HUB_PAGE = r"(?i)(?:(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)?spaces/([^/?#]+/[^/?#]+)"
_HUB_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"})
_BARE = r"(?ai)(\[[\da-f:.]+\]|[\w.-]+)(?::(\d+))?(?:[/?#].*)?"
_SOCKS = r"(?i)socks(4a?|5h?)?(?=://)"
_USER = r"(?i)(?:[a-z]+:)?(?://)?[^/?#]*@"


def is_web_address(url: str) -> bool:
    """Whether a text is an http or https address with a host."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises where there is no such port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def is_proxy_address(url: str) -> bool:
    """Whether a text is the address of a proxy that speaks HTTP or SOCKS."""
    return is_web_address(re.sub(_SOCKS, "http", url, count=1) if re.match(_SOCKS, url) else url)


def has_password(url: str | None) -> bool:
    """Whether a URL, such as a proxy's, has a password in it."""
    return url is not None and urlsplit(url).password is not None


def is_hugging_face(url: str) -> bool:
    """Whether an address is one that a Hugging Face token may go to without being asked."""
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.hostname or "").endswith(".hf.space")


def space_id(space: str) -> str | None:
    """Return the `owner/name` that is given, as it stands or in the address of its page."""
    space = space.strip()
    if page := re.match(_HUB_PAGE, space):
        space = page[1]
    return space if re.fullmatch(_SPACE_ID, space) else None


@lru_cache(maxsize=256)  # each call of a chat model asks for it several times
def space_url(space: str) -> str:
    """Return the address of a Space's app.

    A Space's host is its id in lower case with each character that a host name cannot have
    as a hyphen, which the Hugging Face client also assumes.

    Raises:
        ValueError: It is neither an `owner/name` id nor the address of an app.
    """
    space = space.strip()
    if re.match(_USER, space):
        raise ValueError(  # without its value
            "space must not hold a user or a password, which would show up in logs. For the login "
            "of the app itself, give auth=(user, password); for that of a server in front of it, "
            'headers={"Authorization": "Basic ..."}.'
        )
    if name := space_id(space):
        return f"https://{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.hf.space"
    address = _with_scheme(space)
    if not is_web_address(address) or urlsplit(address).hostname in _HUB_HOSTS:
        raise ValueError(
            f"space={space!r} is neither a Space's id such as {DEFAULT_SPACE!r} "
            "nor the address of an app such as 'http://127.0.0.1:7860'."
        )
    parts = urlsplit(address)
    # Hugging Face answers http with a redirect; a token is not to travel in the open before that.
    scheme = "https" if parts.netloc.lower().endswith(".hf.space") else parts.scheme
    return urlunsplit((scheme, parts.netloc.lower(), parts.path.rstrip("/"), "", ""))


def _with_scheme(address: str) -> str:
    """Return an address with its scheme, for those that are given without one.

    A server on a port of its own speaks http, as Gradio does; a name alone stands for a site.
    """
    if (bare := re.fullmatch(_BARE, address)) is None:
        return address
    host, port = bare[1].lower(), bare[2]
    is_numeric = host.startswith("[") or host.replace(".", "").isdigit()
    if port is None and host != "localhost" and "." not in host and not is_numeric:
        return address  # a word, or a path
    is_open = host == "localhost" or is_numeric or port not in {None, "443"}
    return f"{'http' if is_open else 'https'}://{address}"
