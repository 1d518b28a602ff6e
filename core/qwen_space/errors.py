"""The errors, in a tree that goes by whose fault it is.

    QwenSpaceError
    ├── TransportError    never became a conversation, or stopped being one
    │   ├── SpaceStatusError
    │   ├── SpaceUnreachableError
    │   ├── SpaceTimeoutError
    │   └── StreamInterruptedError
    ├── ProtocolError     answered, but not in the protocol
    ├── ContextOverflowError    the input is longer than the model takes
    ├── NoSpaceAnsweredError    each of several Spaces failed, for a reason of its own
    └── SpaceError        the Space says that it failed
        ├── JobError
        │   └── PromptTooLongError    is a ContextOverflowError too
        ├── QueueFullError
        ├── QuotaError
        ├── AuthenticationError
        ├── SpaceUnavailableError
        ├── UploadError
        └── EndpointError
            └── ModelNotOfferedError

Every error can be pickled, and says what to do next. `text` holds the part that had arrived of the
reply before it failed. None is a `RuntimeError`: frameworks take those for faults of the event
loop. Misuse, such as an empty prompt, stays `ValueError`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

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
    "QwenSpaceError",
    "SpaceError",
    "SpaceStatusError",
    "SpaceTimeoutError",
    "SpaceUnavailableError",
    "SpaceUnreachableError",
    "StreamInterruptedError",
    "TransportError",
    "UploadError",
]

# Compiled when an error needs one, not when the package is imported.
_TAG = r"(?i)</?[a-z][^<>]*>"
_HUGGING_FACE = r"https?://[^/?#]*\.hf\.space(?![^/?#:])"
_TRY_AGAIN = r"(?i)\b(?:try again|retry) in (?:(\d{1,6}) days?, )?(\d{1,6}):(\d\d):(\d\d)"
_LONGEST_DETAIL = 4_000  # characters of a sentence that is read for HTML and a time


class QwenSpaceError(Exception):
    """Base of all errors of this package.

    Attributes:
        text: The part of the reply that had arrived when it failed; empty if none had.
        tries: Why each try of the step that failed did so, this one the last; empty if it was
            tried once.
        may_have_run: Whether the prompt was sent, and neither refused nor failed by the Space's
            own word: it may have run all the same, and runs twice if it is sent again.
    """

    text: str = ""
    tries: tuple[str, ...] = ()
    may_have_run: bool = False

    def __str__(self) -> str:
        if not self.tries:
            return self._message()
        reasons = self.tries if len(set(self.tries)) > 1 else self.tries[:1]
        return f"{self._message()} It was tried {len(self.tries)} times: {'; '.join(reasons)}."

    def _message(self) -> str:
        """Return the fault and the remedy."""
        return super().__str__()


class TransportError(QwenSpaceError):
    """The request never became a conversation, or the conversation broke off."""


class SpaceStatusError(TransportError):
    """The Space answered a request with an HTTP status other than 2xx.

    Attributes:
        status: The HTTP status.
        url: The requested address, without credentials.
        body: The start of the answer's body; of a page in HTML, its text.
        location: Where a redirect leads to, as the answer says it; None for any other answer.
        is_page: Whether the body was a page for people, which is no answer of Gradio's own.
    """

    is_page = False

    def __init__(self, status: int, url: str, body: str = "", location: str | None = None) -> None:
        super().__init__(status, url, body, location)  # as given: the error survives pickling
        self.status = status
        self.url = url
        self.body = body
        self.location = location

    @property
    def status_code(self) -> int:
        """The same as `status`, under the name that other clients use."""
        return self.status

    def _message(self) -> str:
        said = f": {self.body[:200]!r}" if self.body else ""
        return f"{self.url} answered HTTP {self.status}{said}. {_advice(self.status)}"


def _advice(status: int) -> str:
    if status == 429:
        return "The rate limit is reached (too many requests): wait, then try again."
    if status == 511:
        return "The network wants a login: open any page in a browser, and log in there."
    if status >= 500:
        return "The Space has a problem of its own: open its page to see, then try again."
    if 300 <= status < 400:
        return (
            "If the app is there, give that address as space. If it is a login, log in with a "
            "browser, and give the header Cookie of its requests in headers=."
        )
    if status == 413:
        return (
            "A server in front of the app takes no request as large (nginx: client_max_body_size): "
            "shorten the prompt and the earlier turns."
        )
    return "Check that space is the address of a Gradio app."


class SpaceUnreachableError(TransportError, ConnectionError):
    """No connection to the Space could be made.

    Attributes:
        url: The Space's address.
        reason: The sentence of the operating system, or of the proxy.
        retryable: Whether another try may help; False for a certificate that is not valid.
        remedy: The way out; None is the general one.
    """

    def __init__(
        self, url: str, reason: str, *, retryable: bool = True, remedy: str | None = None
    ) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason
        self.retryable = retryable
        self.remedy = remedy

    def _message(self) -> str:
        remedy = self.remedy or (
            "Check the address, the network and the proxy, and that the app is running."
        )
        return f"Cannot reach {self.url}: {self.reason}. {remedy}"


class SpaceTimeoutError(TransportError, TimeoutError):
    """A time limit passed.

    Attributes:
        limit: The field of `Timeouts` that passed: "connect", "first_token", "silence", "total"
            or "wake"; or "hub", where the hub was asked.
        seconds: Its value.
        remedy: The way out; None is to raise the limit.
    """

    def __init__(self, limit: str, seconds: float, remedy: str | None = None) -> None:
        super().__init__(limit, seconds, remedy)
        self.limit = limit
        self.seconds = seconds
        self.remedy = remedy

    def _message(self) -> str:
        happened = {
            "connect": "No connection was made",
            "first_token": "The Space sent no text, not counting the wait in its queue,",
            "silence": "Nothing came from the Space, not even a sign of life,",
            "total": "The reply was not complete",
            "wake": "The Space was not awake",
            "hub": "The Hugging Face hub did not answer",
        }.get(self.limit, "The Space did not answer")
        remedy = self.remedy or f"If that is to be expected, raise Timeouts({self.limit}=...)."
        return f"{happened} within {self.seconds:g} seconds. {remedy}"


class StreamInterruptedError(TransportError, ConnectionError):
    """The stream ended before the reply was complete; `text` holds its first part.

    Attributes:
        reason: How it ended.
    """

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text, reason)
        self.text = text
        self.reason = reason

    def _message(self) -> str:
        when = f"after {len(self.text)} characters" if self.text else "before any text came"
        return (
            f"The connection broke {when}: {self.reason.rstrip('. ')}. "
            "A Gradio stream cannot be resumed: send the prompt again if it may run twice."
        )


class ProtocolError(QwenSpaceError):
    """The server answered, but not in Gradio's protocol."""


class ContextOverflowError(QwenSpaceError):
    """The input is longer than the model takes.

    It was counted and not sent, or it is a `PromptTooLongError`.

    Attributes:
        tokens: How many tokens the input has; None where the app refused it.
        limit: How many the model takes; None where the app refused it.
        model: Its name; None where the app refused it.
        exact: Whether `tokens` was counted; else it was estimated.
    """

    tokens: int | None = None
    limit: int | None = None
    model: str | None = None
    exact: bool = False

    def __init__(self, tokens: int, limit: int, model: str, exact: bool = True) -> None:  # noqa: FBT001, FBT002 - errors are made again from their args
        super().__init__(tokens, limit, model, exact)
        self.tokens = tokens
        self.limit = limit
        self.model = model
        self.exact = exact

    def _message(self) -> str:
        about = "" if self.exact else "about "
        return (
            f"The input has {about}{self.tokens} tokens, but {self.model} takes {self.limit} at "
            "most. Leave out or summarize earlier messages, or choose a model that takes more."
        )


class NoSpaceAnsweredError(QwenSpaceError):
    """Each of several Spaces failed before its first text, and none was left to ask.

    Attributes:
        errors: Each Space, as it was given, with its error, in the order in which they were asked.
    """

    def __init__(self, errors: Sequence[tuple[str, Exception]]) -> None:
        super().__init__(tuple(errors))
        self.errors = tuple(errors)

    @property
    def retry_after(self) -> float | None:
        """In how many seconds the first of them may be asked again, if one said so."""
        given = [getattr(error, "retry_after", None) for _, error in self.errors]
        return min((each for each in given if each is not None), default=None)

    def _message(self) -> str:
        reasons = " ".join(
            f"({number}) {space}: {str(error).rstrip('. ')}."
            for number, (space, error) in enumerate(self.errors, 1)
        )
        return (
            f"None of {len(self.errors)} Spaces answered. {reasons} "
            "`qwen-space find` lists Spaces that answer now."
        )


class SpaceError(QwenSpaceError):
    """The Space says that it failed, or cannot serve the request."""


class JobError(SpaceError):
    """The app failed while it worked on the reply; `text` holds its first part.

    Attributes:
        reason: The app's own message; None when the app keeps it to itself, which is
            Gradio's default (`show_error=False`).
        title: The message's heading, if it has one.
        advice: What the app may miss, as a file; "" where nothing is known.
    """

    advice: str = ""

    def __init__(self, reason: str | None, title: str | None = None) -> None:
        super().__init__(reason, title)
        self.reason = reason
        self.title = title

    def _message(self) -> str:
        advice = self.advice and f" Perhaps {self.advice}"
        if self.reason is None:
            return (
                "The app failed and does not say why (Gradio hides errors unless the app sets "
                f"show_error).{advice} Try again; if it stays, try a shorter prompt, or the "
                "Space's page."
            )
        heading = f"{self.title}: " if self.title and self.title != "Error" else ""
        return f"The app failed: {heading}{self.reason}{advice and '.'}{advice}"


class PromptTooLongError(JobError, ContextOverflowError):
    """The app refused the input, as it is longer than its model takes; `reason` is its message."""

    def __init__(self, reason: str | None, title: str | None = None) -> None:
        QwenSpaceError.__init__(self, reason, title)  # one of its two bases counts the tokens
        self.reason = reason
        self.title = title

    def _message(self) -> str:
        return (
            f"{super()._message().rstrip('. ')}. Leave out or summarize earlier messages, or "
            "choose a model that takes more."
        )


class QueueFullError(SpaceError):
    """The Space's queue is full.

    Attributes:
        detail: The Space's sentence.
        retry_after: In how many seconds it may be tried again, if the Space said so.
    """

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail, retry_after)
        self.detail = detail
        self.retry_after = retry_after

    def _message(self) -> str:
        return (
            f"{self.detail.rstrip('. ')}. Too many requests wait for this Space: try again later."
            f"{_again(self.retry_after)}"
        )


class QuotaError(SpaceError):
    """A rate limit, or the quota of GPU time, is used up.

    Attributes:
        detail: The Space's sentence, without the HTML that ZeroGPU puts into it.
        retry_after: In how many seconds it may be tried again, if the Space said so.
    """

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail, retry_after)
        import html  # its table of entities is for this alone

        self.detail = html.unescape(re.sub(_TAG, "", detail[:_LONGEST_DETAIL]))
        said = _seconds_in(self.detail)
        self.retry_after = said if retry_after is None else retry_after

    def _message(self) -> str:
        again = "" if _seconds_in(self.detail) is not None else _again(self.retry_after)
        return (
            f"{self.detail.rstrip('. ')}.{again} This is a rate limit (HTTP 429, or GPU quota): "
            "wait, or give an hf_token with a quota of its own."
        )


def _again(seconds: float | None) -> str:
    return "" if seconds is None else f" It may be tried again in {seconds:.0f} seconds."


def _seconds_in(text: str) -> float | None:
    """Return the seconds of "Try again in 0:09:48", as ZeroGPU says it."""
    if not (said := re.search(_TRY_AGAIN, text)):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in said.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


class AuthenticationError(SpaceError):
    """The Space wants a token, or does not take the one that it was given.

    Or the app has a login of its own, Gradio's `launch(auth=...)`, or a server in front of it has.

    Attributes:
        url: The requested address.
        detail: The answer's sentence.
        remedy: The way out; None is to give a token.
    """

    def __init__(self, url: str, detail: str, remedy: str | None = None) -> None:
        super().__init__(url, detail, remedy)
        self.url = url
        self.detail = detail
        self.remedy = remedy

    def _message(self) -> str:
        remedy = self.remedy or _access_remedy(self.url)
        return f"{self.url} refused access: {self.detail.rstrip('. ')}. {remedy}"


def _access_remedy(url: str) -> str:
    if re.match(_HUGGING_FACE, url):
        return "Give an hf_token that may use this Space."
    return "Give an hf_token that may use this Space, or the header that a server before it wants."


class SpaceUnavailableError(SpaceError):
    """The Space is paused, asleep, building, broken or gone.

    Attributes:
        url: The Space's address, or the requested one below it.
        detail: The reason.
        remedy: The way out; None is the general one.
        status: The HTTP status, where it is a page in front of the app that says so, else None.
        stage: The hub's word for the state that the Space is in, such as "PAUSED", if it said so.
        retry_after: In how many seconds it may be tried again, if the answer said so.
    """

    def __init__(
        self,
        url: str,
        detail: str,
        remedy: str | None = None,
        status: int | None = None,
        stage: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(url, detail, remedy, status, stage, retry_after)
        self.url = url
        self.detail = detail
        self.remedy = remedy
        self.status = status
        self.stage = stage
        self.retry_after = retry_after

    def _message(self) -> str:
        remedy = self.remedy or (
            "Open its page to wake it or to see why; `qwen-space find` lists others, and "
            "a duplicate of the Space, or `qwen-space serve`, can stand in for it."
        )
        again = _again(self.retry_after)
        return f"{self.url} is not available: {self.detail.rstrip('. ')}.{again} {remedy}"


class UploadError(SpaceError):
    """A picture or a file could not be given to the app; the prompt was not sent.

    Attributes:
        name: The file's name.
        reason: The reason.
        remedy: The way out; None is the general one.
    """

    def __init__(self, name: str, reason: str, remedy: str | None = None) -> None:
        super().__init__(name, reason, remedy)
        self.name = name
        self.reason = reason
        self.remedy = remedy

    def _message(self) -> str:
        remedy = self.remedy or "Give another file, or leave it out of the message."
        return f"{self.name!r} was not uploaded: {self.reason.rstrip('. ')}. {remedy}"


class EndpointError(SpaceError):
    """The app has no endpoint that fits a chat, or several and no way to choose."""


class ModelNotOfferedError(EndpointError):
    """The app does not offer the model; the message lists those that it does.

    No ValueError, as frameworks take those for a reply that could not be read, and go on.
    """
