"""Asks the Hugging Face hub which Spaces run, by its own client."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from qwen_space import __version__
from qwen_space.client.http_errors import parse_retry_after
from qwen_space.client.hub import read_status
from qwen_space.config import SpaceConfig, space_id
from qwen_space.errors import (
    AuthenticationError,
    ProtocolError,
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnreachableError,
)

if TYPE_CHECKING:
    from huggingface_hub.hf_api import SpaceInfo

__all__ = ["Candidate", "Query", "list_candidates"]

logger = logging.getLogger("qwen_space.find")

_FIELDS: list[Any] = ["likes", "models", "private", "runtime", "sdk", "subdomain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question to the hub.

    Attributes:
        words: Words of a Space's name.
        hub: The hub's address.
        token: A token for the hub; None takes the one that its own client has stored.
        hardware: The machine that a Space has to run on, such as "zero-a10g"; None is any.
        min_likes: How many people have to like it.
        candidates: How many Spaces the hub is asked for at most.
        seconds: How long to wait for the hub, which may want its client to wait for a rate limit.
    """

    words: str
    hub: str
    token: str | None = None
    hardware: str | None = None
    min_likes: int = 0
    candidates: int = 200
    seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A Gradio app that runs, as the hub says.

    Attributes:
        space: Its id.
        url: The address of its app; None if the hub names none that can be trusted.
        likes: How many people like it.
        hardware: The machine that it runs on.
        models: The models that its owner names.
        is_private: Whether it needs a token.
    """

    space: str
    url: str | None = None
    likes: int = 0
    hardware: str | None = None
    models: tuple[str, ...] = ()
    is_private: bool = False


async def list_candidates(query: Query) -> list[Candidate]:
    """Return the Gradio apps that run, those with the most likes first.

    Raises:
        ImportError: The extra `find` is not installed.
        SpaceTimeoutError: The hub did not answer in time.
        QwenSpaceError: It cannot be reached, refuses, or does not answer as it should.
    """
    infos = await _in_thread(query)
    found = [_read(info, query) for info in infos]
    return [each for each in found if each is not None]


async def _in_thread(query: Query) -> list[SpaceInfo]:
    """Ask the hub in a thread that no program waits for: its client sleeps for minutes if told."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[SpaceInfo]] = loop.create_future()

    def ask() -> None:
        try:
            infos, error = _ask(query), None
        except BaseException as exc:  # for the caller
            infos, error = [], exc
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, answer, infos, error)

    threading.Thread(target=ask, name="qwen-space find", daemon=True).start()
    try:
        return await asyncio.wait_for(answer, query.seconds)
    except asyncio.TimeoutError as exc:
        if isinstance(exc, QwenSpaceError):
            raise
        raise SpaceTimeoutError(
            "hub", query.seconds, "Its rate limit may be reached: try again later."
        ) from exc


def _settle(
    answer: asyncio.Future[list[SpaceInfo]], infos: list[SpaceInfo], error: BaseException | None
) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(infos)
    else:
        answer.set_exception(error)


def _ask(query: Query) -> list[SpaceInfo]:
    try:
        from huggingface_hub import HfApi, get_session
        from huggingface_hub.errors import HfHubHTTPError
    except ModuleNotFoundError as exc:
        raise ImportError(
            'Finding Spaces needs huggingface_hub: pip install "qwen-space[find]".'
        ) from exc
    api = HfApi(
        endpoint=query.hub.rstrip("/"),
        token=query.token,
        library_name="qwen-space",
        library_version=__version__,
    )
    listed = api.list_spaces(
        search=query.words or None,
        filter="gradio",
        sort="likes",
        limit=query.candidates,
        expand=_FIELDS,
    )
    try:
        # Its client tries the list for half a minute where there is no network.
        get_session().head(query.hub, timeout=query.seconds)
        return list(islice(listed, query.candidates))
    except HfHubHTTPError as exc:
        raise _refused(query.hub, exc) from exc
    except (AttributeError, KeyError, TypeError, ValueError) as exc:  # its client reads any answer
        raise ProtocolError(
            f"{query.hub} does not answer as the Hugging Face hub does ({exc!r:.100}). Check "
            "HF_ENDPOINT."
        ) from exc
    except Exception as exc:
        if type(exc).__module__.partition(".")[0].startswith("httpx"):
            said = "Check the network, the proxy and HF_ENDPOINT."
            raise SpaceUnreachableError(query.hub, str(exc), remedy=said) from exc
        raise


def _refused(hub: str, exc: Any) -> QwenSpaceError:
    status, headers = exc.response.status_code, exc.response.headers
    if status == 429:
        seconds = parse_retry_after(headers.get("Retry-After"), time.time())
        return QuotaError(f"{hub} does not list more Spaces now", seconds)
    if status in {401, 403}:
        return AuthenticationError(hub, str(exc), "Check HF_TOKEN, or log in again.")
    return SpaceStatusError(status, hub, exc.response.text[:200])


def _read(info: SpaceInfo, query: Query) -> Candidate | None:
    """Return a Space that the query is about; None for any other, and for nonsense."""
    raw = getattr(info.runtime, "raw", None)
    runtime = raw if isinstance(raw, dict) else {}
    hardware = runtime.get("hardware")
    current = hardware.get("current") if isinstance(hardware, dict) else None
    likes = info.likes if isinstance(info.likes, int) else 0
    if info.sdk not in {None, "gradio"} or runtime.get("stage") != "RUNNING":
        return None
    if likes < query.min_likes or query.hardware not in {None, current}:
        return None
    if not isinstance(info.id, str) or space_id(info.id) != info.id:
        return None
    config = SpaceConfig(space=info.id, hub=query.hub)
    status = read_status({"id": info.id, "host": info.host, "runtime": runtime}, config)
    models = info.models if isinstance(info.models, list) else []
    return Candidate(
        space=info.id,
        url=None if status is None else status.url,
        likes=likes,
        hardware=current if isinstance(current, str) else None,
        models=tuple(each for each in models[:8] if isinstance(each, str)),
        is_private=info.private is True,
    )
