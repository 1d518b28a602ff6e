"""Tools: the requests to the Space, and the replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.tools import FunctionTool, ToolMetadata

from llama_index_qwen_space import QwenSpace
from llama_index_qwen_space.messages import to_schema
from llama_index_qwen_space.responses import Piece, chat_response
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from qwen_space.chat_model import reply_reader
from qwen_space.tools import ToolCall
from tests.llama_index.conformance.calls import CHATS, answers, ask
from tests.llama_index.conformance.structured_output import Song
from tests.llama_index.conformance.tools import (
    ADD,
    CALL,
    CALL_MUL,
    MULTIPLY,
    add,
    ask_with_tools,
)
from tests.pieces import cut
from tests.replies import in_turn, tool_call

BROKEN = '<tool_call>\n{"name": "add", "arguments": {"a": 2,\n</tool_call>'

SCHEMAS = [to_schema(ADD), to_schema(MULTIPLY)]


def called(llm: QwenSpace, response: ChatResponse) -> list[tuple[str, dict[str, Any]]]:
    found = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    return [(each.tool_name, each.tool_kwargs) for each in found]


# Requests to the Space


@pytest.mark.parametrize("way", CHATS)
async def test_tools_stand_in_the_system_slot_and_the_question_in_the_prompt(
    space: Any, llm: QwenSpace, way: str
) -> None:
    await ask_with_tools(llm, way, allow_parallel_tool_calls=True)

    prompt, history, system, _ = space.joins[0]["data"]
    assert (prompt, history) == ("What is 2+3?", [])
    assert system.startswith(f"{DEFAULT_SYSTEM_PROMPT}\n\n# Tools\n")
    shown = system.partition("<tools>\n")[2].partition("\n</tools>")[0]
    assert [json.loads(line) for line in shown.splitlines()] == SCHEMAS


@pytest.mark.parametrize("history", ["split", "native"])
@pytest.mark.parametrize("advice", [True, False])
def test_the_advice_on_calls_can_be_left_out(space: Any, history: Any, advice: bool) -> None:
    QwenSpace(space=space.url, history=history, tool_advice=advice).chat_with_tools([ADD], "Hi")

    assert ("reply in words" in space.joins[0]["data"][2]) == advice


@pytest.mark.parametrize("way", CHATS)
@pytest.mark.parametrize("history", [None, [ChatMessage("Rhyme.", role="system")]])
async def test_the_system_prompt_stands_before_the_tools(
    space: Any, way: str, history: Any
) -> None:
    llm = QwenSpace(space=space.url, system_prompt="Be brief.")

    await ask_with_tools(llm, way, chat_history=history)

    system = space.joins[0]["data"][2]
    assert system.startswith(("Rhyme." if history else "Be brief.") + "\n\n# Tools\n")


def test_calls_and_results_of_the_history_are_in_qwens_own_format(
    space: Any, llm: QwenSpace
) -> None:
    blocks = [
        TextBlock(text="I count."),
        ToolCallBlock(tool_call_id="1", tool_name="add", tool_kwargs={"a": 2, "b": 3}),
        ToolCallBlock(tool_call_id="2", tool_name="multiply", tool_kwargs={"a": 4, "b": 5}),
    ]
    history = [
        ChatMessage("What is 2+3, and 4*5?"),
        ChatMessage(blocks, role="assistant"),
        ChatMessage("20", role="tool", additional_kwargs={"tool_call_id": "2"}),
        ChatMessage("5", role="tool", additional_kwargs={"tool_call_id": "1"}),
    ]

    llm.chat_with_tools([ADD, MULTIPLY], chat_history=history, allow_parallel_tool_calls=True)

    assert space.joins[0]["data"][0] == (
        "User: What is 2+3, and 4*5?\n"
        f"Assistant: I count.\n{CALL}\n{CALL_MUL}\n"
        "User: <tool_response>\n5\n</tool_response>\n<tool_response>\n20\n</tool_response>\n\n"
        "Reply in words if this answers the question.\nAssistant:"
    )


def test_a_tool_keeps_its_name_and_its_long_description(space: Any, llm: QwenSpace) -> None:
    tool = FunctionTool.from_defaults(add, name="add two", description="x" * 2000)
    space.engine.reply = [CALL.replace('"add"', '"add two"')]

    response = llm.chat_with_tools([tool], "What is 2+3?")

    assert "x" * 2000 in space.joins[0]["data"][2]
    assert called(llm, response) == [("add two", {"a": 2, "b": 3})]
    assert str(llm.predict_and_call([tool], "What is 2+3?")) == "5"


@pytest.mark.parametrize("tools", [[ADD], [to_schema(ADD)]], ids=["tools", "schemas"])
async def test_a_chat_takes_tools_too(space: Any, llm: QwenSpace, tools: list[Any]) -> None:
    space.engine.reply = [CALL]

    for way in CHATS:
        last = (await ask(llm, way, "What is 2+3?", tools=tools, tool_choice="required"))[-1]
        assert called(llm, last) == [("add", {"a": 2, "b": 3})]


def test_a_tool_without_a_name_is_refused(llm: QwenSpace) -> None:
    tool = FunctionTool(add, metadata=ToolMetadata(description="Adds."))

    with pytest.raises(ValueError, match="name is None"):
        llm.chat_with_tools([tool], "Hi")


@pytest.mark.parametrize("way", CHATS)
async def test_without_tools_a_reply_is_not_looked_through(
    space: Any, llm: QwenSpace, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_reader, "ReplyParser", None)
    space.engine.reply = [CALL]

    [*_, last] = await ask_with_tools(llm, way, tools=[])

    assert last.message.content == CALL
    assert called(llm, last) == []
    assert space.joins[0]["data"][2] == DEFAULT_SYSTEM_PROMPT


# The choice of a tool


@pytest.mark.parametrize(
    ("choice", "shown", "told"),
    [
        pytest.param({}, 2, "", id="auto"),
        pytest.param({"tool_choice": "auto"}, 2, "", id="auto-given"),
        pytest.param({"tool_choice": "none"}, 0, "", id="none"),
        pytest.param({"tool_required": True}, 2, "Answer with a function call", id="required"),
        pytest.param(
            {"tool_choice": "multiply"}, 1, 'a call of the function "multiply"', id="by-name"
        ),
        pytest.param(
            {"tool_choice": {"type": "function", "function": {"name": "multiply"}}},
            1,
            'a call of the function "multiply"',
            id="as-openai-has-it",
        ),
        pytest.param(
            {
                "tool_choice": {"type": "function", "function": {"name": "multiply"}},
                "tool_required": True,
            },
            1,
            'a call of the function "multiply"',
            id="as-openai-has-it-and-required",
        ),
        pytest.param(
            {"tool_choice": "multiply", "tool_required": True},
            1,
            'a call of the function "multiply"',
            id="both",
        ),
    ],
)
def test_the_choice_of_a_tool_reaches_the_space(
    space: Any, llm: QwenSpace, choice: dict[str, Any], shown: int, told: str
) -> None:
    space.engine.reply = [CALL_MUL]

    llm.chat_with_tools([ADD, MULTIPLY], "Hi", allow_parallel_tool_calls=True, **choice)

    prompt, _, system, _ = space.joins[0]["data"]
    assert system.count('{"type": "function"') == shown
    assert (told in prompt) if told else (prompt == "Hi")


@pytest.mark.parametrize("way", CHATS)
async def test_a_choice_that_is_no_tool_is_refused(space: Any, llm: QwenSpace, way: str) -> None:
    with pytest.raises(ValueError, match=r"'divide' is no tool.*add, multiply"):
        await ask_with_tools(llm, way, tool_choice="divide")
    with pytest.raises(ValueError, match=r"'add' is no tool.*none"):
        await ask_with_tools(llm, way, tools=[], tool_choice={"function": {"name": "add"}})

    assert space.joins == []


# The reply

DELTAS = [
    pytest.param(
        f"I add.\n{CALL}", "I add.", [("add", {"a": 2, "b": 3})], id="text-before-the-call"
    ),
    pytest.param(
        f"{CALL}\n{CALL_MUL}",
        "",
        [("add", {"a": 2, "b": 3}), ("multiply", {"a": 4, "b": 5})],
        id="two-calls",
    ),
    pytest.param("a < b and <tool>", "a < b and <tool>", [], id="signs-that-are-no-tags"),
    pytest.param(
        json.dumps({"name": "add", "arguments": {"a": 1, "b": 2}}),
        "",
        [("add", {"a": 1, "b": 2})],
        id="without-tags",
    ),
]


@pytest.mark.parametrize("way", ["achat", "stream_chat", "astream_chat"])
@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(("reply", "text", "calls"), DELTAS)
async def test_calls_are_no_text_whatever_the_pieces_borders(
    space: Any, llm: QwenSpace, way: str, size: int, reply: str, text: str, calls: list[Any]
) -> None:
    space.engine.reply = cut(reply, size)

    chunks = await ask_with_tools(llm, way, allow_parallel_tool_calls=True)

    assert chunks[-1].message.content == text
    assert called(llm, chunks[-1]) == calls
    assert len(space.joins) == 1
    if "stream" in way:
        assert "".join(chunk.delta or "" for chunk in chunks) == text
        seen = [called(llm, chunk) for chunk in chunks]
        assert all(each == calls[: len(each)] for each in seen)
        ids = [block.tool_call_id for chunk in chunks for block in blocks_of(chunk)]
        assert len(set(ids)) == len(calls)


def blocks_of(response: ChatResponse) -> list[ToolCallBlock]:
    return [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]


@pytest.mark.parametrize("way", CHATS)
async def test_a_call_stands_in_both_forms_of_the_message(
    space: Any, llm: QwenSpace, way: str
) -> None:
    space.engine.reply = [CALL]

    last = (await ask_with_tools(llm, way))[-1]

    [block] = blocks_of(last)
    [older] = last.message.additional_kwargs["tool_calls"]
    assert older["id"] == block.tool_call_id
    assert older["function"]["name"] == block.tool_name == "add"
    assert json.loads(older["function"]["arguments"]) == block.tool_kwargs == {"a": 2, "b": 3}
    assert json.loads(last.model_dump_json())["message"]["additional_kwargs"]


@pytest.mark.parametrize("way", CHATS)
async def test_only_the_first_call_counts_where_one_is_allowed(
    space: Any, llm: QwenSpace, way: str
) -> None:
    space.engine.reply = [CALL, "\n", CALL_MUL]

    last = (await ask_with_tools(llm, way, allow_parallel_tool_calls=False))[-1]

    assert called(llm, last) == [("add", {"a": 2, "b": 3})]
    assert "Call one function at most." in space.joins[0]["data"][0]


async def test_cancelling_within_a_tool_call_stops_the_job(
    space: Any, llm: QwenSpace, held: Callable[[int], Any]
) -> None:
    space.engine.reply = ["I add.", *cut(CALL)]
    held(4)
    stream = await llm.astream_chat_with_tools([ADD], "What is 2+3?")
    assert (await anext(stream)).delta == "I add."
    waiting = asyncio.ensure_future(anext(stream))  # within the call, which is not shown
    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.running == 1)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await stream.aclose()

    space.engine.wait_until(lambda engine: engine.cancelled == 1)


CALL_OF_ANOTHER_LLM = {"id": "7", "function": {"name": "add", "arguments": '{"a": 2, "b": 3}'}}


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        pytest.param({"tool_kwargs": '{"a": 2, "b": 3}'}, {"a": 2, "b": 3}, id="json"),
        pytest.param({"tool_kwargs": '{"a": 2, "b'}, {"a": 2}, id="json-that-has-just-begun"),
        pytest.param({"tool_kwargs": ""}, {}, id="nothing-yet"),
        pytest.param({"tool_kwargs": "[2, 3]"}, {}, id="no-object"),
        pytest.param({"tool_calls": [CALL_OF_ANOTHER_LLM]}, {"a": 2, "b": 3}, id="no-block"),
    ],
)
def test_the_calls_of_another_llm_s_message_are_found_too(
    llm: QwenSpace, message: dict[str, Any], arguments: dict[str, Any]
) -> None:
    if "tool_kwargs" in message:
        blocks = [ToolCallBlock(tool_call_id="7", tool_name="add", **message)]
        response = ChatResponse(message=ChatMessage(blocks, role="assistant"))
    else:
        response = ChatResponse(message=ChatMessage(role="assistant", additional_kwargs=message))

    [found] = llm.get_tool_calls_from_response(response)

    assert (found.tool_id, found.tool_name, found.tool_kwargs) == ("7", "add", arguments)


# Asking once more


@pytest.mark.parametrize("way", CHATS)
async def test_a_missing_required_call_is_retried_once(space: Any, books: Any, way: str) -> None:
    space.engine.reply = in_turn("It is 5.", CALL)
    llm = books.keep(QwenSpace(space=space.url))

    chunks = await ask_with_tools(llm, way, tool_required=True)

    assert called(llm, chunks[-1]) == [("add", {"a": 2, "b": 3})]
    assert chunks[-1].message.content == ""
    assert "".join(chunk.delta or "" for chunk in chunks) == ""
    first, second = [join["data"] for join in space.joins]
    assert second[2] == first[2]
    assert second[0].startswith(f"User: {first[0]}\nAssistant: It is 5.\nUser: Your answer has no ")
    assert books.limiter.count == 2
    assert len(books.named("EndEvent")) == len(books.tokens.llm_token_counts) == 1
    assert chunks[-1].raw["usage"]["prompt_tokens"] > len(first[2]) // 5 * 2


@pytest.mark.parametrize("way", CHATS)
async def test_no_call_is_invented_where_the_model_makes_none(
    space: Any, llm: QwenSpace, way: str
) -> None:
    space.engine.reply = in_turn("It is 5.", "I said: 5.")

    last = (await ask_with_tools(llm, way, tool_required=True))[-1]

    assert last.message.content == "I said: 5."
    assert called(llm, last) == []
    with pytest.raises(ValueError, match=r"called no tool; it said 'I said: 5\.'"):
        llm.get_tool_calls_from_response(last)
    assert len(space.joins) == 2


@pytest.mark.parametrize("way", CHATS)
async def test_a_missing_call_of_the_chosen_tool_is_retried_once(
    space: Any, llm: QwenSpace, way: str
) -> None:
    space.engine.reply = in_turn(CALL, "No.")

    last = (await ask_with_tools(llm, way, tool_choice="multiply"))[-1]

    assert called(llm, last) == []
    assert last.message.content == "No."
    assert len(space.joins) == 2


@pytest.mark.parametrize("way", CHATS)
async def test_a_broken_call_is_retried_once(space: Any, llm: QwenSpace, way: str) -> None:
    space.engine.reply = in_turn(f"I add.\n{BROKEN}", f"Again:\n{CALL}")

    chunks = await ask_with_tools(llm, way)

    assert called(llm, chunks[-1]) == [("add", {"a": 2, "b": 3})]
    assert chunks[-1].message.content == "I add.\nAgain:"
    if "stream" in way:
        assert "".join(chunk.delta or "" for chunk in chunks) == "I add.\nAgain:"
    assert "Your function call is not valid: " in space.joins[1]["data"][0]
    assert BROKEN in space.joins[1]["data"][0]


@pytest.mark.parametrize("way", CHATS)
async def test_a_call_that_stays_broken_is_told_in_a_sentence(
    space: Any, llm: QwenSpace, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    space.engine.reply = in_turn(BROKEN, BROKEN)

    chunks = await ask_with_tools(llm, way)

    assert called(llm, chunks[-1]) == []
    assert "tool_calls" not in chunks[-1].message.additional_kwargs
    said = chunks[-1].message.content
    assert said is not None
    assert said.startswith("The model's function call is not valid: ")
    assert "<tool_call>" not in said
    assert said in caplog.text
    if "stream" in way:
        assert "".join(chunk.delta or "" for chunk in chunks) == said
    assert len(space.joins) == 2


def test_a_message_has_its_thoughts_first_and_its_calls_last() -> None:
    call = ToolCall("add", {"a": 2, "b": 3}, "id", 0, '{"a": 2, "b": 3}')

    message = chat_response(Piece("a", "", None, "hm", calls=(call,))).message

    assert [type(block) for block in message.blocks] == [ThinkingBlock, TextBlock, ToolCallBlock]
    assert message.content == "a"


# LlamaIndex's own programs


def program(llm: QwenSpace) -> FunctionCallingProgram[Song]:
    return FunctionCallingProgram.from_defaults(Song, "Name a song of {whom}.", llm=llm)


@pytest.mark.parametrize("way", CHATS)
async def test_a_function_calling_program_makes_an_object(
    space: Any, llm: QwenSpace, way: str
) -> None:
    space.engine.reply = cut(tool_call("Song", name="Help!", year=1965))

    assert (await run(program(llm), way))[-1] == Song(name="Help!", year=1965)
    assert "Name a song of Queen." in space.joins[0]["data"][0]


# LlamaIndex's streams of this kind do not ask for a call, and give blank objects without one.
@pytest.mark.parametrize("way", ["chat", "achat"])
async def test_a_function_calling_program_fails_where_no_call_comes(
    space: Any, llm: QwenSpace, way: str
) -> None:
    space.engine.reply = ["I like Queen."]

    with pytest.raises(ValueError, match="I like Queen"):
        await run(program(llm), way)


async def run(program: Any, way: str) -> list[Any]:
    calls = {
        "chat": program,
        "achat": program.acall,
        "stream_chat": program.stream_call,
        "astream_chat": program.astream_call,
    }
    return await answers(calls[way](whom="Queen"))
