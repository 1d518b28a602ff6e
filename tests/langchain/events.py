"""A model whose Space is in this process, and gives the events that a test writes down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_qwen_space import ChatQwenSpace
from qwen_space.events import Event
from tests.core.chat_model.scripted_session import ScriptedSession

__all__ = ["model_of"]


def model_of(*replies: Sequence[Event], **arguments: Any) -> Any:
    """Return a model whose Space gives these replies, the last one again and again."""
    model = ChatQwenSpace(space="http://127.0.0.1:1", **arguments)
    session = ScriptedSession(replies)
    object.__setattr__(model, "_open_space", lambda: session)
    return model
