"""A stand-in for model servers: one engine, in the dialects of Ollama and of OpenAI.

An engine of the local Space answers, a script for one. So other clients can be held
against the same replies, piece by piece, as `QwenSpace` and `ChatQwenSpace`:

    with PeerServer(ScriptedEngine(["Hello", " there."])) as server:
        Ollama(model="any", base_url=server.url)
        OpenAILike(model="any", api_base=server.openai_url, api_key="none", is_chat_model=True)

The engine writes as a Qwen model does. A piece that is a whole `<tool_call>` becomes a tool
call of the dialect, as servers with a parser for Qwen make it. Where a request requires a call and
the reply is a JSON object, that object becomes its arguments, as servers with guided decoding
have it. All else is text.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import threading
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from benchmarks.dialects import (
    EVENTS,
    LINES,
    OPENAI_END,
    Call,
    compact,
    event,
    ollama_line,
    openai_chunk,
    openai_delta,
)
from qwen_space.local import EngineError

if TYPE_CHECKING:
    from typing_extensions import Self

_CALL = re.compile(r"\s*<tool_call>\s*(\{.*\})\s*</tool_call>\s*", re.DOTALL)


class Engine(Protocol):
    """The engine that answers, of `qwen_space.local`."""

    def stream(self, messages: Any) -> Any:
        """Return an asynchronous generator of the reply's pieces."""


class PeerServer:
    """Serves an engine on loopback, from a thread of its own, while the block runs.

    Args:
        engine: The one that answers.

    Attributes:
        url: Where Ollama's dialect is spoken.
        bodies: The JSON of all requests, in order.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self._names = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="peers", daemon=True)

    @property
    def openai_url(self) -> str:
        """Where OpenAI's dialect is spoken."""
        return f"{self.url}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/api/chat", self._ollama)
        app.router.add_post("/api/show", self._show)
        app.router.add_post("/v1/chat/completions", self._openai)
        # A client that has gone ends its reply, as it does on real servers.
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self._ready.set()
        await self._stopped.wait()
        await runner.cleanup()

    async def _body(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.bodies.append(body)
        return body

    async def _pieces(self, body: dict[str, Any]) -> AsyncIterator[str | Call]:
        """Yield the engine's pieces; those that are tool calls as such."""
        forced = bool(body.get("tools")) and body.get("tool_choice") not in {None, "auto", "none"}
        held = ""
        messages = [{"role": "user", "content": "", **each} for each in body["messages"]]
        async with contextlib.aclosing(self.engine.stream(messages)) as pieces:
            async for piece in pieces:
                if found := _CALL.fullmatch(piece):
                    yield json.loads(found[1])
                elif forced:
                    held += piece
                else:
                    yield piece
        if held:
            yield _forced(held, body["tools"])

    # Ollama

    async def _show(self, _: web.Request) -> web.Response:
        return web.json_response({"model_info": {"qwen2.context_length": 32768}})

    async def _ollama(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        if body.get("stream"):
            return await self._ollama_stream(request, body)
        try:
            text, calls, _ = await self._whole(body)
        except EngineError as exc:
            return web.json_response({"error": str(exc)}, status=500)
        return web.json_response(ollama_line(text, calls, done=True))

    async def _ollama_stream(
        self, request: web.Request, body: dict[str, Any]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": LINES})
        await response.prepare(request)

        async def send(line: dict[str, Any]) -> None:
            await response.write(compact(line) + b"\n")

        try:
            async for piece in self._pieces(body):
                text, calls = (piece, []) if isinstance(piece, str) else ("", [piece])
                await send(ollama_line(text, calls))
            await send(ollama_line("", done=True))
        except EngineError as exc:  # as Ollama says that a model failed while it wrote
            await send({"error": str(exc)})
        return response

    # OpenAI

    async def _openai(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        if body.get("stream"):
            return await self._openai_stream(request, body)
        try:
            text, calls, count = await self._whole(body)
        except EngineError as exc:
            return web.json_response(_openai_error(exc), status=500)
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = [self._openai_call(call) for call in calls]
        choice = {"index": 0, "message": message, "finish_reason": _reason(calls)}
        answer = openai_chunk([choice], "chat.completion")
        return web.json_response({**answer, "usage": _usage(count)})

    async def _openai_stream(
        self, request: web.Request, body: dict[str, Any]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": EVENTS})
        await response.prepare(request)

        async def send(delta: dict[str, Any], reason: str | None = None) -> None:
            await response.write(openai_delta(delta, reason))

        calls: list[Call] = []
        count = 0
        try:
            async for piece in self._pieces(body):
                count += 1
                if isinstance(piece, str):
                    await send({"role": "assistant", "content": piece})
                else:
                    call = {"index": len(calls), **self._openai_call(piece)}
                    calls.append(piece)
                    await send({"role": "assistant", "tool_calls": [call]})
            await send({}, _reason(calls))
            if (body.get("stream_options") or {}).get("include_usage"):
                await response.write(event({**openai_chunk([]), "usage": _usage(count)}))
            await response.write(OPENAI_END)
        except EngineError as exc:  # as llama.cpp, vLLM and OpenAI say it
            await response.write(event(_openai_error(exc)))
        return response

    def _openai_call(self, call: Call) -> dict[str, Any]:
        arguments = json.dumps(call["arguments"])
        function = {"name": call["name"], "arguments": arguments}
        return {"id": f"call_{next(self._names)}", "type": "function", "function": function}

    # Both

    async def _whole(self, body: dict[str, Any]) -> tuple[str, list[Call], int]:
        """Return the reply's text, its tool calls, and the count of its pieces."""
        pieces = [piece async for piece in self._pieces(body)]
        text = "".join(piece for piece in pieces if isinstance(piece, str))
        return text, [piece for piece in pieces if isinstance(piece, dict)], len(pieces)


def _forced(text: str, tools: list[dict[str, Any]]) -> str | Call:
    try:
        arguments = json.loads(text)
    except ValueError:
        return text
    if not isinstance(arguments, dict):
        return text
    return {"name": tools[0]["function"]["name"], "arguments": arguments}


def _openai_error(exc: EngineError) -> dict[str, Any]:
    return {"error": {"message": str(exc), "type": "server_error", "code": 500}}


def _reason(calls: list[Call]) -> str:
    return "tool_calls" if calls else "stop"


def _usage(count: int) -> dict[str, int]:
    return {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}
