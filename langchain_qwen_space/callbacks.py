"""The events before a reply's first token, as LangChain's custom events.

A model that runs inside a chain, a graph or any other runnable dispatches `qwen_space_queued`,
`qwen_space_started` and `qwen_space_notice`; `astream_events` and callbacks with
`on_custom_event` see them, and LangGraph's `stream_mode="custom"`. A model that is
called by itself has no run to dispatch them in: there they are in `response_metadata` only.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables.config import ensure_config, get_callback_manager_for_config
from msgspec.structs import asdict

from qwen_space.chat_model.reply import StatusEvent
from qwen_space.events import Notice, Queued, Started

__all__ = ["STATUS", "adispatch_status", "dispatch_status"]

STATUS = (Queued, Started, Notice)

_NAMES: Mapping[type[StatusEvent], str] = {
    Queued: "qwen_space_queued",
    Started: "qwen_space_started",
    Notice: "qwen_space_notice",
}


def dispatch_status(event: StatusEvent) -> None:
    """Dispatch an event to the run around the model, if there is one."""
    name, data = _NAMES[type(event)], asdict(event)
    _write_to_graph(name, data)
    if _is_in_a_run():
        dispatch_custom_event(name, data)


async def adispatch_status(event: StatusEvent) -> None:
    """Do as `dispatch_status`."""
    name, data = _NAMES[type(event)], asdict(event)
    _write_to_graph(name, data)
    if _is_in_a_run():
        await adispatch_custom_event(name, data)


def _write_to_graph(name: str, data: dict[str, Any]) -> None:
    """Write an event into a LangGraph graph's `stream_mode="custom"`, within one."""
    if (langgraph := sys.modules.get("langgraph.config")) is None:
        return
    with contextlib.suppress(RuntimeError, KeyError):  # no graph is running
        langgraph.get_stream_writer()({name: data})


def _is_in_a_run() -> bool:
    return get_callback_manager_for_config(ensure_config()).parent_run_id is not None
