"""An engine that speaks OpenAI's chat completions, as Ollama, vLLM and llama-server do."""

from __future__ import annotations

import base64
import difflib
import logging
import re
import ssl
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from qwen_space.chat.overflow import is_overflow
from qwen_space.local.engines.base import Finished, Output, Sampling, Thinking
from qwen_space.local.engines.reasoning import ReasoningTags
from qwen_space.local.errors import ContextError, EngineError, StartError, require

__all__ = ["OpenAIEngine"]

# Without a key the openai package takes OPENAI_API_KEY, which is not for any server.
NO_KEY = "none"

START_TIMEOUT = 15.0  # seconds

logger = logging.getLogger("qwen_space.local")


class OpenAIEngine:
    """A model behind a server that speaks OpenAI's chat completions.

    Nothing connects before `start`, which asks the server for its models. There are no retries: a
    server that is still loading, or away, is an error at once. Visitors are shown neither the
    server's address nor its errors' texts, which may hold the key; the operator's log has them,
    with the secrets left out.

    Args:
        base_url: The server's address; `/v1` is added to one without a path. A user and password
            in it are sent as basic authentication.
        model: The model's name there; the first that the server lists if None.
        api_key: The server's key, if it wants one.
        temperature: How freely the model chooses its words.
        max_tokens: Where a reply is cut; as the server does it if None.
        slots: How many replies to ask for at once; more wait in the Space's queue.
        name: The name on the page; the model's if None.
        takes: The kinds of media that the model takes: "image", "audio", "video". None is "image"
            where the model's name, or the server's list, tells that it sees.

    Attributes:
        base_url: The server's address, without a user and password.
        slots: How many replies run at once.
        defaults: The options of a reply that has none of its own.
        takes: The kinds of media that the model takes; known after `start`.
        context: How many tokens the model takes, where the server's list tells; known after
            `start`.
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
        takes: Iterable[str] | None = None,
    ) -> None:
        parts = _split(base_url)
        self.base_url = _address(parts)
        self.slots = slots
        self._ids = {_without_folder(model): model} if model else {}
        self._model = model
        self._api_key = api_key or NO_KEY
        self._login = _login(parts)
        self.defaults = Sampling(temperature=temperature, max_tokens=max_tokens)
        self._name = name
        self._takes = takes
        self.takes = frozenset(takes or ())
        self.context: int | None = None
        self._tls: ssl.SSLContext | None = None

    @property
    def name(self) -> str:
        """The name on the page."""
        return self._name or _without_folder(self._model or "a model")

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models to choose from; known after `start`."""
        return tuple(self._ids)

    def start(self) -> None:
        """Ask the server for its models, which also finds a wrong address or key.

        Raises:
            StartError: The server does not answer, refuses the key, or has no model.
            MissingExtraError: The openai package is not installed.
        """
        package = require("openai")
        http_client = package.DefaultHttpxClient(**self._transport(), timeout=START_TIMEOUT)
        with package.OpenAI(**self._access(), http_client=http_client) as client:
            try:
                with self._explained(package):
                    found = client.models.list()
                    listed = tuple(model.id for model in found.data)
                    tells = _tells_of_pictures(found)
            except EngineError as exc:
                if "HTTP 404" not in exc.detail:
                    raise StartError(exc.detail or exc.message) from None
                self._do_without_list()
                return
        if self._model is None:
            if not listed:
                raise StartError(f"The server at {self.base_url} lists no model: name one.")
            self._ids = {_without_folder(each): each for each in listed}
            self._model = listed[0]
        elif listed and self._model not in listed:
            self._warn_of_model(listed)
        self.context = next((_window(each) for each in found.data if each.id == self._model), None)
        if self._takes is None and (tells or _SEES.search(self._model or "")):
            self.takes = frozenset({"image"})

    def _do_without_list(self) -> None:
        """Go on with a model that was named, as some servers have no list of theirs."""
        if self._model is None:
            raise StartError(
                f"{self.base_url} has no list of models (HTTP 404). Check --base-url, or name the "
                "model with --model."
            )
        logger.warning(
            "%s has no list of models (HTTP 404), so the first reply will show whether it has %r. "
            "Check --base-url if it has not.",
            self.base_url,
            self._model,
        )

    def _warn_of_model(self, listed: Sequence[str]) -> None:
        """Warn of a model that is not listed. It may be there all the same: some load on demand."""
        near = difflib.get_close_matches(self._model or "", listed, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        shown = ", ".join(listed[:10]) + (", ..." if len(listed) > 10 else "")
        logger.warning(
            "The server at %s does not list the model %r.%s It lists: %s",
            self.base_url,
            self._model,
            hint,
            shown,
        )

    def close(self) -> None:
        """Do nothing: each reply has a connection of its own, and closes it."""

    async def stream(
        self, messages: Sequence[Mapping[str, Any]], sampling: Sampling | None = None
    ) -> AsyncGenerator[Output, None]:
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
                    messages=list(messages),
                    stream=True,
                    stream_options={"include_usage": True},
                    **self._options(sampling or Sampling()),
                )
                async with chunks:
                    tags, last = ReasoningTags(), Finished()
                    async for chunk in chunks:
                        for choice in chunk.choices:
                            for part in _parts(choice.delta, tags):
                                yield part
                        last = _finished(chunk, last)
                    for part in tags.close():
                        yield part
                    yield last

    def _options(self, sampling: Sampling) -> dict[str, Any]:
        names = ("temperature", "top_p", "max_tokens")
        given = {name: getattr(sampling, name) for name in names}
        defaults = {name: getattr(self.defaults, name) for name in names}
        chosen = {name: defaults[name] if value is None else value for name, value in given.items()}
        model = self._ids.get(sampling.model or "", self._model)
        return {"model": model} | {k: v for k, v in chosen.items() if v is not None}

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
        return {"verify": self._tls, "trust_env": not loopback, "auth": self._login}

    @contextmanager
    def _explained(self, package: Any) -> Iterator[None]:
        try:
            yield
        except EngineError:
            raise
        except Exception as exc:
            error = _explain(package, exc, self._redact, self.base_url)
            try:
                raise error
            finally:  # neither cause nor context: they hold the request, and so the key
                error.__context__ = None

    def _redact(self, text: str) -> str:
        """Return a text without the key, the password, and the forms they travel in."""
        user, password = self._login or ("", "")
        basic = base64.b64encode(f"{user}:{password}".encode()).decode() if password else ""
        key = "" if self._api_key == NO_KEY else self._api_key
        forms = {key, repr(key)[1:-1], password, quote(password, safe=""), basic}
        for secret in sorted(forms, key=len, reverse=True):
            if secret:
                text = text.replace(secret, "[secret]")
        return text


def _split(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url if "://" in base_url else f"http://{base_url}")
        _ = parts.port  # reading it finds one that is no number
        if parts.scheme in {"http", "https"} and parts.hostname:
            return parts
    except ValueError:
        pass
    shown = base_url.rpartition("@")[2]
    raise ValueError(
        f"base_url={shown!r} is no address of a server: give one such as http://host:8000/v1."
    ) from None


def _address(parts: SplitResult) -> str:
    path = parts.path.rstrip("/") or "/v1"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


def _login(parts: SplitResult) -> tuple[str, str] | None:
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def _without_folder(model: str) -> str:
    """Return a model's name without the folders of its file, which llama-server tells."""
    return re.sub(r"^(/|[A-Za-z]:[\\/]).*[\\/]", "", model)


# The names of models that see: Qwen2.5-VL, QVQ, Qwen2.5-Omni, LLaVA, Llama 3.2 Vision and more.
_SEES = re.compile(
    r"(?<![a-z])vl(?![a-z])|qvq|vision|llava|pixtral|minicpm-?v|internvl|moondream|omni",
    re.IGNORECASE,
)


# The names of a model's window in the lists of vLLM, of OpenRouter and others, and of Groq.
_WINDOWS = ("max_model_len", "context_length", "context_window")


def _window(listed: Any) -> int | None:
    """Return how many tokens a listed model takes; None where the list does not tell."""
    extra = getattr(listed, "model_extra", None) or {}
    told = (extra.get(name) for name in _WINDOWS)
    return next((each for each in told if isinstance(each, int) and each > 0), None)


def _tells_of_pictures(listed: Any) -> bool:
    """Whether a list of models, as llama-server's, tells that the model takes pictures."""
    models = (getattr(listed, "model_extra", None) or {}).get("models")
    models = models if isinstance(models, list) else []
    told = [each.get("capabilities") for each in models if isinstance(each, dict)]
    return any(isinstance(each, list) and "multimodal" in each for each in told)


def _parts(delta: Any, tags: ReasoningTags) -> Iterator[str | Thinking]:
    # vLLM and llama.cpp call it reasoning_content, Ollama and newer vLLM reasoning.
    reasoning = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
    if isinstance(reasoning, str) and reasoning:
        yield Thinking(reasoning)
    if delta.content:
        yield from tags.feed(delta.content)


def _finished(chunk: Any, before: Finished) -> Finished:
    """Return the end of a reply as far as its chunks tell it."""
    is_cut = before.is_cut or any(choice.finish_reason == "length" for choice in chunk.choices)
    usage = chunk.usage
    if usage is None:
        return Finished(is_cut, before.prompt_tokens, before.cached_tokens, before.tokens)
    cached = getattr(usage.prompt_tokens_details, "cached_tokens", None)
    return Finished(is_cut, usage.prompt_tokens, cached, usage.completion_tokens)


def _explain(package: Any, exc: Exception, redact: Any, address: str) -> EngineError:
    """Describe an error of the server to the visitor, and to the operator."""
    body = getattr(exc, "body", None)
    body = body if isinstance(body, dict) else {}
    said = redact(str(body.get("message") or getattr(exc, "message", exc)))[:500].rstrip(". ")
    if isinstance(exc, package.APITimeoutError):
        detail = f"{address} did not answer in time."
        return EngineError("The model did not answer in time. Try a shorter message.", detail)
    if isinstance(exc, package.APIConnectionError):
        cause = redact(str(exc.__cause__ or said))
        detail = f"{address} cannot be reached ({cause}). Check that it runs, and --base-url."
        return EngineError("The model's server cannot be reached.", detail)
    status = getattr(exc, "status_code", None)
    detail = f"{address} answered HTTP {status}: {said}." if status else f"{address}: {said}."
    if status in {401, 403}:
        detail = f"{detail} Give its key in OPENAI_API_KEY."
        return EngineError("The model's server refused this Space's key.", detail)
    if is_overflow(f"{body.get('type')} {body.get('code')} {said}"[:_MOST_READ]):
        return ContextError(_too_long(body, said), detail)
    if status == 503:
        return EngineError("The model is not ready. Try again in a moment.", detail)
    if not isinstance(exc, package.APIError):
        detail = f"{address}: {type(exc).__name__}: {said}."
    return EngineError(
        "The model's server failed. Its operator finds the cause in the log.", detail
    )


_MOST_READ = 10_000  # characters of a server's message
_TOKENS = re.compile(r"request \((\d+) tokens\)|(?:requested|resulted in|contains at least) (\d+)")
_LIMIT = re.compile(r"context (?:size|length)(?: is| of)? \(?(\d+)")


def _too_long(body: Mapping[str, Any], said: str) -> str:
    tokens = _count(body.get("n_prompt_tokens")) or _number(_TOKENS, said)
    limit = _count(body.get("n_ctx")) or _number(_LIMIT, said)
    counted = f" of {tokens} tokens" if tokens else ""
    limited = f"the {limit} tokens that the model can read" if limit else "the model's context"
    return (
        f"The conversation{counted} does not fit into {limited}. Clear the chat or shorten the "
        "message, or serve the model with a larger context."
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _number(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return next((group for group in found.groups() if group), None) if found else None
