"""Tools."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.tools import FunctionTool

from tests.llama_index.conformance.base import Conformance, Server
from tests.llama_index.conformance.calls import CHATS, answers, text_of
from tests.replies import tool_call

CALL = tool_call("add", a=2, b=3)
CALL_MUL = tool_call("multiply", a=4, b=5)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


ADD = FunctionTool.from_defaults(add)
MULTIPLY = FunctionTool.from_defaults(multiply)


async def ask_with_tools(llm: Any, endpoint: str, **kwargs: Any) -> list[Any]:
    given = {"tools": [ADD, MULTIPLY], "user_msg": "What is 2+3?", **kwargs}
    return await answers(getattr(llm, f"{endpoint}_with_tools")(**given))


class Tools(Conformance):
    @pytest.mark.parametrize("endpoint", CHATS)
    async def test_a_tool_call_is_found(self, llm: Any, server: Server, endpoint: str) -> None:
        server.reply = ["I add.", CALL]

        responses = await ask_with_tools(llm, endpoint)

        [call] = llm.get_tool_calls_from_response(responses[-1])
        assert (call.tool_name, call.tool_kwargs) == ("add", {"a": 2, "b": 3})
        assert text_of(responses[-1]) == "I add."
        assert "tool_call>" not in "".join(each.delta or "" for each in responses)

    @pytest.mark.parametrize("endpoint", CHATS)
    async def test_a_tool_call_is_a_block_of_the_message(
        self, llm: Any, server: Server, endpoint: str
    ) -> None:
        server.reply = [CALL]

        last = (await ask_with_tools(llm, endpoint))[-1]

        calls = [block for block in last.message.blocks if isinstance(block, ToolCallBlock)]
        assert [call.tool_name for call in calls] == ["add"]

    @pytest.mark.parametrize("endpoint", ["stream_chat", "astream_chat"])
    async def test_every_chunk_may_be_asked_for_its_tool_calls(
        self, llm: Any, server: Server, endpoint: str
    ) -> None:
        server.reply = ["I", " add.", CALL]

        for chunk in await ask_with_tools(llm, endpoint):
            calls = llm.get_tool_calls_from_response(chunk, error_on_no_tool_call=False)
            assert {call.tool_name for call in calls} <= {"add"}

    @pytest.mark.parametrize("endpoint", CHATS)
    async def test_parallel_calls_are_all_found_if_allowed(
        self, llm: Any, server: Server, endpoint: str
    ) -> None:
        server.reply = [CALL, "\n", CALL_MUL]

        several = await ask_with_tools(llm, endpoint, allow_parallel_tool_calls=True)

        found = llm.get_tool_calls_from_response(several[-1])
        assert [call.tool_name for call in found] == ["add", "multiply"]
        assert len({call.tool_id for call in found}) == 2

    @pytest.mark.parametrize("endpoint", ["chat", "achat"])
    async def test_one_call_is_found_where_only_one_is_allowed(
        self, llm: Any, server: Server, endpoint: str
    ) -> None:
        server.reply = [CALL, "\n", CALL_MUL]

        [response] = await ask_with_tools(llm, endpoint, allow_parallel_tool_calls=False)

        found = llm.get_tool_calls_from_response(response)
        assert [call.tool_name for call in found] == ["add"]

    @pytest.mark.parametrize("endpoint", CHATS)
    async def test_no_tool_call_is_an_error_if_wanted(self, llm: Any, endpoint: str) -> None:
        last = (await ask_with_tools(llm, endpoint))[-1]

        assert llm.get_tool_calls_from_response(last, error_on_no_tool_call=False) == []
        with pytest.raises(ValueError, match="tool"):
            llm.get_tool_calls_from_response(last, error_on_no_tool_call=True)

    @pytest.mark.parametrize("endpoint", CHATS)
    async def test_the_callers_history_stays_as_it_is(self, llm: Any, endpoint: str) -> None:
        history = [ChatMessage("Hi"), ChatMessage("Yes?", role="assistant")]

        await ask_with_tools(llm, endpoint, chat_history=history)

        assert [message.content for message in history] == ["Hi", "Yes?"]

    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_predict_and_call_calls(
        self, llm: Any, server: Server, asynchronous: bool
    ) -> None:
        server.reply = [CALL]

        if asynchronous:
            response = await llm.apredict_and_call([ADD], user_msg="What is 2+3?")
        else:
            response = llm.predict_and_call([ADD], user_msg="What is 2+3?")

        assert str(response) == "5"
