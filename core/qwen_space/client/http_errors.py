"""What it means that an answer's HTTP status is not 200."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from qwen_space.client import hub
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

__all__ = ["PROXY_LOGIN", "refusal"]

PROXY_LOGIN = "the proxy wants a user and a password (HTTP 407): http://user:password@host:port"


def refusal(url: str, status: int, headers: Mapping[str, str], body: str) -> QwenSpaceError:
    """Return the error that a status other than 200 means.

    Args:
        url: What was asked for, without its query.
        status: The HTTP status.
        headers: The answer's headers, whatever their case.
        body: The start of its body.
    """
    detail = _detail(body)
    seconds = _retry_after(headers)
    if 300 <= status < 400:
        location = headers.get("Location")
        return SpaceStatusError(status, url, f"moved to {location}", location)
    if status in {401, 403}:
        return AuthenticationError(url, detail or f"HTTP {status}")
    if status == 407:
        return SpaceUnreachableError(url, PROXY_LOGIN, lasting=True)
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


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait.

    A date is compared to that of the answer, if it has one: our deadline may differ from theirs.
    """
    sent = headers.get("Date")
    now = hub.retry_after(sent, 0) if sent is not None else None
    return hub.retry_after(headers.get("Retry-After"), now or time.time())


def _detail(body: str) -> str | None:
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
