"""Runs what an app's page runs before the function that answers."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Transport
from qwen_space.client.stream import EventStreamReader
from qwen_space.client.submit import Opening
from qwen_space.errors import JobError, ProtocolError, SpaceStatusError
from qwen_space.gradio.endpoint import Endpoint
from qwen_space.gradio.requests import Join

__all__ = ["run_step"]


async def run_step(
    transport: Transport,
    step: Endpoint,
    join: Join,
    deadline: Deadline,
    send_data: Callable[[str | None], Awaitable[None]],
) -> dict[Any, Any]:
    """Run a function to its end, in the session of the one that answers.

    Args:
        transport: Sends the requests.
        step: The function.
        join: Its arguments and its session.
        deadline: The time limits.
        send_data: As for `EventStreamReader`.

    Returns:
        What it leaves in the page's components, by their numbers.

    Raises:
        QwenSpaceError: The Space cannot be reached, refuses, or fails.
    """
    if step.queued:
        body, job = await Opening(transport, step, join, deadline, may_call=False).open()
        # It is not let end: the next step has the same session, whose messages could come on it.
        with contextlib.closing(body):
            reply = EventStreamReader(body, job, deadline, None, send_data)
            async for _ in reply.events():
                pass  # it is no reply, and what the user waits for comes after it
        data = job.data
    else:
        data = await _run(transport, step, join, deadline)
    if len(data) != len(step.outputs):
        raise ProtocolError(f"/{step.api_name} gave {len(data)} values for {step.outputs!r}.")
    pairs = zip(step.outputs, map(_value, data), strict=True)
    return {component: value[0] for component, value in pairs if component is not None and value}


async def _run(transport: Transport, step: Endpoint, join: Join, deadline: Deadline) -> list[Any]:
    """Run a function that does not go by the queue."""
    url = f"{transport.config.url}{step.prefix}/run/predict"
    try:
        answer = await transport.json("POST", url, deadline, join.body)
    except SpaceStatusError as exc:
        if exc.status != 500:
            raise
        raise JobError(f"the step /{step.api_name} before the reply: {exc.body}") from exc
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise ProtocolError(f"{url} answered without data: {answer!r:.200}")
    return data


def _value(item: Any) -> list[Any]:
    """Return the value that a component gets, in a list; none if it keeps its own."""
    if isinstance(item, dict) and item.get("__type__") == "update":
        return [item["value"]] if "value" in item else []
    return [item]
