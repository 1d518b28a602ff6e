"""The same chat app on Gradio releases from the oldest to the newest, each as it was in its day.

Not part of the quick tests: `pytest -m matrix` makes an environment for each release.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import Any

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import (
    JobError,
    Media,
    Notice,
    Queued,
    SpaceClient,
    SpaceConfig,
    TextDelta,
)
from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space
from tests.matrix.apps import Apps, environment
from tests.matrix.releases import MEDIA_RELEASES, RELEASES
from tests.media_app import PNG, SILENCE, describe

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(600)]

INTERFACES = {"interface", "multimodal"}
PAGES = {"escaped", "page"}  # whose texts are HTML

PIECES = ["a", "a", " b", "[1]", '["append", [0], "x"]', "\nlist\n", "- x", " 你好🙂", "!"]
TEXT = "".join(PIECES)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((release, day, flavour), id=f"{release}-{flavour}")
        for release, day, flavours in RELEASES
        for flavour in flavours.split()
    ],
)
def url(request: pytest.FixtureRequest, apps: Apps) -> str:
    """The address of a running app."""
    release, day, named = request.param
    flavour, _, version = named.partition("==")
    more = [f"modelscope_studio=={version}"] if version else []
    beside = next(each.split() for other, _, each in RELEASES if other == release)
    flavours = [flavour] if more else [each for each in beside if "==" not in each]
    return apps.running(environment(release, day, more), flavours)[flavour]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((release, day, flavours, flavour), id=f"{release}-{flavour}")
        for release, day, flavours in MEDIA_RELEASES
        for flavour in flavours.split()
    ],
)
def media_app(request: pytest.FixtureRequest, apps: Apps) -> tuple[str, str]:
    """The flavour and the address of a running app that takes files, or answers with one."""
    release, day, flavours, flavour = request.param
    return flavour, apps.running(environment(release, day, []), flavours.split())[flavour]


@pytest.fixture(scope="module", params=MEDIA_RELEASES, ids=lambda release: str(release[0]))
def agent(request: pytest.FixtureRequest, apps: Apps) -> str:
    """The address of an app that answers in several messages, from a state."""
    release, day, _ = request.param
    return apps.running(environment(release, day, []), ["agent"])["agent"]


async def test_each_piece_is_a_delta_and_the_text_is_exact(url: str) -> None:
    async with SpaceClient(url) as client, client.stream(json.dumps(PIECES)) as stream:
        events = [event async for event in stream]

    deltas = [event.delta for event in events if isinstance(event, TextDelta)]
    assert events[-1].text == "".join(deltas) == TEXT
    # Two pieces may come as one: a trailing line break waits for the next text, and servers
    # up to 6.10 send all that has come up every 50 ms.
    assert len(deltas) >= len(PIECES) - 2


def test_langchain_and_llama_index_agree_streamed_and_not(url: str) -> None:
    chat, llm, prompt = ChatQwenSpace(space=url), QwenSpace(space=url), json.dumps(PIECES)

    texts = {
        "invoke": chat.invoke(prompt).text,
        "stream": "".join(chunk.text for chunk in chat.stream(prompt)),
        "complete": llm.complete(prompt).text,
        "stream_complete": "".join(chunk.delta or "" for chunk in llm.stream_complete(prompt)),
    }

    assert texts == dict.fromkeys(texts, TEXT)


async def test_a_failing_app_is_an_error_with_the_text_so_far(url: str) -> None:
    async with SpaceClient(url) as client:
        with pytest.raises(JobError) as caught:
            await client.complete(json.dumps(["one ", "two", "RAISE"]))

    assert caught.value.text == "one two"
    assert caught.value.reason in {"planned failure", None}


async def test_a_message_of_the_app_is_a_notice(url: str, request: pytest.FixtureRequest) -> None:
    flavour = request.node.callspec.params["url"][2]
    async with SpaceClient(url) as client, client.stream(json.dumps(["a"])) as stream:
        notices = [event.message async for event in stream if isinstance(event, Notice)]

    assert notices == ([] if flavour in {"steps", *INTERFACES, *PAGES} else ["answering"])


SAID = ["first question", "first answer", '["HISTORY"]']
CHAT = [Turn(role, text) for role, text in zip(["user", "assistant", "user"], SAID, strict=True)]


def keeps_its_own(request: pytest.FixtureRequest) -> bool:
    """Whether the app has its history in the session, where nothing can be put into it."""
    return request.node.callspec.params["url"][2] in {*INTERFACES, "page"}


async def test_earlier_turns_go_into_the_history_in_its_own_shape(
    url: str, request: pytest.FixtureRequest
) -> None:
    warns = pytest.warns(UserWarning, match="no input for a history")
    async with SpaceClient(url, history="native") as client:
        with warns if keeps_its_own(request) else contextlib.nullcontext():
            done = await client.chat(CHAT)

    assert "first question" in done.text
    assert "first answer" in done.text


async def test_auto_sends_turns_where_the_app_told_how_and_text_elsewhere(
    url: str, request: pytest.FixtureRequest
) -> None:
    async with SpaceClient(url, history="auto") as client:
        done = await client.chat(CHAT)

    assert "first question" in done.text
    assert "first answer" in done.text
    # The app answers a prompt that is no JSON with the prompt itself.
    assert done.text.startswith("User: first question") == keeps_its_own(request)


def test_auto_sends_text_where_tools_are_bound(url: str) -> None:
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    chat = ChatQwenSpace(space=url, history="auto").bind_tools([add])

    reply = chat.invoke([("human", SAID[0]), ("ai", SAID[1]), ("human", SAID[2])])

    assert "User: first question\nAssistant: first answer\nUser: " in reply.text


def test_a_blocking_stream_that_is_left_ends_its_job(url: str) -> None:
    space = Space.from_config(SpaceConfig(space=url))
    before = int(space.complete('["COUNT"]').text)
    stream = space.stream_chat([Turn("user", json.dumps(["a"] * 300))])
    next(event for event in stream if isinstance(event, TextDelta))

    stream.close()

    assert int(space.complete('["COUNT"]').text) - before < 150


async def count(client: SpaceClient) -> int:
    """Return how many pieces the app has made; it makes those of one prompt at a time."""
    return int((await client.complete('["COUNT"]')).text)


async def leave(client: SpaceClient, prompt: str, event_type: type[Any]) -> None:
    """Leave the stream of a prompt at the first event of a type."""
    async with client.stream(prompt) as events:
        async for event in events:
            if isinstance(event, event_type):
                return


async def test_a_job_that_is_left_ends_on_the_server(url: str) -> None:
    async with SpaceClient(url) as client:
        before = await count(client)
        await leave(client, json.dumps(["a"] * 300), TextDelta)

        assert await count(client) - before < 150


# They take no job from their queue once its stream is closed, nor when asked to.
KEEPS_WAITING = {"4.19.2", "4.20.1", "4.21.0", "4.23.0"}


async def test_a_job_that_is_left_in_the_queue_never_runs(
    url: str, request: pytest.FixtureRequest
) -> None:
    release = request.node.callspec.params["url"][0]
    async with SpaceClient(url) as client:
        before = await count(client)
        async with client.stream(json.dumps(["a"] * 30)) as running:
            async for event in running:
                if isinstance(event, TextDelta):
                    await leave(client, json.dumps(["b"] * 300), Queued)
                    break
            async for _ in running:
                pass
        made = await count(client) - before

    assert (made >= 300) == (release in KEEPS_WAITING)


IMAGE = Media("image", data=PNG, mime_type="image/png", name="red.png")
PDF = Media("file", data=b"%PDF-1.4", mime_type="application/pdf", name="a b.pdf")
SOUND = Media("audio", data=SILENCE, name="beep.wav")
FILM = Media("video", data=b"\0\0\0\x18ftypmp42" + b"\0" * 40, name="v.mp4")
GIVEN = {
    "image": [IMAGE],
    "audio": [SOUND],
    "video": [FILM],
    "file": [PDF],
    "files": [PDF, IMAGE],
    "gallery": [IMAGE],
    "upload": [IMAGE, dataclasses.replace(IMAGE, data=PNG + b"\0", name="two.png")],
    "later": [IMAGE],
    "button": [IMAGE],
    "history": [IMAGE],
}


def hashed(line: str) -> str:
    """Return the size and the hash in the line of a file."""
    return line.split(" ", line.count(" ") - 1)[-1]


async def test_files_go_to_the_app_and_come_from_it(media_app: tuple[str, str]) -> None:
    flavour, url = media_app
    async with SpaceClient(url, history="auto") as client:
        if flavour == "reply":
            done = await client.complete("Hi")
            assert await client.download(done.files[0]) == PNG
            return
        given = GIVEN[flavour]
        done = await client.complete("Look", files=given)
        told = [describe(each.filename, each.data or b"") for each in given]
        # The name may be another: Gradio 4.0 writes pictures anew.
        assert list(map(hashed, done.text.splitlines())) == list(map(hashed, told))
        if flavour == "history":
            chat = [
                {"role": "user", "content": [IMAGE, "One?"]},
                {"role": "assistant", "content": "1."},
                {"role": "user", "content": ["Two?", PDF]},
            ]
            told = [describe(each.filename, each.data or b"") for each in (IMAGE, PDF)]
            assert (await client.chat(chat)).text.splitlines() == told


def test_blocking_callers_send_files_too(media_app: tuple[str, str]) -> None:
    flavour, url = media_app
    if flavour != "reply":
        done = Space(url).complete("Look", files=GIVEN[flavour])
        assert len(done.text.splitlines()) == len(GIVEN[flavour])


async def test_several_messages_from_a_state_are_one_reply(agent: str) -> None:
    async with SpaceClient(agent) as client:
        done = await client.complete(json.dumps(PIECES))
        hot = await client.complete("Hi", sampling={"temperature": 1.5})

    assert (done.text, hot.text) == (f"Looking.\n\n0.7: {TEXT}", "Looking.\n\n1.5: Hi")
