"""The engine that speaks OpenAI's chat completions: a small server stands for the model's."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from qwen_space.local import (
    EngineError,
    Finished,
    LlamaEngine,
    MissingExtraError,
    OpenAIEngine,
    Sampling,
    StartError,
    Thinking,
    engine_for,
)

MESSAGES = [{"role": "user", "content": "Hi"}]


@dataclass
class Server:
    """Answers by script, and remembers the requests."""

    url: str = ""
    status: int = 200
    error: Any = None
    finish: str | None = None
    usage: Any = None
    pieces: list[Any] = field(default_factory=lambda: ["Hel", None, "", "lo"])
    asked: list[Any] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)  # of the first model

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"object": "list", "data": [{"id": "first", **self.facts}, {"id": "second"}]}
        )

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("Authorization"))
        if self.status != 200:
            return web.json_response({"error": self.error}, status=self.status)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for piece in self.pieces:
            delta = piece if isinstance(piece, dict) else {"content": piece}
            chunk = {"choices": [{"index": 0, "delta": delta}]}
            await answer.write(f"data: {json.dumps(chunk)}\n\n".encode())
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": self.finish}]}
        usage = {"choices": [], "usage": self.usage}
        for chunk in (end, usage):
            await answer.write(f"data: {json.dumps(chunk)}\n\n".encode())
        if self.error is not None:
            await answer.write(f"data: {json.dumps({'error': self.error})}\n\n".encode())
        await answer.write(b"data: [DONE]\n\n")
        return answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_get("/v1/models", server.models)
    app.router.add_post("/v1/chat/completions", server.chat)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    server.url = f"http://{host}:{port}"
    yield server
    await runner.cleanup()


async def test_each_piece_of_text_is_yielded(server: Server) -> None:
    engine = OpenAIEngine(server.url, "first")

    pieces = [piece async for piece in engine.stream(MESSAGES)]

    assert pieces == ["Hel", "lo", Finished()]


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, {"temperature": 0.7}),
        ({"temperature": 0.0, "max_tokens": 9}, {"temperature": 0.0, "max_tokens": 9}),
    ],
)
async def test_the_options_are_sent(
    server: Server, options: dict[str, Any], sent: dict[str, Any]
) -> None:
    engine = OpenAIEngine(server.url, "first", **options)

    _ = [piece async for piece in engine.stream(MESSAGES)]

    assert server.asked == [
        {
            "messages": MESSAGES,
            "model": "first",
            "stream": True,
            "stream_options": {"include_usage": True},
            **sent,
        }
    ]


@pytest.mark.parametrize(
    ("given", "sent"), [(None, "Bearer none"), ("secret", "Bearer secret")], ids=["none", "own"]
)
async def test_only_a_key_that_was_given_is_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch, given: str | None, sent: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody")
    engine = OpenAIEngine(server.url, "first", given)

    _ = [piece async for piece in engine.stream(MESSAGES)]

    assert server.keys == [sent]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://a:1", "http://a:1/v1"),
        ("http://a:1/", "http://a:1/v1"),
        ("http://a:1/v1/", "http://a:1/v1"),
        ("http://a:1/other", "http://a:1/other"),
    ],
)
def test_an_address_without_a_path_is_completed(given: str, used: str) -> None:
    assert OpenAIEngine(given).base_url == used


async def test_the_options_of_a_reply_win_over_the_engines(server: Server) -> None:
    engine = OpenAIEngine(server.url, "first", temperature=0.7, max_tokens=9)

    sampling = Sampling(temperature=0, top_p=0.5, max_tokens=3, model="unknown")
    _ = [piece async for piece in engine.stream(MESSAGES, sampling)]

    sent = server.asked[0]
    assert [sent[name] for name in ("model", "temperature", "top_p", "max_tokens")] == [
        *("first", 0, 0.5, 3)
    ]


@pytest.mark.parametrize(
    ("deltas", "parts"),
    [
        pytest.param(
            [{"reasoning_content": "Hm"}, {"content": "Yes"}], [Thinking("Hm"), "Yes"], id="vllm"
        ),
        pytest.param(
            [{"reasoning": "Hm"}, {"content": "Yes"}], [Thinking("Hm"), "Yes"], id="ollama"
        ),
        pytest.param(
            [
                {"content": each}
                for each in ("<th", "ink>\nH", "m</thi", "nk>\n", "\nYes", "<think>")
            ],
            [Thinking("\nH"), Thinking("m"), "Yes", "<think>"],
            id="tags",
        ),
        pytest.param([{"content": "<think>Hm</"}], [Thinking("Hm"), Thinking("</")], id="cut"),
        pytest.param([{"content": " <thi"}], [" <thi"], id="no-tag"),
        pytest.param([{"content": "a <think> b"}], ["a <think> b"], id="later"),
    ],
)
async def test_reasoning_is_told_from_the_text(
    server: Server, deltas: list[Any], parts: list[Any]
) -> None:
    server.pieces = deltas
    engine = OpenAIEngine(server.url, "first")

    assert [part async for part in engine.stream(MESSAGES)] == [*parts, Finished()]


async def test_the_end_tells_the_cut_and_the_tokens(server: Server) -> None:
    server.usage = {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "total_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 5},
    }
    server.finish = "length"
    engine = OpenAIEngine(server.url, "first")

    *_, last = [part async for part in engine.stream(MESSAGES)]

    assert last == Finished(is_cut=True, prompt_tokens=9, cached_tokens=5, tokens=2)


CURE = "Clear the chat or shorten the message, or serve the model with a larger context."
ERRORS = [
    pytest.param(
        400,
        {
            "code": 400,
            "message": "request (9031 tokens) exceeds the available context size (2048 tokens)",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 9031,
            "n_ctx": 2048,
        },
        "The conversation of 9031 tokens does not fit into the 2048 tokens that the model can "
        f"read. {CURE}",
        id="context-llama-cpp",
    ),
    pytest.param(
        400,
        {"message": "request (9030 tokens) exceeds the available context size"},
        f"The conversation of 9030 tokens does not fit into the model's context. {CURE}",
        id="context-without-limit",
    ),
    pytest.param(
        400,
        {
            "message": "This model's maximum context length is 4096 tokens. However, you "
            "requested 5000 tokens",
            "code": "context_length_exceeded",
        },
        "The conversation of 5000 tokens does not fit into the 4096 tokens that the model can "
        f"read. {CURE}",
        id="context-vllm",
    ),
    pytest.param(
        500,
        {"message": "Context size has been exceeded."},
        f"The conversation does not fit into the model's context. {CURE}",
        id="context-without-figures",
    ),
    pytest.param(
        401,
        {"message": "Invalid API Key", "type": "authentication_error", "code": 401},
        "The model's server refused this Space's key.",
        id="key",
    ),
    pytest.param(
        503,
        {"message": "Loading model", "type": "unavailable_error", "code": 503},
        "The model is not ready. Try again in a moment.",
        id="loading",
    ),
    pytest.param(
        500,
        {"message": "It broke."},
        "The model's server failed. Its operator finds the cause in the log.",
        id="any",
    ),
    pytest.param(
        200,
        {"message": "Context size has been exceeded."},
        f"The conversation does not fit into the model's context. {CURE}",
        id="in-the-stream",
    ),
]


@pytest.mark.parametrize(("status", "error", "sentence"), ERRORS)
async def test_an_error_of_the_server_is_a_sentence(
    server: Server, status: int, error: Any, sentence: str
) -> None:
    server.status, server.error = status, error
    engine = OpenAIEngine(server.url, "first")

    with pytest.raises(EngineError) as caught:
        _ = [piece async for piece in engine.stream(MESSAGES)]

    assert str(caught.value) == sentence
    assert error["message"].rstrip(".") in caught.value.detail
    assert engine.base_url in caught.value.detail


async def test_a_server_that_is_away_is_a_sentence() -> None:
    engine = OpenAIEngine("http://127.0.0.1:9", "first")

    with pytest.raises(EngineError, match=r"server cannot be reached") as caught:
        _ = [piece async for piece in engine.stream(MESSAGES)]

    assert "127.0.0.1" not in str(caught.value)
    assert "http://127.0.0.1:9/v1 cannot be reached" in caught.value.detail


async def test_of_a_server_without_a_list_a_model_is_named(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{server.url}/elsewhere"
    said = r"/elsewhere has no list of models .* --base-url, or .* --model"
    with pytest.raises(StartError, match=said):
        await asyncio.to_thread(OpenAIEngine(url).start)

    await asyncio.to_thread(OpenAIEngine(url, "named").start)

    assert "whether it has 'named'" in caplog.text


@pytest.mark.parametrize("model", [None, "named"])
def test_a_server_that_is_away_is_seen_at_the_start(model: str | None) -> None:
    with pytest.raises(StartError, match=r"127\.0\.0\.1:9/v1 cannot be reached .* --base-url"):
        OpenAIEngine("http://127.0.0.1:9", model).start()


SECRETS = ("sk-the-key", "pass@word", "pass%40word", "dXNlcjpwYXNzQHdvcmQ=")


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 503])
async def test_secrets_that_the_server_repeats_reach_neither_visitor_nor_log(
    server: Server, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    server.status, server.error = status, {"message": f"no: {' '.join(SECRETS)}"}
    url = server.url.replace("http://", "http://user:pass%40word@")
    engine = OpenAIEngine(url, "first", "sk-the-key")

    with pytest.raises(EngineError) as caught:
        _ = [piece async for piece in engine.stream(MESSAGES)]

    trace = "".join(traceback.format_exception(caught.value))
    shown = [repr(engine), engine.base_url, engine.name, str(caught.value), caught.value.detail]
    for secret in SECRETS:
        assert not [text for text in [*shown, trace, caplog.text] if secret in text]
    assert caught.value.__context__ is None  # the package's error has the request's headers
    assert server.keys == ["Basic dXNlcjpwYXNzQHdvcmQ="]


@pytest.mark.parametrize("key", ["sk-two\nlines", "sk-ключ"])
async def test_a_key_that_cannot_be_sent_is_an_error_without_it(server: Server, key: str) -> None:
    engine = OpenAIEngine(server.url, "first", key)

    with pytest.raises(EngineError) as caught:
        _ = [piece async for piece in engine.stream(MESSAGES)]

    trace = "".join(traceback.format_exception(caught.value))
    assert not [part for part in (key, repr(key)[1:-1], "sk-two") if part in trace]
    assert key not in caught.value.detail


@pytest.mark.parametrize("url", ["http://", "ftp://a:pw@b", "http://u:pw@h:port", "http://[::1"])
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a server") as caught:
        OpenAIEngine(url)

    assert "pw" not in str(caught.value)


async def test_the_first_model_is_taken_and_shown(server: Server) -> None:
    engine = OpenAIEngine(server.url)

    await asyncio.to_thread(engine.start)

    assert (engine.name, engine.models) == ("first", ("first", "second"))
    _ = [piece async for piece in engine.stream(MESSAGES)]
    assert server.asked[0]["model"] == "first"


@pytest.mark.parametrize("path", ["/models/me/qwen.gguf", "C:\\models\\qwen.gguf"])
async def test_the_folder_of_a_model_s_file_is_not_shown(server: Server, path: str) -> None:
    server.facts = {"id": path, "max_model_len": 512}  # as llama-server names its model
    engine = OpenAIEngine(server.url)

    await asyncio.to_thread(engine.start)

    assert (engine.name, engine.models) == ("qwen.gguf", ("qwen.gguf", "second"))
    assert engine.context == 512
    for model in (None, "qwen.gguf", "second"):
        _ = [piece async for piece in engine.stream(MESSAGES, Sampling(model=model))]
    assert [asked["model"] for asked in server.asked] == [path, path, "second"]


@pytest.mark.parametrize(
    ("facts", "context"),
    [
        ({"max_model_len": 8192}, 8192),
        ({"context_length": 4096}, 4096),
        ({"context_window": 131_072}, 131_072),
        ({"max_model_len": "long"}, None),
        ({}, None),
    ],
)
async def test_the_window_is_that_of_the_server_s_list(
    server: Server, facts: dict[str, Any], context: int | None
) -> None:
    server.facts = facts
    engine = OpenAIEngine(server.url)

    await asyncio.to_thread(engine.start)

    assert engine.context == context


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)

    with pytest.raises(MissingExtraError, match=r'pip install "qwen-space\[local\]"') as caught:
        OpenAIEngine("http://127.0.0.1:9").start()

    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize(
    ("filename", "title"),
    [
        ("Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf", "Qwen2.5-Coder-1.5B-Instruct (Q4_K_M)"),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct (Q4_1)"),
        ("qwen2.5-0.5b-instruct-fp16.gguf", "qwen2.5-0.5b-instruct-fp16"),
        ("model-bf16.gguf", "model (BF16)"),
    ],
)
def test_the_name_of_a_file_tells_its_model(filename: str, title: str) -> None:
    assert LlamaEngine(filename).name == title


def test_a_file_that_is_not_there_is_seen_at_the_start() -> None:
    with pytest.raises(StartError, match=r"no model file none\.gguf"):
        LlamaEngine("none.gguf").start()


def test_a_file_that_is_no_model_is_seen_at_the_start(tmp_path: Any) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(100))

    with pytest.raises(StartError, match=r"llama\.cpp cannot load"):
        LlamaEngine(path).start()


def test_a_base_url_makes_an_engine_of_a_server() -> None:
    engine = engine_for("m", base_url="http://127.0.0.1:9", slots=7)

    assert isinstance(engine, OpenAIEngine)
    assert (engine.name, engine.slots) == ("m", 7)


def test_a_path_makes_an_engine_of_a_file(tmp_path: Any) -> None:
    path = tmp_path / "model.gguf"
    path.touch()

    engine = engine_for(str(path))

    assert isinstance(engine, LlamaEngine)
    assert (engine.path, engine.slots) == (path, 2)
