"""The server's app: its routes, and how a call becomes a response."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Collection
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from qwen_space.api.access import Access
from qwen_space.api.errors import ApiError, RequestError, to_api_error
from qwen_space.api.requests import ChatRequest, read_request
from qwen_space.api.responses import CompletionBuilder
from qwen_space.chat_model.call import ChatCall
from qwen_space.chat_model.call_arguments import CallArguments
from qwen_space.chat_model.space import Space
from qwen_space.config import DEFAULT_MODEL
from qwen_space.errors import QwenSpaceError
from qwen_space.tokens.limits import Limits, get_full_name, get_limits

__all__ = ["ApiOptions", "create_app"]

logger = logging.getLogger("qwen_space.api")

_BEGIN = 5.0  # seconds, after which a stream begins though there is nothing in it yet
_HEARTBEAT = 15.0  # seconds between two signs of life, while a job waits


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """How the server answers.

    Attributes:
        token: The key that each request has to bring; none if None.
        loopback: Whether it listens on loopback, so that only names of this machine are its own.
        allowed_hosts: Further names of the server, such as a proxy's, without a port.
        aliases: Further names of the default model, for programs that ask for one of their own.
        max_size: The most bytes of a request.
    """

    token: str | None = None
    loopback: bool = True
    allowed_hosts: Collection[str] = ()
    aliases: Collection[str] = ()
    max_size: int = 16 * 2**20


def create_app(space: Space, options: ApiOptions | None = None) -> web.Application:
    """Return an app that answers OpenAI's requests by asking a Space.

    It answers `/v1/models`, `/v1/chat/completions` and `/health`. Serve it with
    `handler_cancellation=True`, so that a client that leaves stops its job.

    Args:
        space: The Space, or several as one.
        options: How to answer.
    """
    options = options or ApiOptions()
    server = _Server(space, options)
    access = Access(options.token, loopback=options.loopback, allowed_hosts=options.allowed_hosts)
    app = web.Application(client_max_size=options.max_size, middlewares=[_guard(access)])
    app.cleanup_ctx.append(server.keep_connections)
    app.add_routes(
        [
            web.get("/health", _health),
            web.get("/v1/models", server.list_models),
            web.get("/v1/models/{model:.+}", server.get_model),
            web.post("/v1/chat/completions", server.complete),
        ]
    )
    return app


def _guard(access: Access) -> Middleware:
    """Return middleware that refuses requests, and answers errors in OpenAI's form."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (refusal := access.refuse(request)) is not None:
            return _failed(refusal)
        try:
            return await handler(request)
        except web.HTTPException as exc:
            return _failed(_http_error(request, exc))
        except (QwenSpaceError, RequestError, ValueError) as exc:
            return _failed(to_api_error(exc))
        except ConnectionResetError:  # the client has gone
            raise
        except Exception:
            logger.exception("a request failed")
            said = "The server has failed; its log says why."
            return _failed(ApiError(500, said, "server_error", code="internal_error"))

    return guard


def _http_error(request: web.Request, exc: web.HTTPException) -> ApiError:
    messages = {
        404: f"There is no {request.path}: this server has /v1/chat/completions and /v1/models.",
        405: f"{request.path} does not take {request.method}.",
        413: "The request is too large.",
    }
    headers = {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
    return ApiError(exc.status, messages.get(exc.status, exc.reason), headers=headers)


def _failed(error: ApiError) -> web.Response:
    return _json(error.body, error.status, error.headers)


def _json(body: Any, status: int = 200, headers: Any = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        headers=headers,
        content_type="application/json",
    )


async def _health(_: web.Request) -> web.Response:
    return _json({"status": "ok"})


class _Server:
    """Answers requests.

    Args:
        space: The Space, or several as one.
        options: How to answer.
    """

    def __init__(self, space: Space, options: ApiOptions) -> None:
        config = space.config
        self._space = space
        self._default = get_full_name(config.model, [each.space for each in config.all_configs])
        self._names = {DEFAULT_MODEL, config.model, self._default, *options.aliases}
        self._listed = list(dict.fromkeys([self._default, *options.aliases]))
        self._created = int(time.time())

    async def keep_connections(self, _: web.Application) -> AsyncGenerator[None, None]:
        """Keep connections to the Space from call to call, as long as the server runs."""
        async with self._space:
            yield

    # Models

    async def list_models(self, _: web.Request) -> web.Response:
        """List the default model, its aliases, and the models that the Spaces offer."""
        offered = await self._space.aoffered_models()
        names = dict.fromkeys([*self._listed, *offered])
        return _json({"object": "list", "data": list(map(self._model, names))})

    async def get_model(self, request: web.Request) -> web.Response:
        """Describe a model."""
        name = request.match_info["model"]
        if name not in self._names and name not in await self._space.aoffered_models():
            said = f"The model {name!r} is not offered; /v1/models lists those that are."
            return _failed(ApiError(404, said, param="model", code="model_not_found"))
        return _json(self._model(name))

    def _model(self, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": self._space.config.space,
        }

    # Chat completions

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer a chat."""
        if request.content_type != "application/json":
            raise RequestError("The Content-Type has to be application/json.")  # so no form's
        asked = read_request(await request.read())
        call = self._make_call(asked)
        wants_json = call.response_format is not None
        builder = CompletionBuilder(asked.model, wants_json=wants_json)
        if asked.stream:
            return await _stream(request, call, builder, usage=asked.wants_usage)
        return _json(builder.completion(await call.acomplete()))

    def _make_call(self, asked: ChatRequest) -> ChatCall:
        model = None if asked.model in self._names else asked.model
        given = {**asked.arguments, "model": model}
        arguments = CallArguments.take("qwen-space api", given, usage_hint=True)
        return ChatCall(
            space=self._space,
            messages=asked.to_core(),
            options=arguments.options,
            tools=arguments.tools,
            response_format=arguments.response_format,
            limits=self._limits(model),
            reask=arguments.reask,
        )

    def _limits(self, model: str | None) -> Limits | None:
        spaces = self._space.config.all_configs
        if model is None:
            return get_limits("", [{"space": each.space, "model": each.model} for each in spaces])
        return get_limits(model, [each.space for each in spaces])


# A stream


async def _stream(
    request: web.Request, call: ChatCall, builder: CompletionBuilder, *, usage: bool
) -> web.StreamResponse:
    """Answer with a stream; an error that comes before its begin has a status of its own."""
    stream = _EventStream(request)
    try:
        async with stream.kept_alive(), call.astream() as events:
            async for event in events:
                for chunk in builder.chunks(event, usage=usage):
                    await stream.send(chunk, after=builder.first_chunk)
    except (QwenSpaceError, ValueError) as exc:
        if not stream.has_begun:
            raise
        await stream.send(to_api_error(exc).body)
    await stream.end()
    return stream.response


class _EventStream:
    """A response of server-sent events, which begins with the first of them.

    Args:
        request: The request that it answers.
    """

    def __init__(self, request: web.Request) -> None:
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        # nginx would hold events back.
        self.response = web.StreamResponse(headers={**headers, "X-Accel-Buffering": "no"})
        self._request = request
        self._beginning = asyncio.Lock()
        self._is_empty = True
        self._last = time.monotonic()  # when something was sent

    @property
    def has_begun(self) -> bool:
        """Whether the status is sent."""
        return self.response.prepared

    async def send(self, body: Any, *, after: Callable[[], Any] | None = None) -> None:
        """Send an event, behind the one that comes first."""
        await self._begin()
        events = [body] if after is None or not self._is_empty else [after(), body]
        self._is_empty = False
        self._last = time.monotonic()
        await self.response.write(
            b"".join(b"data: %b\n\n" % msgspec.json.encode(each) for each in events)
        )

    async def end(self) -> None:
        """Send the event that ends a stream."""
        await self._begin()
        await self.response.write(b"data: [DONE]\n\n")
        await self.response.write_eof()

    @contextlib.asynccontextmanager
    async def kept_alive(self) -> AsyncGenerator[None, None]:
        """Send comments, which clients pass over, while nothing else is there."""
        task = asyncio.create_task(self._keep_alive())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await task

    async def _begin(self) -> None:
        async with self._beginning:
            if not self.response.prepared:
                await self.response.prepare(self._request)

    async def _keep_alive(self) -> None:
        await asyncio.sleep(_BEGIN)
        await self._begin()
        while True:
            if (silence := time.monotonic() - self._last) >= _BEGIN:
                await self.response.write(b": waiting\n\n")
                self._last, silence = time.monotonic(), 0.0
            await asyncio.sleep(_HEARTBEAT - min(silence, _BEGIN))
