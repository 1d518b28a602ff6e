"""An endpoint that streams a reply, and stops the job when its visitor leaves.

    pip install qwen-space fastapi uvicorn
    uvicorn fastapi_app:app --app-dir examples
    curl --no-buffer "http://127.0.0.1:8000/ask?question=Hi"

A failure before the first text has its own status; later it ends the stream, as HTTP has no other
word for it. `ASK_AT_ONCE` (8) visitors are answered at the same time, and others get 503.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse

from qwen_space import (
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    Space,
    SpaceTimeoutError,
    TextDelta,
)

app = FastAPI()
space = Space(os.environ.get("QWEN_SPACE_URL") or "Qwen/Qwen2.5")
free = asyncio.Semaphore(int(os.environ.get("ASK_AT_ONCE", "8")))


@app.get("/ask")
async def ask(question: str) -> StreamingResponse:
    """Stream the reply to a question as plain text."""
    if free.locked():
        raise HTTPException(503, "Too many visitors at once.", {"Retry-After": "5"})
    pieces = _pieces(question)
    try:
        first = await anext(pieces, "")
    except (QwenSpaceError, ValueError) as exc:
        raise to_http(exc) from exc
    return StreamingResponse(_chain(first, pieces), media_type="text/plain")


async def _pieces(question: str) -> AsyncGenerator[str, None]:
    async with free, space.astream(question) as events:  # closing it stops the job
        async for event in events:
            if isinstance(event, TextDelta):
                yield event.delta


async def _chain(first: str, rest: AsyncGenerator[str, None]) -> AsyncIterator[str]:
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece


def to_http(exc: Exception) -> HTTPException:
    """Return the status of a failure, with its sentence."""
    match exc:
        case QuotaError() | QueueFullError():
            seconds = getattr(exc, "retry_after", None)
            headers = {"Retry-After": f"{seconds:.0f}"} if seconds else None
            return HTTPException(429, str(exc), headers)
        case SpaceTimeoutError():
            return HTTPException(504, str(exc))
        case QwenSpaceError():
            return HTTPException(502, str(exc))
    return HTTPException(422, str(exc))
