"""ChatQwenSpace against the local Space: every way to call it gives the same text."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField

from langchain_qwen_space import ChatQwenSpace
from qwen_space import (
    Completed,
    ModelNotOfferedError,
    Rewritten,
    TextDelta,
)
from tests.langchain.events import model_of
from tests.langchain.ways import every_way, fold

if TYPE_CHECKING:
    from conftest import ScriptedSpace

PIECES = [
    pytest.param(["Hello", " ", "there", "."], id="words"),
    pytest.param(["a", "a", "a"], id="repeated"),
    pytest.param(["[1]", "[1]", '["append", [0], "x"]'], id="look-like-edits"),
    pytest.param(["你好", ", ", "世界", "🙂👩‍👩‍👧"], id="chinese-and-emoji"),
    pytest.param(["a\u2028b", "\u2029", "\x85c"], id="line-separators"),
    pytest.param(["", "a", "", "b", ""], id="empty-pieces"),
    pytest.param(["one\n", "\n", "two"], id="newlines"),
    pytest.param([f"{number} " for number in range(100)] + ["."], id="many"),
]


# Text


@pytest.mark.parametrize("pieces", PIECES)
async def test_invoke_and_the_folded_streams_agree_to_the_letter(
    space: ScriptedSpace, model: ChatQwenSpace, pieces: list[str]
) -> None:
    space.engine.reply = pieces

    whole = await every_way(model, "Hi")

    assert [message.content for message in whole] == ["".join(pieces)] * 4
    for message in whole:
        assert message.response_metadata["finish_reason"] == "stop"
        assert message.response_metadata["model_name"] == "Qwen2.5-72B-Instruct"
        assert message.response_metadata["model_provider"] == "qwen-space"


async def test_each_piece_is_a_chunk_and_the_last_chunk_says_that_it_is(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = ["one ", "two ", "two ", "three"]
    space.engine.delay = 0.02

    chunks = [chunk async for chunk in model.astream("Hi")]

    assert [chunk.content for chunk in chunks] == ["one ", "two ", "two ", "three", ""]
    assert [chunk.chunk_position for chunk in chunks] == [None] * 4 + ["last"]
    assert [bool(chunk.response_metadata) for chunk in chunks] == [False] * 4 + [True]


def test_a_chunk_is_there_before_the_next_piece_is_made(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.gate = gate = threading.Semaphore(1)
    space.engine.reply = ["one", "two"]
    stream = model.stream("Hi")

    first = next(stream)
    gate.release()
    rest = "".join(chunk.text for chunk in stream)

    assert (first.text, rest) == ("one", "two")


async def test_an_empty_reply_is_an_empty_message(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    space.engine.reply = []

    chunks = [chunk async for chunk in model.astream("Hi")]

    assert (await model.ainvoke("Hi")).content == ""
    assert [chunk.content for chunk in chunks] == [""]


async def test_the_metadata_hold_the_final_text_where_the_app_changes_the_indentation(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    # Gradio takes the common indentation away until a line without one comes.
    space.engine.reply = ["List:\n", "   - a", "\n   - b", "\nend"]
    space.engine.delay = 0.02

    streamed = fold([chunk async for chunk in model.astream("Hi")])
    invoked = await model.ainvoke("Hi")

    assert invoked.content == "List:\n   - a\n   - b\nend"
    assert "".join(streamed.content.split()) == "".join(invoked.content.split())
    assert streamed.response_metadata["final_text"] == invoked.content


def test_a_placeholder_that_the_app_replaces_leaves_no_text_out() -> None:
    events = [
        TextDelta("Thinking..."),
        Rewritten("Hel", "Hel"),
        TextDelta("lo"),
        Completed("Hello", 1.0),
    ]

    folded = fold(list(model_of(events).stream("Hi")))

    assert folded.content == "Thinking...Hello"
    assert folded.response_metadata["final_text"] == "Hello"


# Requests to the Space


def test_messages_reach_the_space_as_system_prompt_and_prompt(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    model.invoke(
        [
            SystemMessage("Be brief."),
            HumanMessage("Hi"),
            AIMessage("Hello", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "1"}]),
            ToolMessage("2", tool_call_id="1"),
            ChatMessage("And?", role="critic"),
            SystemMessage([{"type": "text", "text": "Be kind."}]),
        ]
    )

    prompt, history, system, size = space.joins[0]["data"]
    assert system == "Be brief.\nBe kind."
    assert prompt == (
        'User: Hi\nAssistant: Hello\n<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n'
        "</tool_call>\nUser: <tool_response>\n2\n</tool_response>\nCritic: And?\nAssistant:"
    )
    assert (history, size) == ([], "72B")


@pytest.mark.parametrize(
    ("arguments", "kwargs", "messages", "data"),
    [
        pytest.param({}, {}, "Hi", ["Hi", [], "DEFAULT", "72B"], id="defaults"),
        pytest.param({"model": "7B"}, {}, "Hi", ["Hi", [], "DEFAULT", "7B"], id="size"),
        pytest.param(
            {"model": "Qwen2.5-14B-Instruct"}, {}, "Hi", ["Hi", [], "DEFAULT", "14B"], id="name"
        ),
        pytest.param({}, {"model": "3B"}, "Hi", ["Hi", [], "DEFAULT", "3B"], id="of-the-call"),
        pytest.param({"system_prompt": "S"}, {}, "Hi", ["Hi", [], "S", "72B"], id="system-prompt"),
        pytest.param(
            {"system_prompt": "S"},
            {},
            [("system", "T"), ("human", "Hi")],
            ["Hi", [], "T", "72B"],
            id="system-message-wins",
        ),
        pytest.param(
            {"history": "native"},
            {},
            [("human", "a"), ("ai", "b"), ("human", "c")],
            [
                "c",
                [
                    {"role": "user", "content": [{"type": "text", "text": "a"}]},
                    {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
                ],
                "DEFAULT",
                "72B",
            ],
            id="native-history",
        ),
    ],
)
def test_the_data_that_is_sent(
    space: ScriptedSpace, arguments: Any, kwargs: Any, messages: Any, data: list[Any]
) -> None:
    ChatQwenSpace(space=space.url, **arguments).invoke(messages, **kwargs)

    default = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    assert space.joins[0]["data"] == [default if each == "DEFAULT" else each for each in data]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stop": 5}, "stop=5"),
        ({"model": 5}, "model=5"),
        ({"inputs": "x"}, "inputs='x'"),
        ({"temperature": "hot"}, "temperature='hot' is no number"),
    ],
)
def test_an_option_of_a_call_that_cannot_be_right_is_named(
    space: ScriptedSpace, model: ChatQwenSpace, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        model.invoke("Hi", **options)

    assert space.joins == []


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        pytest.param("", "prompt is empty", id="empty"),
        pytest.param("  \n", "prompt is empty", id="white-space"),
        pytest.param([], "no messages", id="no-messages"),
        pytest.param([RemoveMessage(id="1")], "type 'remove'", id="no-chat-message"),
    ],
)
def test_a_bad_prompt_is_refused_before_anything_is_sent(
    space: ScriptedSpace, model: ChatQwenSpace, messages: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        model.invoke(messages)

    assert space.joins == []


def test_an_argument_that_a_space_has_no_use_for_is_named_in_the_log(
    model: ChatQwenSpace, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        model.invoke("Hi", frequency_penalty=1)

    assert "frequency_penalty" in caplog.text


def test_sampling_that_the_app_has_no_input_for_is_warned_of(space: ScriptedSpace) -> None:
    model = ChatQwenSpace(space=space.url, endpoint="model_chat_1", temperature=0.2)

    with pytest.warns(UserWarning, match="has no input for temperature: the app keeps"):
        model.invoke("Hi")


def test_sampling_goes_to_the_function_of_the_chat_that_takes_it(space: ScriptedSpace) -> None:
    ChatQwenSpace(space=space.url, temperature=0.2, max_tokens=9).invoke("Hi")
    ChatQwenSpace(space=space.url).invoke("Hi")

    first, second = space.joins
    assert (first["fn_index"], first["data"][-3:]) == (4, [0.2, None, 9])
    assert second["fn_index"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"temprature": 1}, "Did you mean 'temperature'", id="misspelt"),
        pytest.param({"space": "not a space"}, "not a space", id="space"),
        pytest.param({"timeout": 0}, "timeout", id="timeout"),
    ],
)
def test_a_bad_argument_fails_in_the_constructor(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        ChatQwenSpace(**arguments)

    assert "Value error" not in str(caught.value)  # pydantic's words, not ours


def test_a_size_that_the_space_has_not_is_refused_with_those_it_has(space: ScriptedSpace) -> None:
    with pytest.raises(ModelNotOfferedError, match=r"'99B' is not offered.*72B, 32B"):
        ChatQwenSpace(space=space.url, model="99B").invoke("Hi")

    assert space.joins == []


# The token


def test_a_token_of_the_environment_stays_there_when_a_model_is_rebuilt(
    monkeypatch: pytest.MonkeyPatch, space: ScriptedSpace
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_env")
    model = ChatQwenSpace(space=space.url).configurable_fields(
        system_prompt=ConfigurableField(id="system")
    )

    model.with_config(configurable={"system": "Be brief."}).invoke("Hi")

    assert space.joins[0]["data"][2] == "Be brief."
    assert all("x-hf-authorization" not in each for each in space.headers)


def test_an_explicit_token_reaches_the_space_in_its_own_header(space: ScriptedSpace) -> None:
    ChatQwenSpace(space=space.url, hf_token="hf_mine").invoke("Hi")

    assert {each.get("x-hf-authorization") for each in space.headers} == {"Bearer hf_mine"}


# Stop


@pytest.mark.parametrize("of_the_call", [True, False], ids=["call", "constructor"])
async def test_a_stop_sequence_across_pieces_ends_the_reply_and_the_job(
    space: ScriptedSpace, of_the_call: bool
) -> None:
    space.engine.reply = ["one E", "N", "D two", " three", " four"]
    space.engine.gate = threading.Semaphore(3)  # nothing after the sequence is ever made
    constructor, call = ({}, {"stop": ["END"]}) if of_the_call else ({"stop": ["END"]}, {})
    model = ChatQwenSpace(space=space.url, **constructor)

    streamed = fold([chunk async for chunk in model.astream("Hi", **call)])

    assert streamed.content == "one "
    assert streamed.response_metadata["finish_reason"] == "stop_sequence"
    await asyncio.to_thread(space.engine.wait_until, lambda engine: engine.cancelled == 1)


async def test_the_stop_of_a_call_wins_and_every_way_of_calling_agrees(
    space: ScriptedSpace,
) -> None:
    space.engine.reply = ["a b ", "c d"]
    model = ChatQwenSpace(space=space.url, stop=["b"])

    answers = await every_way(model.bind(stop=["c"]), "Hi")

    assert [answer.text for answer in answers] == ["a b "] * 4


@pytest.mark.parametrize("way", ["invoke", "bind", "constructor"])
def test_a_stop_sequence_may_be_a_string(space: ScriptedSpace, way: str) -> None:
    space.engine.reply = ["HELLO THE END of it END. more"]
    model = ChatQwenSpace(space=space.url)

    match way:
        case "invoke":
            answer = model.invoke("Hi", stop="END.")  # type: ignore[arg-type]
        case "bind":
            answer = model.bind(stop="END.").invoke("Hi")
        case _:
            answer = ChatQwenSpace(space=space.url, stop="END.").invoke("Hi")  # type: ignore[arg-type]

    assert answer.text == "HELLO THE END of it "


# In chains


async def test_a_chain_streams_through_to_its_end(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Be {how}."), ("human", "{question}")])
    chain = prompt | model | StrOutputParser()

    pieces = [piece async for piece in chain.astream({"how": "brief", "question": "Hi"})]

    assert "".join(pieces) == "Hello there."
    assert space.joins[0]["data"][:3] == ["Hi", [], "Be brief."]


# Leaving early


@pytest.fixture
def endless(space: ScriptedSpace) -> ScriptedSpace:
    space.engine.reply = ["piece "] * 1000
    space.engine.gate = threading.Semaphore(2)
    return space


def wait_until_stopped(space: ScriptedSpace) -> None:
    space.engine.wait_until(lambda engine: engine.cancelled == 1)


def test_closing_a_sync_stream_stops_the_job(endless: ScriptedSpace, model: ChatQwenSpace) -> None:
    stream = model.stream("Hi")
    next(stream)

    stream.close()

    wait_until_stopped(endless)


async def test_closing_an_async_stream_stops_the_job(
    endless: ScriptedSpace, model: ChatQwenSpace
) -> None:
    stream = model.astream("Hi")
    await anext(stream)

    await stream.aclose()

    await asyncio.to_thread(wait_until_stopped, endless)


async def test_breaking_out_of_an_async_stream_stops_the_job(
    endless: ScriptedSpace, model: ChatQwenSpace
) -> None:
    async for _ in model.astream("Hi"):
        break

    await asyncio.to_thread(wait_until_stopped, endless)


async def test_cancelling_a_task_stops_the_job(
    endless: ScriptedSpace, model: ChatQwenSpace
) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in model.astream("Hi"):
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_until_stopped, endless)


# Loops, threads, imports


async def test_blocking_calls_work_inside_a_running_loop(model: ChatQwenSpace) -> None:
    assert model.invoke("Hi").text == "Hello there."
    assert "".join(chunk.text for chunk in model.stream("Hi")) == "Hello there."


def test_one_model_works_in_one_loop_after_the_other(model: ChatQwenSpace) -> None:
    async def both() -> tuple[str, str]:
        streamed = "".join([chunk.text async for chunk in model.astream("Hi")])
        return (await model.ainvoke("Hi")).text, streamed

    answers = [asyncio.run(both()) for _ in range(5)]

    assert answers == [("Hello there.", "Hello there.")] * 5


def test_a_loop_may_run_for_one_chunk_at_a_time(model: ChatQwenSpace) -> None:
    loop = asyncio.new_event_loop()
    stream = model.astream("Hi")

    texts = []
    while (chunk := loop.run_until_complete(anext(stream, None))) is not None:
        texts.append(chunk.text)
    loop.close()

    assert texts == ["Hello", " ", "there", ".", ""]


def test_one_model_works_from_many_threads(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    space.engine.reply = lambda messages: [messages[-1]["content"], "!"]
    prompts = [f"question {number}" for number in range(20)]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda prompt: model.invoke(prompt).text, prompts))

    assert answers == [f"{prompt}!" for prompt in prompts]


def test_the_apps_config_is_read_once(space: ScriptedSpace, model: ChatQwenSpace) -> None:
    for _ in range(3):
        model.invoke("Hi")

    assert space.paths.count("/config") == 1


def test_importing_the_package_imports_neither_aiohttp_nor_llama_index_nor_gradio() -> None:
    script = (
        "import langchain_qwen_space, sys\n"
        "langchain_qwen_space.ChatQwenSpace()\n"
        "print([name for name in ('aiohttp', 'llama_index', 'gradio') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (done.stdout.strip(), done.stderr) == ("[]", "")
