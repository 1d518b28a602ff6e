"""The app keeps the public Space's contract."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import Space
from qwen_space.local import EngineError, LocalSpace, Sampling, ScriptedEngine, Thinking
from qwen_space.local.rows import read_text

DEFAULT_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
PIECES = ["Hel", "lo", " there", " there", "."]


@pytest.fixture(scope="module")
def space() -> Iterator[LocalSpace]:
    with LocalSpace(ScriptedEngine(PIECES), sizes=("72B", "7B")) as running:
        yield running


@pytest.fixture
def engine(space: LocalSpace) -> Iterator[ScriptedEngine]:
    engine = space.engine
    assert isinstance(engine, ScriptedEngine)
    engine.requests.clear()
    yield engine
    engine.reply = PIECES


@pytest.fixture
async def http(space: LocalSpace) -> Any:
    async with aiohttp.ClientSession(space.url) as session:
        yield session


async def run(http: aiohttp.ClientSession, fn_index: int, data: list[Any]) -> list[Any]:
    """Run a job; return the messages of its stream."""
    session = uuid.uuid4().hex  # a used one can bring edits to an older value
    body = {"data": data, "fn_index": fn_index, "session_hash": session}
    async with http.post("/gradio_api/queue/join", json=body) as joined:
        assert joined.status == 200
    async with http.get(f"/gradio_api/queue/data?session_hash={session}") as stream:
        text = await stream.text()
    return [json.loads(event.removeprefix("data:")) for event in text.split("\n\n") if event]


async def chat(http: aiohttp.ClientSession, *data: Any) -> Any:
    """Ask `model_chat_1`; return the last message but the one that closes the stream."""
    return (await run(http, 3, list(data)))[-2]


def row(role: str, text: str) -> dict[str, Any]:
    content = [{"text": text, "type": "text"}]
    return {"role": role, "metadata": None, "content": content, "options": None}


async def test_the_endpoints_stand_in_the_public_order(http: aiohttp.ClientSession) -> None:
    async with http.get("/config") as answer:
        config = await answer.json()

    types = {component["id"]: component["type"] for component in config["components"]}
    endpoints = {
        dependency["api_name"]: (
            dependency["id"],
            [types[i] for i in dependency["inputs"]],
            [types[i] for i in dependency["outputs"]],
        )
        for dependency in config["dependencies"]
        if dependency["api_visibility"] == "public"
    }
    texts = ["textbox", "chatbot", "textbox"]
    assert endpoints == {
        "clear_session": (0, [], ["textbox", "chatbot"]),
        "modify_system_session": (1, ["textbox"], ["textbox", "textbox", "chatbot"]),
        "model_chat": (2, [*texts, "radio"], texts),
        "model_chat_1": (3, [*texts, "radio"], texts),
        "chat": (4, [*texts, "dropdown", "number", "number", "number"], texts),
    }
    assert (config["protocol"], config["api_prefix"]) == ("sse_v3", "/gradio_api")


async def test_the_inputs_have_the_public_names(http: aiohttp.ClientSession) -> None:
    async with http.get("/gradio_api/info") as answer:
        named = (await answer.json())["named_endpoints"]

    names = {
        api_name: [parameter["parameter_name"] for parameter in endpoint["parameters"]]
        for api_name, endpoint in named.items()
    }
    assert names == {
        "/clear_session": [],
        "/modify_system_session": ["system"],
        "/model_chat": ["query", "history", "system", "radio"],
        "/model_chat_1": ["query", "history", "system", "radio"],
        "/chat": [
            *("query", "history", "system"),
            *("model", "temperature", "top_p", "max_tokens"),
        ],
    }


@pytest.mark.parametrize("fn_index", [2, 3])
async def test_each_piece_is_one_message(http: aiohttp.ClientSession, fn_index: int) -> None:
    messages = await run(http, fn_index, ["Hi", [], "", "72B"])

    assert [message["msg"] for message in messages] == [
        "estimation",
        "process_starts",
        *["process_generating"] * len(PIECES),
        "process_completed",
        "close_stream",
    ]
    assert messages[2]["output"]["data"] == [
        "",
        [row("user", "Hi"), row("assistant", "Hel")],
        DEFAULT_SYSTEM,
    ]
    edits = [message["output"]["data"][1] for message in messages[3:-2]]
    path = [1, "content", 0, "text"]
    assert edits == [[["append", path, piece]] for piece in PIECES[1:]]
    assert messages[-2]["output"]["data"] == [
        "",
        [row("user", "Hi"), row("assistant", "".join(PIECES))],
        DEFAULT_SYSTEM,
    ]


EARLIER = [row("user", "I am Ada."), row("assistant", "Hello, Ada.")]
TURNS = [{"role": "user", "content": "I am Ada."}, {"role": "assistant", "content": "Hello, Ada."}]


@pytest.mark.parametrize(
    ("history", "turns"),
    [
        pytest.param([], [], id="empty"),
        pytest.param(None, [], id="null"),
        pytest.param(EARLIER, TURNS, id="messages"),
        pytest.param(
            [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                }
            ],
            [{"role": "user", "content": "ab"}],
            id="parts",
        ),
    ],
)
async def test_the_engine_gets_the_history_as_text(
    http: aiohttp.ClientSession, engine: ScriptedEngine, history: Any, turns: list[Any]
) -> None:
    done = await chat(http, "Who am I?", history, "Be brief.", "7B")

    assert engine.requests == [
        [
            {"role": "system", "content": "Be brief."},
            *turns,
            {"role": "user", "content": "Who am I?"},
        ]
    ]
    assert done["output"]["data"][1][-1] == row("assistant", "Hello there there.")
    assert len(done["output"]["data"][1]) == len(turns) + 2


async def test_a_reply_s_rows_can_be_sent_again(
    http: aiohttp.ClientSession, engine: ScriptedEngine
) -> None:
    first = await chat(http, "One", [], "", "72B")

    await chat(http, "Two", first["output"]["data"][1], "", "72B")

    assert [message["content"] for message in engine.requests[1]] == [
        DEFAULT_SYSTEM,
        "One",
        "Hello there there.",
        "Two",
    ]


async def test_an_empty_reply_is_an_empty_row(
    http: aiohttp.ClientSession, engine: ScriptedEngine
) -> None:
    engine.reply = []

    done = await chat(http, "Hi", [], "", "72B")

    assert done["success"]
    assert done["output"]["data"][1] == [row("user", "Hi"), row("assistant", "")]


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        pytest.param(EngineError("The model is not ready."), "The model is not ready.", id="ours"),
        pytest.param(OSError("gone"), "OSError: gone", id="any"),
    ],
)
@pytest.mark.parametrize("pieces", [[], ["a", "b"]], ids=["at-once", "later"])
async def test_the_engines_error_is_shown(
    http: aiohttp.ClientSession,
    engine: ScriptedEngine,
    capfd: pytest.CaptureFixture[str],
    error: Exception,
    shown: str,
    pieces: list[str],
) -> None:
    engine.reply = [*pieces, error]

    done = await chat(http, "Hi", [], "", "72B")

    assert (done["success"], done["output"]["error"]) == (False, shown)
    assert capfd.readouterr() == ("", "")


async def test_a_size_that_is_not_offered_is_an_error(http: aiohttp.ClientSession) -> None:
    done = await chat(http, "Hi", [], "", "110B")

    assert not done["success"]
    assert "110B" in done["output"]["error"]


async def test_the_system_prompt_is_set_and_the_chat_cleared(http: aiohttp.ClientSession) -> None:
    done = (await run(http, 1, ["Be brief."]))[-2]

    assert done["output"]["data"] == ["Be brief.", "Be brief.", []]


async def test_an_empty_system_prompt_is_the_default_one(http: aiohttp.ClientSession) -> None:
    done = (await run(http, 1, [""]))[-2]

    assert done["output"]["data"] == [DEFAULT_SYSTEM, DEFAULT_SYSTEM, []]


async def test_the_session_is_cleared(http: aiohttp.ClientSession) -> None:
    done = (await run(http, 0, []))[-2]

    assert done["output"]["data"] == ["", []]


async def test_no_call_passes_the_queue_by(
    http: aiohttp.ClientSession, engine: ScriptedEngine
) -> None:
    body = {"data": ["Hi", [], "", "72B"]}

    async with http.post("/gradio_api/run/model_chat", json=body) as answer:
        assert answer.status == 404

    assert engine.requests == []


async def test_the_page_names_the_engine_and_loads_nothing_from_elsewhere(
    http: aiohttp.ClientSession,
) -> None:
    async with http.get("/") as answer:
        page = await answer.text()

    assert "Chat with a script" in page
    for elsewhere in ("googleapis", "cdnjs", "jsdelivr", "unpkg"):
        assert elsewhere not in page


async def test_the_further_function_takes_the_options_of_a_reply(
    http: aiohttp.ClientSession, engine: ScriptedEngine
) -> None:
    engine.samplings.clear()

    options = ["a script", 0.25, 0.5, 7]
    done = (await run(http, 4, ["Hi", [], "Be brief.", *options]))[-2]
    await run(http, 4, ["Hi", [], "", "a script", None, None, None])

    assert done["output"]["data"][1][-1] == row("assistant", "Hello there there.")
    assert engine.samplings == [
        Sampling(0.25, 0.5, 7, "a script"),
        Sampling(model="a script"),
    ]


@pytest.mark.parametrize("fn_index", [3, 4])
async def test_reasoning_is_a_row_with_a_title(
    http: aiohttp.ClientSession, engine: ScriptedEngine, fn_index: int
) -> None:
    engine.reply = [Thinking("Hm"), Thinking("m."), "Yes."]
    data = ["Hi", [], ""] + (["72B"] if fn_index == 3 else ["a script", None, None, None])

    rows = (await run(http, fn_index, data))[-2]["output"]["data"][1]
    await run(http, fn_index, ["And?", rows, *data[2:]])

    assert [read_text(each["content"]) for each in rows] == ["Hi", "Hmm.", "Yes."]
    assert rows[1]["metadata"]["title"] == "Thinking"
    assert [message["content"] for message in engine.requests[1][1:]] == ["Hi", "Yes.", "And?"]


async def test_an_exception_of_the_engine_tells_the_client_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Careless(ScriptedEngine):
        async def stream(self, messages: Any, sampling: Any = None) -> Any:
            raise OSError("/srv/models/secret.gguf is gone")
            yield

    async with LocalSpace(Careless([])) as space, aiohttp.ClientSession(space.url) as http:
        done = await chat(http, "Hi", [], "", "72B")

    assert not done["success"]
    assert "log" in done["output"]["error"]
    assert "srv" not in json.dumps(done)
    assert "/srv/models/secret.gguf is gone" in caplog.text


def test_a_long_reply_is_drawn_less_often_than_a_short_one() -> None:
    from qwen_space.local.page.view import View  # as it imports Gradio

    view = View([])
    first = view.interval
    view.add("word " * 20_000)

    assert first <= 0.05
    assert 0.5 < view.interval < 2  # a browser needs half a second to draw a book's chapter


def test_a_model_of_the_public_space_takes_sampling() -> None:
    engine = ScriptedEngine(["Hi"])
    engine.name = "A-1.5B (Q4)"
    models = ["qwen-2.5", "7B", "1.5B", "Qwen2.5-7B-Instruct", "A-1.5B (Q4)"]
    with LocalSpace(engine) as space:
        for model in models:
            asked = ChatQwenSpace(space=space.url, model=model, temperature=0.3)
            assert asked.invoke("Hello").text == "Hi"

    assert engine.samplings == [Sampling(temperature=0.3, model="A-1.5B (Q4)")] * len(models)


def test_a_model_of_the_engine_is_chosen_by_its_name() -> None:
    engine: Any = ScriptedEngine(["Hi"])
    engine.models = ("llama3.2:3b", "gpt-oss-20b")
    with LocalSpace(engine) as space:
        reply = ChatQwenSpace(space=space.url, model="gpt-oss-20b").invoke("Hello")
        assert QwenSpace(space=space.url, model="gpt-oss-20b").complete("Hello").text == "Hi"
        offered = asyncio.run(Space(space.url).aoffered_models())

    assert reply.response_metadata["model_name"] == "gpt-oss-20b"
    assert [each.model for each in engine.samplings] == ["gpt-oss-20b"] * 2
    assert {"72B", "llama3.2:3b", "gpt-oss-20b"} < set(offered)
