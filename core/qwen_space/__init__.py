"""A client of Gradio chat apps, the Qwen2.5 Hugging Face Spaces above all.

`Space` is where to begin; `SpaceClient` is the asynchronous client under it, and chat models over
it are in `langchain_qwen_space` and `llama_index_qwen_space`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qwen_space._version import __version__
from qwen_space.config import SpaceConfig, Timeouts
from qwen_space.errors import (
    AuthenticationError,
    ContextOverflowError,
    EndpointError,
    JobError,
    ModelNotOfferedError,
    NoSpaceAnsweredError,
    PromptTooLongError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
    TransportError,
    UploadError,
)

if TYPE_CHECKING:
    from qwen_space.chat.media import Media
    from qwen_space.chat_model.space import Space
    from qwen_space.client.client import SpaceClient
    from qwen_space.events import (
        Completed,
        ComponentReceived,
        Event,
        FileReceived,
        Notice,
        Queued,
        ReplyComponent,
        ReplyFile,
        Rewritten,
        SpaceFailure,
        Started,
        TextDelta,
        ThinkingDelta,
        Uploading,
    )

__all__ = [
    "AuthenticationError",
    "Completed",
    "ComponentReceived",
    "ContextOverflowError",
    "EndpointError",
    "Event",
    "FileReceived",
    "JobError",
    "Media",
    "ModelNotOfferedError",
    "NoSpaceAnsweredError",
    "Notice",
    "PromptTooLongError",
    "ProtocolError",
    "QueueFullError",
    "Queued",
    "QuotaError",
    "QwenSpaceError",
    "ReplyComponent",
    "ReplyFile",
    "Rewritten",
    "Space",
    "SpaceClient",
    "SpaceConfig",
    "SpaceError",
    "SpaceFailure",
    "SpaceStatusError",
    "SpaceTimeoutError",
    "SpaceUnavailableError",
    "SpaceUnreachableError",
    "Started",
    "StreamInterruptedError",
    "TextDelta",
    "ThinkingDelta",
    "Timeouts",
    "TransportError",
    "UploadError",
    "Uploading",
    "__version__",
]

# The modules of names that are imported when they are first asked for: aiohttp, which the clients
# need, takes a fifth of a second, and msgspec, which the events need, a third of the rest.
_MODULES = {
    "Media": "qwen_space.chat.media",
    "Space": "qwen_space.chat_model.space",
    "SpaceClient": "qwen_space.client.client",
}
_EVENTS = "qwen_space.events"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES.get(name, _EVENTS)), name)
    globals()[name] = value  # the next time it is found without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
