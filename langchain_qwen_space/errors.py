"""Our errors, as LangChain's own typed errors too.

Code that catches `qwen_space.QuotaError` catches these, and so does LangChain's middleware, which
asks LangChain's classes whether another try makes sense (`is_retryable`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from langchain_core import exceptions as langchain
from langchain_core.exceptions import ModelError

from qwen_space import errors as core

__all__ = [
    "AuthenticationError",
    "ContextOverflowError",
    "EndpointError",
    "JobError",
    "ModelNotOfferedError",
    "NoSpaceAnsweredError",
    "PromptTooLongError",
    "ProtocolError",
    "QueueFullError",
    "QuotaError",
    "SpaceNotFoundError",
    "SpaceRequestError",
    "SpaceServerError",
    "SpaceStatusError",
    "SpaceTimeoutError",
    "SpaceUnavailableError",
    "SpaceUnreachableError",
    "StreamInterruptedError",
    "UploadError",
    "typed",
]


class AuthenticationError(core.AuthenticationError, langchain.ModelAuthenticationError):
    """The Space wants a token, or does not take the one that it was given."""


class ContextOverflowError(core.ContextOverflowError, langchain.ContextOverflowError):
    """The chat is longer than the model takes, and was not sent."""


class PromptTooLongError(core.PromptTooLongError, langchain.ContextOverflowError):
    """The app refused the chat, as it is longer than its model takes."""


class EndpointError(core.EndpointError, langchain.ModelNotFoundError):
    """The app has no endpoint that fits a chat, or several and no way to choose."""


class ModelNotOfferedError(core.ModelNotOfferedError, langchain.ModelNotFoundError):
    """The app does not offer the model; the message lists those that it does."""


class NoSpaceAnsweredError(core.NoSpaceAnsweredError, langchain.ModelAPIError):
    """Each of several Spaces failed, for a reason of its own."""


class JobError(core.JobError, langchain.ModelAPIError):
    """The app failed while it worked on the reply."""


class ProtocolError(core.ProtocolError, ModelError):
    """The server answered, but not in Gradio's protocol."""


class QueueFullError(core.QueueFullError, langchain.ModelRateLimitError):
    """The Space's queue is full."""


class QuotaError(core.QuotaError, langchain.ModelRateLimitError):
    """A rate limit, or the quota of GPU time, is used up."""


class SpaceStatusError(core.SpaceStatusError, ModelError):
    """The Space answered a request with an HTTP status other than 2xx."""


class SpaceNotFoundError(SpaceStatusError, langchain.ModelNotFoundError):
    """There is nothing at the Space's address (HTTP 404 or 410)."""


class SpaceRequestError(SpaceStatusError, langchain.ModelInvalidRequestError):
    """The Space does not take the request (any other HTTP 4xx)."""


class SpaceServerError(SpaceStatusError, langchain.ModelAPIError):
    """The Space's server failed (HTTP 5xx), which may pass."""


class SpaceTimeoutError(core.SpaceTimeoutError, langchain.ModelTimeoutError):
    """A time limit passed."""


class SpaceUnavailableError(core.SpaceUnavailableError, langchain.ModelAPIError):
    """The Space is paused, asleep, building, broken or gone."""


class SpaceUnreachableError(core.SpaceUnreachableError, langchain.ModelConnectionError):
    """No connection to the Space could be made."""


class StreamInterruptedError(core.StreamInterruptedError, langchain.ModelConnectionError):
    """The stream ended before the reply was complete."""


class UploadError(core.UploadError, langchain.ModelInvalidRequestError):
    """A picture or a file could not be given to the app; the prompt was not sent."""


# Each class is a child of the core's class of the same name.
_TYPED: dict[type[Exception], type[core.QwenSpaceError]] = {
    getattr(core, name): globals()[name] for name in core.__all__ if name in __all__
}


@contextlib.contextmanager
def typed() -> Iterator[None]:
    """Raise an error of the core as LangChain's, with all that it says."""
    try:
        yield
    except core.QwenSpaceError as exc:
        kind = _kind(exc)
        if kind is None:
            raise
        error = kind(*exc.args)
        vars(error).update(vars(exc))  # attributes that are no arguments, such as the text so far
        vars(error)["is_retryable"] = _is_transient(exc)
        raise error.with_traceback(exc.__traceback__) from exc.__cause__


def _kind(error: Exception) -> type[core.QwenSpaceError] | None:
    if not isinstance(error, core.SpaceStatusError):
        return _TYPED.get(type(error))
    if error.status in {404, 410}:
        return SpaceNotFoundError
    if error.status >= 500:
        return SpaceServerError
    return SpaceRequestError if error.status >= 400 else SpaceStatusError


def _is_transient(error: Exception) -> bool:
    if isinstance(error, core.NoSpaceAnsweredError):
        return any(_is_transient(each) for _, each in error.errors)
    is_lasting = not getattr(error, "retryable", True)  # such as a certificate that is not valid
    return not is_lasting and getattr(_kind(error), "is_retryable", False)
