"""Apps whose backend starts when somebody opens the page, though the chat needs nothing of that."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import gradio as gr
import pytest

from qwen_space import (
    ProtocolError,
    Space,
    SpaceClient,
    SpaceStatusError,
    SpaceTimeoutError,
    Timeouts,
)
from qwen_space.client import call as call_module
from qwen_space.client.deadline import Deadline
from qwen_space.client.lookup import EndpointResolver
from qwen_space.gradio.page.endpoint import Endpoint, Input
from tests import gradio_app


@dataclass
class Backend:
    """Counts how often its page was opened, and says so in each reply."""

    opened: int = 0
    sessions: set[str | None] = field(default_factory=set)

    def start(self) -> str:
        self.opened += 1
        return "Ready"

    def start_in_silence(self) -> None:
        self.opened += 1

    def start_a_session(self, request: gr.Request) -> str:
        self.sessions.add(request.session_hash)
        return self.start()

    def fail(self) -> str:
        self.opened += 1
        raise gr.Error("no disk")

    def watch(self) -> Iterator[str]:
        self.opened += 100
        yield "Up"

    def greet(self) -> list[dict[str, str]]:
        self.opened += 100
        return [{"role": "assistant", "content": "Hello"}]

    def greet_and_tell(self) -> tuple[str, list[dict[str, str]]]:
        return "Ready", self.greet()

    def reply(self, message: str, request: gr.Request) -> list[dict[str, str]]:
        known = " in its session" if request.session_hash in self.sessions else ""
        says = f"{message} after {self.opened}{known}"
        return [{"role": "user", "content": message}, {"role": "assistant", "content": says}]


def page(start: Callable[..., Any], shows: Callable[[], Any] | None, *, unload: bool) -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as app:
        backend, box = start.__self__, gr.Textbox(label="Message")  # type: ignore[attr-defined]
        chat = gr.Chatbot()
        app.load(start, None, None if shows is None else shows())
        box.submit(backend.reply, box, chat)
        if unload:
            app.unload(lambda: None)
    return app


def status() -> gr.Textbox:
    return gr.Textbox("Starting ...", label="Status", interactive=False)


async def ask_twice(
    start: Callable[..., Any], shows: Callable[[], Any] | None, *, unload: bool = False
) -> list[str]:
    with gradio_app.running(lambda: page(start, shows, unload=unload)) as url:
        async with SpaceClient(url) as client:
            return [(await client.complete("Hi")).text for _ in range(2)]


@pytest.mark.parametrize(
    ("start", "shows"),
    [
        pytest.param("start", status, id="a-status"),
        pytest.param("start", gr.Markdown, id="a-text-without-a-label"),
        pytest.param("start_in_silence", None, id="nothing"),
    ],
)
async def test_a_backend_that_the_page_starts_is_started_once(
    start: str, shows: Callable[[], Any] | None
) -> None:
    assert await ask_twice(getattr(Backend(), start), shows) == ["Hi after 1"] * 2


async def test_it_is_started_once_for_a_model_whose_calls_have_clients_of_their_own() -> None:
    with gradio_app.running(lambda: page(Backend().start, status, unload=False)) as url:
        space = Space(url)
        replies = [await space.acomplete("Hi") for _ in range(2)]

    assert [each.text for each in replies] == ["Hi after 1"] * 2


@pytest.mark.parametrize(
    ("start", "shows"),
    [
        pytest.param("watch", status, id="a-log-that-may-never-end"),
        pytest.param("greet", gr.Chatbot, id="a-greeting-in-another-chat"),
        pytest.param("greet_and_tell", lambda: [status(), gr.Chatbot()], id="with-a-status"),
    ],
)
async def test_other_work_of_the_page_is_left_to_a_browser(
    start: str, shows: Callable[[], Any]
) -> None:
    assert await ask_twice(getattr(Backend(), start), shows) == ["Hi after 0"] * 2


async def test_an_app_that_drops_something_as_its_page_is_left_has_it_for_each_call() -> None:
    said = await ask_twice(Backend().start_a_session, status, unload=True)

    assert said == ["Hi after 1 in its session", "Hi after 2 in its session"]


async def test_a_start_that_fails_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "qwen_space"):
        said = await ask_twice(Backend().fail, status)

    assert said == ["Hi after 1"] * 2
    assert [each.getMessage() for each in caplog.records] == [
        "/fail, which the page runs as it loads, failed: The app failed: no disk"
    ]


async def test_calls_at_the_same_time_wait_for_one_start() -> None:
    backend = Backend()
    with gradio_app.running(lambda: page(backend.start, status, unload=False)) as url:
        async with SpaceClient(url) as client:
            replies = await asyncio.gather(*(client.complete("Hi") for _ in range(3)))

    assert [each.text for each in replies] == ["Hi after 1"] * 3


async def test_a_start_that_takes_too_long_is_not_waited_for() -> None:
    started = threading.Event()

    class Slow(Backend):
        def start(self) -> str:
            started.wait(10)
            return "Ready"

    with gradio_app.running(lambda: page(Slow().start, status, unload=False)) as url:
        async with SpaceClient(url, timeouts=Timeouts(first_token=0.2)) as client:
            reply = await client.complete("Hi")
        started.set()

    assert reply.text == "Hi after 0"


async def test_all_starts_have_the_time_of_one_first_token(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float | None] = []

    async def run(*args: Any) -> None:
        limits.extend(each.timeouts.total for each in args if isinstance(each, Deadline))

    monkeypatch.setattr(call_module, "run_prerequisite", run)
    with gradio_app.running(lambda: page(Backend().start, status, unload=False)) as url:
        async with SpaceClient(url, timeouts=Timeouts(first_token=7.0)) as client:
            await client.complete("Hi")

    assert limits == [7.0]


# Calls at the same time, and apps that are deployed anew meanwhile.


def starting(app_id: int) -> Endpoint:
    status = Endpoint("start", 7, None, (), 0, "sse_v3", "")
    return Endpoint(
        "chat", 1, None, (Input("prompt", "Message"),), 0, "sse_v3", "", app_id=app_id,
        opening=(status,),
    )  # fmt: skip


@pytest.fixture
async def resolver() -> EndpointResolver:
    return EndpointResolver(cast("Any", None), starting(1))


async def nothing() -> None:
    """Start no backend."""


async def test_an_endpoint_that_is_forgotten_meanwhile_is_no_fault(
    resolver: EndpointResolver,
) -> None:
    async def forget() -> None:
        resolver.forget()

    endpoint = resolver.endpoint
    await asyncio.gather(
        *(resolver.open_page(endpoint, forget, Deadline(Timeouts())) for _ in range(2))
    )

    assert not resolver.is_resolved


async def test_an_app_that_is_deployed_anew_meanwhile_is_started_too(
    resolver: EndpointResolver,
) -> None:
    opened: list[int] = []

    async def deploy() -> None:
        opened.append(1)
        resolver._endpoint = starting(2)

    async def start() -> None:
        opened.append(2)

    await resolver.open_page(resolver.endpoint, deploy, Deadline(Timeouts()))
    for _ in range(2):
        await resolver.open_page(resolver.endpoint, start, Deadline(Timeouts()))

    assert opened == [1, 2]
    assert resolver.endpoint.opening == ()


async def test_an_endpoint_that_is_looked_up_again_needs_no_second_start(
    resolver: EndpointResolver,
) -> None:
    opened: list[int] = []

    async def start() -> None:
        opened.append(1)

    for _ in range(2):
        resolver._endpoint = starting(1)  # as for the names of its parameters
        await resolver.open_page(resolver.endpoint, start, Deadline(Timeouts()))

    assert opened == [1]
    assert resolver.endpoint.opening == ()


async def test_the_wait_for_another_call_has_the_calls_own_limit(
    resolver: EndpointResolver,
) -> None:
    endpoint, go_on = resolver.endpoint, asyncio.Event()

    async def start() -> None:
        await go_on.wait()

    first = asyncio.create_task(resolver.open_page(endpoint, start, Deadline(Timeouts())))
    await asyncio.sleep(0)
    with pytest.raises(SpaceTimeoutError, match=r"0\.05 seconds"):
        await resolver.open_page(endpoint, nothing, Deadline(Timeouts(total=0.05)))
    go_on.set()
    await first


@pytest.mark.parametrize("fault", ["values", "status"])
async def test_a_start_that_answers_wrongly_breaks_no_call(
    fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = ProtocolError("2 values") if fault == "values" else SpaceStatusError(403, "", "u")

    async def refuse(*args: Any) -> Any:
        raise error

    monkeypatch.setattr(call_module, "run_prerequisite", refuse)
    said = await ask_twice(Backend().start, status)

    assert said == ["Hi after 0"] * 2
    assert len([each for each in caplog.records if "as it loads, failed" in each.message]) == 1
