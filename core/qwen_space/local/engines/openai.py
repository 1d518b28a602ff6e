"""An engine that speaks OpenAI's chat completions, as Ollama, vLLM and llama-server do."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from qwen_space.local.errors import EngineError, require

if TYPE_CHECKING:
    import openai

__all__ = ["OpenAIEngine"]

# Without a key the openai package takes OPENAI_API_KEY, which is not for any server.
NO_KEY = "none"


class OpenAIEngine:
    """A model behind a server that speaks OpenAI's chat completions.

    Nothing connects before `start`, which asks the server for its first model unless one is
    named. There are no retries: a server that is still loading, or away, is an error at once.

    Args:
        base_url: Where the server is; `/v1` is added to an address without a path.
        model: The model's name there; the first that the server lists if None.
        api_key: The server's key, if it wants one.
        temperature: How freely the model chooses its words.
        max_tokens: Where a reply is cut; as the server does it if None.
        slots: How many replies to ask for at once; more wait in the Space's queue.
        name: The name on the page; made of the model and the address if None.

    Attributes:
        slots: How many replies run at once.
    """

    def __init__(
        self,
        base_url: str,
        model: str | None = None,
        api_key: str | None = None,
        *,
        temperature: float = 0.7,
        max_tokens: int | None = None,
        slots: int = 4,
        name: str | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/") + ("" if urlsplit(base_url).path.strip("/") else "/v1")
        self.slots = slots
        self._model = model
        self._api_key = api_key or NO_KEY
        self._options = {"temperature": temperature}
        if max_tokens is not None:
            self._options["max_tokens"] = max_tokens
        self._name = name
        self._tls: ssl.SSLContext | None = None

    @property
    def name(self) -> str:
        """The name on the page."""
        return self._name or f"{self._model or 'a model'} at {self.base_url}"

    def start(self) -> None:
        """Find out the model, where none was named.

        Raises:
            EngineError: The server does not answer, or has no model.
            MissingExtraError: The openai package is not installed.
        """
        package = require("openai")
        if self._model is None:
            http_client = package.DefaultHttpxClient(**self._transport())
            with package.OpenAI(**self._access(), http_client=http_client) as client:
                self._model = self._first_model(client)

    def close(self) -> None:
        """Do nothing: each reply has a connection of its own, and closes it."""

    async def stream(self, messages: Sequence[Mapping[str, str]]) -> AsyncGenerator[str, None]:
        """Yield the reply's pieces.

        A client is made for each reply, for it belongs to the event loop it is used in.

        Raises:
            EngineError: The server does not answer, or not with a reply.
        """
        package = require("openai")
        http_client = package.DefaultAsyncHttpxClient(**self._transport())
        async with package.AsyncOpenAI(**self._access(), http_client=http_client) as client:
            with self._explained(package):
                chunks = await client.chat.completions.create(
                    model=self._model, messages=list(messages), stream=True, **self._options
                )
                async with chunks:
                    async for chunk in chunks:
                        if chunk.choices and chunk.choices[0].delta.content:
                            yield chunk.choices[0].delta.content

    def _access(self) -> dict[str, Any]:
        return {"base_url": self.base_url, "api_key": self._api_key, "max_retries": 0}

    def _transport(self) -> dict[str, Any]:
        """Return the options that both HTTP clients share.

        The TLS context is made once, as reading the certificates takes longer than a short
        answer. On loopback a proxy of the environment would only be in the way.
        """
        if self._tls is None:
            self._tls = ssl.create_default_context()
        loopback = urlsplit(self.base_url).hostname in {"127.0.0.1", "::1", "localhost"}
        return {"verify": self._tls, "trust_env": not loopback}

    def _first_model(self, client: openai.OpenAI) -> str:
        with self._explained(require("openai")):
            models = client.models.list().data
        if not models:
            raise EngineError(f"The server at {self.base_url} lists no model: name one.")
        return models[0].id

    @contextmanager
    def _explained(self, package: Any) -> Iterator[None]:
        try:
            yield
        except package.APIError as exc:
            raise EngineError(_sentence(package, exc, self.base_url)) from exc


def _sentence(package: Any, exc: openai.APIError, base_url: str) -> str:
    """Describe an error of the server, with its remedy."""
    body: dict[str, Any] = exc.body if isinstance(exc.body, dict) else {}
    said = str(body.get("message") or exc.message).rstrip(". ")
    if isinstance(exc, package.APITimeoutError):
        return f"The model's server at {base_url} did not answer in time. Try a shorter message."
    if isinstance(exc, package.APIConnectionError):
        return (
            f"The model's server at {base_url} cannot be reached ({exc.__cause__ or said}). "
            "Check that it runs, and its address."
        )
    if isinstance(exc, (package.AuthenticationError, package.PermissionDeniedError)):
        return f"The model's server at {base_url} refused the key: {said}. Give its api_key."
    if _CONTEXT.search(f"{body.get('type')} {body.get('code')} {said}"):
        return _too_long(body, said)
    if getattr(exc, "status_code", None) == 503:
        return f"The model is not ready: {said}. Try again in a moment."
    return f"The model's server failed: {type(exc).__name__}: {said}"


# The names of this error in llama.cpp, OpenAI and vLLM.
_CONTEXT = re.compile(
    r"exceed_context_size|exceeds the available context|context_length_exceeded"
    r"|maximum context length|context size has been exceeded",
    re.IGNORECASE,
)
_TOKENS = re.compile(r"request \((\d+) tokens\)|(?:requested|resulted in|contains at least) (\d+)")
_LIMIT = re.compile(r"context (?:size|length)(?: is| of)? \(?(\d+)")


def _too_long(body: Mapping[str, Any], said: str) -> str:
    tokens = body.get("n_prompt_tokens") or _number(_TOKENS, said)
    limit = body.get("n_ctx") or _number(_LIMIT, said)
    counted = f" of {tokens} tokens" if tokens else ""
    limited = f"the {limit} tokens that the model can read" if limit else "the model's context"
    cure = "Clear the chat or shorten the message, or serve the model with a larger context."
    if not tokens and not limit:
        cure = f"({said}.) {cure}"
    return f"The conversation{counted} does not fit into {limited}. {cure}"


def _number(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return next((group for group in found.groups() if group), None) if found else None
