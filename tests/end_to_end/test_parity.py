"""The same replies give the same outcome through each adapter, in each way of calling it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import message_chunk_to_message
from llama_index.core.base.llms.types import ChatMessage
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from tests.api_server import aserving
from tests.core.chat_model.scripted_session import ScriptedSession, reply_events
from tests.replies import tool_call

TOOLS = [
    {"type": "function", "function": {"name": name, "description": "A tool.", "parameters": {}}}
    for name in ("add", "sub")
]
ADD = tool_call("add", a=1)
SUB = tool_call("sub", a=2)
BROKEN = "<tool_call>\nadd(1)\n</tool_call>"
CUT_OFF = '<tool_call>\n{"name": "add", "arguments": {"a": '

WAYS = ["sync", "async", "stream", "astream"]


@dataclass
class Outcome:
    """The outcome of a call for its caller."""

    text: str
    calls: list[tuple[str, dict[str, Any]]]
    asked: int
    finish_reason: str
    tokens: int


@dataclass
class Asked:
    """A call: the tools' choice, whether several calls may come, and whether to ask again."""

    choice: str = "auto"
    parallel: bool = True
    reask: bool = True


async def through_langchain(session: ScriptedSession, asked: Asked, way: str) -> Outcome:
    model = ChatQwenSpace(space="http://127.0.0.1:1")
    object.__setattr__(model, "_open_space", lambda: session)
    bound: Any = model.bind_tools(
        TOOLS, tool_choice=asked.choice, parallel_tool_calls=asked.parallel, reask=asked.reask
    )
    match way:
        case "sync":
            message = await asyncio.to_thread(bound.invoke, "Hi")
        case "async":
            message = await bound.ainvoke("Hi")
        case "stream":
            message = folded(await asyncio.to_thread(lambda: list(bound.stream("Hi"))))
        case _:
            message = folded([chunk async for chunk in bound.astream("Hi")])
    return Outcome(
        message.text,
        [(call["name"], call["args"]) for call in message.tool_calls],
        len(session.chats),
        message.response_metadata["finish_reason"],
        message.usage_metadata["total_tokens"],
    )


def folded(chunks: list[Any]) -> Any:
    return message_chunk_to_message(chunks[0] + chunks[1:])


async def through_llama_index(session: ScriptedSession, asked: Asked, way: str) -> Outcome:
    llm = QwenSpace(space="http://127.0.0.1:1")
    object.__setattr__(llm, "_open_space", lambda: session)
    given: dict[str, Any] = {
        "messages": [ChatMessage("Hi")],
        "tools": TOOLS,
        "tool_choice": asked.choice,
        "allow_parallel_tool_calls": asked.parallel,
        "reask": asked.reask,
    }
    match way:
        case "sync":
            chunks = [await asyncio.to_thread(lambda: llm.chat(**given))]
        case "async":
            chunks = [await llm.achat(**given)]
        case "stream":
            chunks = await asyncio.to_thread(lambda: list(llm.stream_chat(**given)))
        case _:
            chunks = [chunk async for chunk in await llm.astream_chat(**given)]
    last = chunks[-1]
    if "stream" in way:
        assert "".join(chunk.delta or "" for chunk in chunks) == last.message.content
    calls = llm.get_tool_calls_from_response(last, error_on_no_tool_call=False)
    raw: Any = last.raw
    return Outcome(
        last.message.content or "",
        [(call.tool_name, call.tool_kwargs) for call in calls],
        len(session.chats),
        raw["finish_reason"],
        raw["usage"]["total_tokens"],
    )


async def through_api(session: ScriptedSession, asked: Asked, way: str) -> Outcome:
    """Ask by OpenAI's interface, which knows no blocking way, and asks once more on its own."""
    choice: Any = asked.choice
    if choice not in {"auto", "any"}:
        choice = {"type": "function", "function": {"name": choice}}
    given: Any = {
        "model": "qwen-2.5",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": TOOLS,
        "tool_choice": "required" if choice == "any" else choice,
        "parallel_tool_calls": asked.parallel,
        "extra_body": {"reask": asked.reask},
    }
    async with (
        aserving(session) as url,
        DefaultAsyncHttpxClient(verify=False) as http,  # else it reads the certificates each time
        AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0, http_client=http) as client,
    ):
        if "stream" in way:
            usage = {"stream_options": {"include_usage": True}}
            chunks = await client.chat.completions.create(**given, **usage, stream=True)
            text, calls, facts = added_up([chunk async for chunk in chunks])
        else:
            facts = await client.chat.completions.create(**given)
            text = facts.choices[0].message.content or ""
            calls = [each.function for each in facts.choices[0].message.tool_calls or ()]
    return Outcome(
        text,
        [(each.name, json.loads(each.arguments)) for each in calls],
        len(session.chats),
        facts.choices[0].finish_reason,
        facts.usage.total_tokens,
    )


def added_up(chunks: list[Any]) -> tuple[str, list[Any], Any]:
    """Return the text and the calls of a stream, and its last two chunks as one."""
    *others, last, usage = chunks
    deltas = [each.choices[0].delta for each in others]
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    assert [call.index for call in calls] == list(range(len(calls)))
    last.usage = usage.usage
    return (
        "".join(delta.content or "" for delta in deltas),
        [call.function for call in calls],
        last,
    )


ADAPTERS = {
    "langchain": through_langchain,
    "llama-index": through_llama_index,
    "api": through_api,
}

ADDED = [("add", {"a": 1})]
BOTH = [*ADDED, ("sub", {"a": 2})]

# The call, its replies, then the text, the calls, how often the model is asked, the finish reason,
# and a part of the warning.
TABLE = [
    pytest.param(Asked(), ["Hello."], "Hello.", [], 1, "stop", "", id="text"),
    pytest.param(Asked(), [f"So:\n{ADD}"], "So:", ADDED, 1, "tool_calls", "", id="call"),
    pytest.param(Asked(), [f"{ADD}\n{SUB}"], "", BOTH, 1, "tool_calls", "", id="calls"),
    pytest.param(
        Asked(parallel=False), [f"{ADD}\n{SUB}"], "", ADDED, 1, "tool_calls", "", id="one-at-most"
    ),
    pytest.param(Asked(), [BROKEN, ADD], "", ADDED, 2, "tool_calls", "", id="broken"),
    pytest.param(Asked(), [CUT_OFF, ADD], "", ADDED, 2, "tool_calls", "", id="cut-off"),
    pytest.param(
        Asked(),
        [f"So:\n{BROKEN}", ADD],
        "So:\n",
        ADDED,
        2,
        "tool_calls",
        "",
        id="broken-then-call",
    ),
    pytest.param(Asked(), [BROKEN, BROKEN], "", [], 2, "error", "not valid", id="broken-twice"),
    pytest.param(
        Asked(reask=False), [BROKEN], "", [], 1, "error", "not valid", id="broken-and-not-asked"
    ),
    pytest.param(
        Asked(), [f"{BROKEN}{ADD}"], "", ADDED, 1, "error", "not valid", id="one-of-two-is-broken"
    ),
    pytest.param(Asked(), ["", "Hello."], "Hello.", [], 2, "stop", "", id="empty"),
    pytest.param(Asked(), ["", ""], "", [], 2, "stop", "empty answer", id="empty-twice"),
    pytest.param(Asked("any"), ["No.", ADD], "", ADDED, 2, "tool_calls", "", id="any"),
    pytest.param(
        Asked("any"), ["No.", "No!"], "No!", [], 2, "stop", "has to come", id="any-and-none"
    ),
    pytest.param(Asked("sub"), [ADD, SUB], "", BOTH[1:], 2, "tool_calls", "", id="another-tool"),
]


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("asked", "replies", "text", "calls", "times", "finish_reason", "warning"), TABLE
)
async def test_each_adapter_gives_the_same_outcome(
    adapter: str,
    way: str,
    asked: Asked,
    replies: list[str],
    text: str,
    calls: list[Any],
    times: int,
    finish_reason: str,
    warning: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = ScriptedSession([reply_events(reply, size=3) for reply in replies])

    outcome = await ADAPTERS[adapter](session, asked, way)

    if warning:
        assert warning in caplog.text
        if adapter != "langchain" and not (calls or text):  # where it takes the place of an answer
            assert warning in outcome.text
            outcome.text = text
    else:
        assert caplog.text == ""
    if adapter == "api" and finish_reason == "error":  # a reason that OpenAI's interface lacks
        finish_reason = "tool_calls" if calls else "stop"
    assert (outcome.text, outcome.calls) == (text, calls)
    assert (outcome.asked, outcome.finish_reason) == (times, finish_reason)
    assert outcome.tokens > 0
    assert session.open == 0


async def test_all_adapters_count_the_same_tokens() -> None:
    replies = [reply_events("No."), reply_events(ADD)]
    counts = {
        (await ADAPTERS[adapter](ScriptedSession(replies), Asked("any"), way)).tokens
        for way in WAYS
        for adapter in ADAPTERS
    }

    assert len(counts) == 1


@pytest.mark.parametrize("ask", ["langchain", "llama-index"])
def test_each_adapter_names_a_keyword_that_it_does_not_know(
    ask: str, caplog: pytest.LogCaptureFixture
) -> None:
    session = ScriptedSession([reply_events("Hello.")])
    model: Any = ChatQwenSpace() if ask == "langchain" else QwenSpace()
    object.__setattr__(model, "_open_space", lambda: session)

    if ask == "langchain":
        model.invoke("Hi", beam_width=3)
    else:
        model.complete("Hi", beam_width=3)

    assert "ignores beam_width: a Space has no use for it" in caplog.text
