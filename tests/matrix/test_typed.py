"""Functions of `gr.api`, which have types and parameters in place of components."""

from __future__ import annotations

import pytest

from qwen_space import SpaceClient
from tests.matrix.apps import Apps, environment

# Gradio 5.29.0 does not serve a page that has such a function.
pytestmark = [pytest.mark.matrix, pytest.mark.timeout(600)]

CHAT = [
    {"role": "system", "content": "Brief."},
    {"role": "user", "content": "One"},
    {"role": "assistant", "content": "Two"},
    {"role": "user", "content": "Three"},
]


@pytest.mark.parametrize(("release", "day"), [("5.50.0", "2026-03-01"), ("6.31.0", None)])
async def test_the_chat_reaches_the_parameters_by_their_names(
    apps: Apps, release: str, day: str | None
) -> None:
    url = apps.running(environment(release, day, []), ["typed"])["typed"]

    async with SpaceClient(url) as client:
        done = await client.chat(CHAT, inputs={"heat": 0.2})
        plain = await client.complete("Hi")

    assert done.text == "Brief. ['One', 'Two'] Three 0.2"
    assert plain.text == "Kind. [] Hi 0.5"


@pytest.mark.parametrize(("release", "day"), [("5.50.0", "2026-03-01"), ("6.31.0", None)])
async def test_the_chat_reaches_the_list_of_messages(
    apps: Apps, release: str, day: str | None
) -> None:
    url = apps.running(environment(release, day, []), ["listed"])["listed"]

    async with SpaceClient(url) as client:
        done = await client.chat(CHAT)

    assert done.text == f"{[(each['role'], each['content']) for each in CHAT]} 0.5"
