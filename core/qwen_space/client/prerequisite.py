"""Runs the functions that an app's page runs before the one that answers."""

from __future__ import annotations

import contextlib
import reprlib
from collections.abc import Mapping
from typing import Any

import msgspec

from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Transport
from qwen_space.client.http_errors import function_error
from qwen_space.client.stream import EventStreamReader
from qwen_space.client.submit import Submission
from qwen_space.errors import JobError, ProtocolError, SpaceStatusError
from qwen_space.gradio.job import Job
from qwen_space.gradio.page.endpoint import Endpoint
from qwen_space.gradio.remarks import Remarks
from qwen_space.gradio.wire.messages import to_states
from qwen_space.gradio.wire.requests import JobRequest

__all__ = ["Given", "run_prerequisite", "run_renderer"]


class Given(msgspec.Struct, frozen=True):
    """The part of the page that a function has changed.

    Attributes:
        values: The values that components got, by their numbers.
        states: The numbers of the states that have another value, which stays on the server.
    """

    values: Mapping[Any, Any]
    states: frozenset[int] = frozenset()


async def run_prerequisite(
    transport: Transport,
    step: Endpoint,
    request: JobRequest,
    deadline: Deadline,
    remarks: Remarks,
) -> Given:
    """Run a function that the app's page runs before the one that answers.

    Args:
        transport: Sends the requests.
        step: The function.
        request: Its arguments and its session.
        deadline: The time limits.
        remarks: Collects the words that the app says.

    Returns:
        The part of the page that it has changed.

    Raises:
        QwenSpaceError: The Space cannot be reached, refuses, or fails.
    """
    if step.queued:
        job = await _complete(transport, step, request, deadline, remarks)
        data, states = job.data, frozenset(job.changed_states)
    else:
        data, states = await _run(transport, step, request, deadline)
    if len(data) != len(step.outputs):
        raise ProtocolError(
            f"{step.title} gave {len(data)} values for {len(step.outputs)} outputs."
        )
    pairs = zip(step.outputs, map(_value, data), strict=True)
    values = {part: value[0] for part, value in pairs if part is not None and value}
    return Given(values, states)


async def run_renderer(
    transport: Transport, step: Endpoint, request: JobRequest, deadline: Deadline
) -> Any:
    """Run a function that makes parts of the app's page, and return them.

    Raises:
        QwenSpaceError: The Space cannot be reached, refuses, or fails.
    """
    job = await _complete(transport, step, request, deadline, Remarks())
    return job.rendered


async def _complete(
    transport: Transport,
    step: Endpoint,
    request: JobRequest,
    deadline: Deadline,
    remarks: Remarks,
) -> Job:
    """Submit a job that gives no reply, and return it once it is completed."""
    submission = Submission(transport, step, request, deadline)
    opened = await submission.submit(may_call=False)
    reply = EventStreamReader(submission, *opened, None, remarks)
    # It is not released: the next step has the same session, whose messages could come on it.
    with contextlib.closing(reply):
        async for _ in reply.events():
            pass  # it is no reply, and the one that the user waits for comes after it
    return reply.job


async def _run(
    transport: Transport, step: Endpoint, request: JobRequest, deadline: Deadline
) -> tuple[list[Any], frozenset[int]]:
    """Run a function that does not go by the queue; return its values and the changed states."""
    url = f"{transport.config.url}{step.prefix}/run/predict"
    try:
        answer = await transport.json("POST", url, deadline, request.body)
    except SpaceStatusError as exc:
        if exc.status != 500:
            raise
        reason = function_error(exc.body)
        raise JobError(f"the step {step.title} before the reply: {reason}") from exc
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise ProtocolError(f"{url} answered without data: {reprlib.repr(answer)}")
    return data, to_states(answer.get("changed_state_ids"))


def _value(item: Any) -> list[Any]:
    """Return the value that a component gets, in a list; none if it keeps its own."""
    if isinstance(item, dict) and item.get("__type__") == "update":
        return [item["value"]] if "value" in item else []
    return [item]
