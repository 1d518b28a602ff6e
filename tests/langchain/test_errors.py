"""Our errors are LangChain's typed errors too."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core import exceptions as langchain

from langchain_qwen_space import ChatQwenSpace, errors
from qwen_space import errors as core
from tests.replies import in_turn

if TYPE_CHECKING:
    from conftest import ScriptedSpace

KINDS = [
    pytest.param(
        core.AuthenticationError("u", "private"), langchain.ModelAuthenticationError, False
    ),
    pytest.param(
        core.ContextOverflowError(9, 8, "m", exact=True), langchain.ContextOverflowError, False
    ),
    pytest.param(core.EndpointError("none fits"), langchain.ModelNotFoundError, False),
    pytest.param(core.JobError("broke"), langchain.ModelAPIError, True),
    pytest.param(core.ModelNotOfferedError("99B"), langchain.ModelNotFoundError, False),
    pytest.param(
        core.NoSpaceAnsweredError([("u", core.EndpointError("none")), ("v", core.JobError("no"))]),
        langchain.ModelAPIError,
        True,
    ),
    pytest.param(
        core.NoSpaceAnsweredError([("u", core.EndpointError("none fits"))]),
        langchain.ModelAPIError,
        False,
    ),
    pytest.param(core.PromptTooLongError("too long"), langchain.ContextOverflowError, False),
    pytest.param(core.ProtocolError("no JSON"), langchain.ModelError, False),
    pytest.param(core.QueueFullError("full"), langchain.ModelRateLimitError, True),
    pytest.param(core.QuotaError("429"), langchain.ModelRateLimitError, True),
    pytest.param(core.SpaceStatusError(500, "u"), langchain.ModelAPIError, True),
    pytest.param(core.SpaceStatusError(422, "u"), langchain.ModelInvalidRequestError, False),
    pytest.param(core.SpaceStatusError(404, "u"), langchain.ModelNotFoundError, False),
    pytest.param(core.SpaceStatusError(307, "u", "", "v"), langchain.ModelError, False),
    pytest.param(core.SpaceTimeoutError("silence", 3), langchain.ModelTimeoutError, True),
    pytest.param(core.SpaceUnavailableError("u", "asleep"), langchain.ModelAPIError, True),
    pytest.param(core.SpaceUnreachableError("u", "refused"), langchain.ModelConnectionError, True),
    pytest.param(
        core.SpaceUnreachableError("u", "its certificate is not valid", retryable=False),
        langchain.ModelConnectionError,
        False,
    ),
    pytest.param(core.StreamInterruptedError("text", "cut"), langchain.ModelConnectionError, True),
    pytest.param(core.UploadError("a.png", "too large"), langchain.ModelInvalidRequestError, False),
]


@pytest.mark.parametrize(("error", "kind", "retryable"), KINDS)
def test_an_error_is_both_ours_and_langchains(
    error: core.QwenSpaceError, kind: type[langchain.ModelError], retryable: bool
) -> None:
    error.text = "text so far"

    with pytest.raises(kind) as caught, errors.typed():
        raise error

    assert isinstance(caught.value, type(error))
    assert caught.value.is_retryable is retryable
    assert (str(caught.value), caught.value.text) == (str(error), "text so far")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.is_retryable) == (str(error), retryable)


def test_each_error_of_the_module_is_among_these() -> None:
    raised = set()
    for case in KINDS:
        with pytest.raises(core.QwenSpaceError) as caught, errors.typed():
            raise case.values[0]
        raised.add(caught.type)

    assert raised == {getattr(errors, name) for name in errors.__all__ if name != "typed"}


def test_each_error_that_the_core_raises_has_a_kind() -> None:
    bases = {core.QwenSpaceError, core.TransportError, core.SpaceError}
    raised = {
        kind
        for _, kind in inspect.getmembers(core, inspect.isclass)
        if issubclass(kind, core.QwenSpaceError) and kind not in bases
    }

    assert set(errors._TYPED) == raised


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
async def test_each_way_of_calling_raises_langchains_kind(space: ScriptedSpace, way: str) -> None:
    space.engine.reply = ["one ", ValueError("the app broke")]
    model = ChatQwenSpace(space=space.url)

    async def call() -> Any:
        match way:
            case "invoke":
                return model.invoke("Hi")
            case "ainvoke":
                return await model.ainvoke("Hi")
            case "stream":
                return list(model.stream("Hi"))
            case _:
                return [chunk async for chunk in model.astream("Hi")]

    with pytest.raises(langchain.ModelAPIError, match="the app broke") as caught:
        await call()

    assert isinstance(caught.value, core.JobError)
    assert caught.value.text == "one "


def test_langchains_kinds_are_all_used() -> None:
    kinds = {
        kind
        for _, kind in inspect.getmembers(langchain, inspect.isclass)
        if issubclass(kind, langchain.ModelError) and kind is not langchain.ModelError
    }
    ours = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}

    used = {kind for kind in kinds if any(issubclass(each, kind) for each in ours - kinds)}

    # Hugging Face's front answers a missing token and a foreign one with 401 and 403 alike. A Space
    # has no refusals but in words (langchain-core 1.7.5).
    unused = {kind.__name__ for kind in kinds - used}
    assert unused - {"ModelRefusalError"} == {"ModelPermissionDeniedError"}


# LangChain's reactions


FAILURE = [ValueError("the app broke")]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_with_retry_tries_a_failed_job_again(space: ScriptedSpace, way: str) -> None:
    space.engine.reply = in_turn(FAILURE, FAILURE, "Hello.")
    model = ChatQwenSpace(space=space.url).with_retry(
        retry_if_exception_type=(langchain.ModelAPIError,), wait_exponential_jitter=False
    )

    if way == "invoke":
        answer = await asyncio.to_thread(model.invoke, "Hi")
    else:
        answer = await model.ainvoke("Hi")

    assert answer.text == "Hello."
    assert len(space.joins) == 3


def test_with_retry_leaves_errors_of_another_kind(space: ScriptedSpace) -> None:
    space.engine.reply = in_turn(FAILURE, FAILURE, "Hello.")
    model = ChatQwenSpace(space=space.url).with_retry(
        retry_if_exception_type=(langchain.ModelRateLimitError,)
    )

    with pytest.raises(langchain.ModelAPIError):
        model.invoke("Hi")

    assert len(space.joins) == 1


@pytest.mark.parametrize(
    ("arguments", "handled"),
    [
        pytest.param({"space": "http://127.0.0.1:9", "max_retries": 0}, True, id="unreachable"),
        pytest.param({"endpoint": "nope"}, False, id="endpoint"),
    ],
)
def test_with_fallbacks_handles_the_kinds_that_it_is_given(
    space: ScriptedSpace, arguments: dict[str, Any], handled: bool
) -> None:
    first = ChatQwenSpace(**{"space": space.url, **arguments})
    model = first.with_fallbacks(
        [ChatQwenSpace(space=space.url)],
        exceptions_to_handle=(langchain.ModelConnectionError,),
    )

    if handled:
        assert model.invoke("Hi").text == "Hello there."
        assert "".join(chunk.text for chunk in model.stream("Hi")) == "Hello there."
    else:
        with pytest.raises(langchain.ModelNotFoundError):
            model.invoke("Hi")


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_the_retry_middleware_tries_a_failed_job_again(
    space: ScriptedSpace, way: str
) -> None:
    space.engine.reply = in_turn(FAILURE, FAILURE, "Hello.")
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0, on_failure="error")
    agent: Any = create_agent(ChatQwenSpace(space=space.url), middleware=[retry])
    question = {"messages": [("human", "Hi")]}

    if way == "invoke":
        state = await asyncio.to_thread(agent.invoke, question)
    else:
        state = await agent.ainvoke(question)

    assert state["messages"][-1].text == "Hello."
    assert len(space.joins) == 3


def test_the_retry_middleware_leaves_permanent_errors(space: ScriptedSpace) -> None:
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0)
    model = ChatQwenSpace(space=space.url, endpoint="nope")
    agent: Any = create_agent(model, middleware=[retry])

    with pytest.raises(langchain.ModelNotFoundError):
        agent.invoke({"messages": [("human", "Hi")]})

    assert space.paths.count("/config") == 1
