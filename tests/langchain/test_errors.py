"""Our errors are LangChain's typed errors too."""

from __future__ import annotations

import inspect
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core import exceptions as langchain

from langchain_qwen_space import ChatQwenSpace, errors
from qwen_space import errors as core

if TYPE_CHECKING:
    from conftest import ScriptedSpace

KINDS = [
    pytest.param(
        core.AuthenticationError("u", "private"), langchain.ModelAuthenticationError, False
    ),
    pytest.param(core.EndpointError("none fits"), langchain.ModelNotFoundError, False),
    pytest.param(core.JobError("broke"), langchain.ModelAPIError, True),
    pytest.param(core.ProtocolError("no JSON"), langchain.ModelError, False),
    pytest.param(core.QueueFullError("full"), langchain.ModelRateLimitError, True),
    pytest.param(core.QuotaError("429"), langchain.ModelRateLimitError, True),
    pytest.param(core.SpaceStatusError(500, "u"), langchain.ModelError, True),
    pytest.param(core.SpaceStatusError(422, "u"), langchain.ModelError, False),
    pytest.param(core.SpaceTimeoutError("silence", 3), langchain.ModelTimeoutError, True),
    pytest.param(core.SpaceUnavailableError("u", "asleep"), langchain.ModelAPIError, True),
    pytest.param(core.SpaceUnreachableError("u", "refused"), langchain.ModelConnectionError, True),
    pytest.param(core.StreamInterruptedError("text", "cut"), langchain.ModelConnectionError, True),
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
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(error)


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

    assert caught.value.text == "one "
