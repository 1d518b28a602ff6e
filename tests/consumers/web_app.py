"""Programs that other servers run, each with a model made before the server forks."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import celery
import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from langchain_qwen_space import ChatQwenSpace

model = ChatQwenSpace(space=os.environ["QWEN_SPACE_URL"])

if "gunicorn" in sys.argv[0]:
    model.invoke("Hi")  # in the parent, before the workers are forked


# Starlette, under gunicorn


async def ask(request: Request) -> PlainTextResponse:
    reply = await model.ainvoke("Hi")
    return PlainTextResponse(f"{os.getpid()} {os.getppid()} {reply.text}")


async def stream(request: Request) -> StreamingResponse:
    async def pieces() -> AsyncIterator[str]:
        async for chunk in model.astream("Hi"):
            yield chunk.text

    return StreamingResponse(pieces())


app = Starlette(routes=[Route("/ask", ask), Route("/stream", stream)])


# Celery, whose worker forks

tasks: Any = celery.Celery("tasks", broker="filesystem://", backend=os.environ.get("RESULTS"))
if folder := os.environ.get("BROKER"):
    tasks.conf.broker_transport_options = {
        "data_folder_in": folder,
        "data_folder_out": folder,
        "processed_folder": folder,
        "control_folder": folder,
    }


@tasks.task(name="ask")  # type: ignore[untyped-decorator, unused-ignore]
def ask_task(prompt: str) -> str:
    return f"{os.getpid()} {''.join(chunk.text for chunk in model.stream(prompt))}"


# Django, with asynchronous and blocking views


async def aview(request: HttpRequest) -> HttpResponse:
    return HttpResponse((await model.ainvoke("Hi")).text)


async def astreaming(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[str]:
        async for chunk in model.astream("Hi"):
            yield chunk.text

    return StreamingHttpResponse(pieces())


def view(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[str]:
        for chunk in model.stream("Hi"):
            yield chunk.text

    return StreamingHttpResponse(pieces())


urlpatterns = [path("a", aview), path("astream", astreaming), path("stream", view)]

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=True)
    django.setup()
