"""What it means that an answer's HTTP status is not 200."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from qwen_space.client import hub
from qwen_space.client.login import NOT_LOGGED_IN
from qwen_space.client.proxies import Proxy
from qwen_space.errors import (
    AuthenticationError,
    JobError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceUnavailableError,
    SpaceUnreachableError,
)

__all__ = ["error_detail", "proxy_login", "refusal"]


def refusal(
    url: str, status: int, headers: Mapping[str, str], body: str, proxy: Proxy | None = None
) -> QwenSpaceError:
    """Return the error that a status other than 200 means.

    Args:
        url: What was asked for, without its query.
        status: The HTTP status.
        headers: The answer's headers, whatever their case.
        body: The start of its body.
        proxy: What the request went through.
    """
    detail = error_detail(body)
    seconds = _retry_after(headers)
    if 300 <= status < 400:
        location = headers.get("Location")
        return SpaceStatusError(status, url, f"moved to {location}", location)
    if status == 407:
        return proxy_login(url, proxy)
    if status == 403 and proxy is not None and "X-Squid-Error" in headers:
        said = f"the proxy {proxy} does not let it through (HTTP 403)"
        return SpaceUnreachableError(url, said, lasting=True, remedy=proxy.remedy)
    if status in {401, 403}:
        return _no_access(url, detail or f"HTTP {status}", headers.get("WWW-Authenticate") or "")
    if status == 422 and (invalid := _invalid(body)) is not None:
        return JobError(invalid or None, "It does not take this input")
    if status == 429:
        return QuotaError(detail or "Too many requests", seconds)
    if status == 503 and detail is not None:
        if "full" in detail:
            return QueueFullError(detail, seconds)
        return SpaceUnavailableError(url, detail, retry_after=seconds)
    if status in {502, 503, 504}:
        said = hub.page_text(body)[:200] or "no reason given"
        detail = f"HTTP {status}: {said}"
        return SpaceUnavailableError(url, detail, status=status, retry_after=seconds)
    return SpaceStatusError(status, url, detail or body)


def proxy_login(url: str, proxy: Proxy | None) -> SpaceUnreachableError:
    """Return the error of a proxy that wants a user and a password, or others."""
    has_some = proxy is not None and urlsplit(proxy.url).username is not None
    wants = "does not take this user and password" if has_some else "wants a user and a password"
    return SpaceUnreachableError(
        url,
        f"the proxy {proxy or ''} {wants} (HTTP 407)".replace("  ", " "),
        lasting=True,
        remedy="Give them as http://user:password@host:port in proxy=, or where the environment "
        "names the proxy.",
    )


def _no_access(url: str, detail: str, challenge: str) -> AuthenticationError:
    """Return the error of a request that lacks a token, a login, or a password.

    Args:
        url: What was asked for.
        detail: What the answer says.
        challenge: Its header `WWW-Authenticate`, which Gradio does not send.
    """
    scheme = challenge.partition(" ")[0].lower()
    if scheme == "basic":
        return AuthenticationError(
            url,
            f"a server in front of the app wants a user and a password ({challenge:.100})",
            'Give headers={"Authorization": "Basic ..."}, with user:password in base64 there.',
        )
    if scheme in {"digest", "negotiate", "ntlm"}:
        return AuthenticationError(
            url,
            f"a server in front of the app wants a login of another kind ({challenge:.100})",
            "Ask who runs it for a token or a cookie, and give that in headers=.",
        )
    if detail == NOT_LOGGED_IN:
        remedy = "The app has a login of its own: give auth=(user, password)."
        return AuthenticationError(url, detail, remedy)
    return AuthenticationError(url, detail)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait.

    A date is compared to that of the answer, if it has one: our deadline may differ from theirs.
    """
    sent = headers.get("Date")
    now = hub.retry_after(sent, 0) if sent is not None else None
    return hub.retry_after(headers.get("Retry-After"), now or time.time())


def error_detail(body: str) -> str | None:
    """Return the sentence in one of Gradio's own error bodies; None for any other body."""
    detail = _own_detail(body)
    if isinstance(detail, dict):
        detail = detail.get("error")
    return None if detail is None else str(detail)


def _invalid(body: str) -> str | None:
    """Return what the function's own validator says against the input; None for any other body."""
    detail = _own_detail(body)
    items = [each for each in detail if isinstance(each, dict)] if isinstance(detail, list) else []
    said = [str(each.get("message") or "") for each in items if each.get("is_valid") is False]
    return "; ".join(filter(None, said)) if said else None


def _own_detail(body: str) -> Any:
    try:
        return json.loads(body).get("detail")
    except (ValueError, AttributeError, RecursionError):
        return None
