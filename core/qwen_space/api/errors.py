"""Errors in OpenAI's form, with the statuses by which its clients go on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qwen_space.errors import (
    AuthenticationError,
    ContextOverflowError,
    ModelNotOfferedError,
    NoSpaceAnsweredError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
)

__all__ = ["ApiError", "RequestError", "to_api_error"]


@dataclass(frozen=True, slots=True)
class ApiError:
    """An error as a response.

    Attributes:
        status: The HTTP status.
        message: The sentence.
        type: OpenAI's word for the kind of error.
        param: The field of the request that is at fault, if one is.
        code: OpenAI's word for the error, if it has one.
        headers: Further headers.
    """

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """The body, as JSON."""
        names = ("message", "type", "param", "code")
        return {"error": {name: getattr(self, name) for name in names}}


class RequestError(ValueError):
    """A request cannot be right.

    Attributes:
        param: The field at fault, if one is.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


def to_api_error(error: Exception) -> ApiError:
    """Return an error as a response.

    Clients ask again after 429 and 5xx, so they are told not to where the prompt may have run.
    """
    if not isinstance(error, QwenSpaceError):
        param = error.param if isinstance(error, RequestError) else None
        return ApiError(400, str(error), param=param)
    if isinstance(error, ContextOverflowError):
        return ApiError(400, str(error), param="messages", code="context_length_exceeded")
    if isinstance(error, ModelNotOfferedError):
        return ApiError(404, str(error), param="model", code="model_not_found")
    status = _status(error)
    kind, code = _KINDS[status]
    return ApiError(status, str(error), kind, code=code, headers=_headers(error))


_KINDS = {
    400: ("invalid_request_error", None),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    502: ("server_error", "space_failed"),
    503: ("server_error", "space_unavailable"),
    504: ("server_error", "space_timeout"),
}


def _status(error: Exception) -> int:
    match error:
        case NoSpaceAnsweredError(errors=errors):
            statuses = {_status(each) for _, each in errors}
            return statuses.pop() if len(statuses) == 1 else 503
        case ContextOverflowError():
            return 400
        case ModelNotOfferedError():
            return 404
        case QuotaError() | QueueFullError():
            return 429
        case SpaceTimeoutError():
            return 504
        case SpaceUnreachableError() | SpaceUnavailableError():
            return 503
        case AuthenticationError():  # of this server at the Space, not of its client
            return 502
        case QwenSpaceError():
            return 502
    return 400


def _headers(error: QwenSpaceError) -> dict[str, str]:
    headers = {}
    seconds = getattr(error, "retry_after", None)
    if seconds is not None:
        headers["Retry-After"] = str(math.ceil(seconds))
    if error.may_have_run or error.text:
        headers["x-should-retry"] = "false"
    return headers
