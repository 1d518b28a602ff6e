from __future__ import annotations

import copy
import pickle

import pytest

import qwen_space
from qwen_space import errors
from qwen_space.errors import (
    AuthenticationError,
    ContextOverflowError,
    EndpointError,
    JobError,
    ModelNotOfferedError,
    NoSpaceAnsweredError,
    PromptTooLongError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
    TransportError,
    UploadError,
)

URL = "https://a-b.hf.space"

# Each with the event and the remedy, in its own words.
ERRORS = [
    (SpaceStatusError(404, URL, "<html>"), f"{URL} answered HTTP 404", "Check that space is"),
    (SpaceStatusError(418, URL), f"{URL} answered HTTP 418.", "Check that space is"),
    (SpaceStatusError(302, URL, "moved to /x", "/x"), "moved to /x", "give that address as space"),
    (SpaceStatusError(413, URL), "HTTP 413", "shorten the prompt"),
    (SpaceStatusError(429, URL), "rate limit", "wait, then try again"),
    (SpaceStatusError(500, URL), "problem of its own", "open its page"),
    (SpaceUnreachableError(URL, "refused"), f"Cannot reach {URL}: refused", "Check the address"),
    (SpaceTimeoutError("connect", 10.0), "within 10 seconds", "raise Timeouts(connect=...)"),
    (SpaceTimeoutError("first_token", 0.5), "0.5 seconds", "raise Timeouts(first_token=...)"),
    (SpaceTimeoutError("silence", 60.0), "sign of life", "raise Timeouts(silence=...)"),
    (SpaceTimeoutError("total", 300.0), "not complete", "raise Timeouts(total=...)"),
    (SpaceTimeoutError("wake", 300.0), "not awake within 300", "raise Timeouts(wake=...)"),
    (StreamInterruptedError("ab", "cut"), "after 2 characters: cut", "send the prompt again"),
    (JobError(None), "does not say why", "Try again"),
    (JobError("why"), "The app failed", "why"),
    (JobError("why", "Quota"), "The app failed", "Quota: why"),
    (JobError("why", "Error"), "The app failed", ": why"),
    (QueueFullError("Queue is full. "), "Queue is full", "try again later"),
    (QuotaError("Used up. "), "Used up. This is a rate limit", "give an hf_token"),
    (QuotaError("Slow down", 37.4), "Slow down. It may be tried again in 37 seconds.", "429"),
    (QuotaError("<b>Full</b>. Try again in 0:01:00", 9.0), "Full. Try again in 0:01:00. T", "wait"),
    (AuthenticationError(URL, "no"), f"{URL} refused access: no", "Give an hf_token"),
    (AuthenticationError(URL, "no", "Do this."), "refused access: no", "no. Do this."),
    (SpaceUnreachableError(URL, "no", remedy="Do this."), "Cannot reach", "no. Do this."),
    (SpaceUnavailableError(URL, "paused"), f"{URL} is not available: paused", "qwen-space serve"),
    (SpaceUnavailableError(URL, "paused.", "Do this."), ": paused. Do this.", "Do this"),
    (SpaceUnavailableError(URL, "HTTP 503: x", status=503), "HTTP 503: x. Open", "Open its page"),
    (EndpointError("None fits. Name one as endpoint."), "None fits", "Name one"),
    (ModelNotOfferedError("It offers: 7B. Take that."), "It offers: 7B", "Take that"),
    (UploadError("a.png", "too large."), "'a.png' was not uploaded: too large. ", "leave it out"),
    (UploadError("a.png", "no", "Do this."), "was not uploaded: no. Do this.", "Do this."),
    (ProtocolError("No JSON."), "No JSON", "No JSON"),
    (NoSpaceAnsweredError([(URL, QueueFullError("Full"))]), f"(1) {URL}: Full. Too", "space find"),
    (ContextOverflowError(9, 8, "M"), "has 9 tokens, but M takes 8", "summarize earlier messages"),
    (PromptTooLongError("Too long."), "The app failed: Too long.", "summarize earlier messages"),
    (ContextOverflowError(9, 8, "M", False), "has about 9 tokens", "choose a model"),
]
EACH = [
    pytest.param(error, id=f"{type(error).__name__}-{i}") for i, (error, *_) in enumerate(ERRORS)
]


@pytest.mark.parametrize(
    "copied", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy]
)
@pytest.mark.parametrize("error", EACH)
def test_an_error_survives_being_copied_and_pickled(error: QwenSpaceError, copied: object) -> None:
    error = copy.copy(error)
    error.text = "so far"

    twin = copied(error)  # type: ignore[operator]

    assert type(twin) is type(error)
    assert repr(twin.args) == repr(error.args)  # errors within are not equal
    assert repr(vars(twin)) == repr(vars(error))
    assert str(twin) == str(error)
    assert twin.text == "so far"


@pytest.mark.parametrize(("error", "happened", "remedy"), ERRORS)
def test_an_error_names_the_fault_and_the_remedy(
    error: QwenSpaceError, happened: str, remedy: str
) -> None:
    assert happened in str(error)
    assert remedy in str(error)
    assert ".." not in str(error).replace("=...", "")


@pytest.mark.parametrize("error", EACH)
def test_no_error_is_a_runtime_error_or_a_value_error(error: QwenSpaceError) -> None:
    assert isinstance(error, QwenSpaceError)
    assert not isinstance(error, (RuntimeError, ValueError))
    assert error.text == ("ab" if isinstance(error, StreamInterruptedError) else "")


def test_every_error_has_a_message_that_is_tested() -> None:
    public = {getattr(errors, name) for name in errors.__all__}
    bases = {base for each in public for base in each.__bases__}
    leaves = public - bases

    assert {type(error) for error, *_ in ERRORS} == leaves | {
        ContextOverflowError,
        EndpointError,
        JobError,
    }


def test_every_error_can_be_imported_from_the_package() -> None:
    assert set(errors.__all__) <= set(qwen_space.__all__)
    assert all(getattr(qwen_space, name) is getattr(errors, name) for name in errors.__all__)


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (SpaceStatusError, {TransportError}),
        (SpaceUnreachableError, {TransportError, ConnectionError, OSError}),
        (SpaceTimeoutError, {TransportError, TimeoutError, OSError}),
        (StreamInterruptedError, {TransportError, ConnectionError, OSError}),
        (ProtocolError, set()),
        (NoSpaceAnsweredError, set()),
        (JobError, {SpaceError}),
        (QueueFullError, {SpaceError}),
        (QuotaError, {SpaceError}),
        (UploadError, {SpaceError}),
        (ContextOverflowError, set()),
        (PromptTooLongError, {JobError, SpaceError, ContextOverflowError}),
        (AuthenticationError, {SpaceError}),
        (SpaceUnavailableError, {SpaceError}),
        (EndpointError, {SpaceError}),
        (ModelNotOfferedError, {EndpointError, SpaceError}),
        (TransportError, set()),
        (SpaceError, set()),
    ],
)
def test_the_tree_is_as_drawn(error: type[QwenSpaceError], bases: set[type]) -> None:
    common = {QwenSpaceError, Exception, BaseException, object}

    assert set(error.__mro__) - {error} - common == bases
    assert QwenSpaceError in error.__mro__


def test_a_reason_that_all_tries_share_is_said_once() -> None:
    error = ProtocolError("No JSON.")
    error.tries = ("HTTP 503",) * 3

    assert str(error) == "No JSON. It was tried 3 times: HTTP 503."


def test_a_status_goes_by_two_names() -> None:
    error = SpaceStatusError(404, URL)

    assert error.status_code == error.status == 404


def test_a_long_body_is_cut_in_the_sentence_only() -> None:
    error = SpaceStatusError(404, URL, "x" * 1000)

    assert len(str(error)) < 400
    assert error.body == "x" * 1000


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        ("0:09:48", 588.0),
        ("2 days, 1:00:00", 176_400.0),
        ("1" * 400 + ":00:00", None),
        ("1" * 5_000 + ":00:00", None),
        ("1" * 5_000 + " days, 1:00:00", None),
    ],
)
def test_a_quota_tells_the_seconds_of_a_time_that_can_be_waited(
    wait: str, seconds: float | None
) -> None:
    assert QuotaError(f"GPU quota. Try again in {wait}").retry_after == seconds
