"""Pages that keep the turns beside their chat, and pages that set their model as they load."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space import Space, SpaceClient
from tests.matrix.apps import Apps, environment

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(600)]

# The oldest and the newest release of each; `gr.BrowserState` came with 5.6.
KEPT = "kept-json kept-table kept-box loaded"
RELEASES = [
    ("4.0.2", "2023-11-10", KEPT),
    ("5.6.0", "2024-11-25", "kept-browser"),
    ("6.31.0", None, f"{KEPT} kept-browser"),
]
CHAT = [
    {"role": "user", "content": "One"},
    {"role": "assistant", "content": "Two"},
    {"role": "user", "content": "Three"},
]
SPLIT = "User: One\nAssistant: Two\nUser: Three\nAssistant:"


def running(apps: Apps, release: str, flavour: str) -> str:
    """Return the address of a running app."""
    day, flavours = next((day, all_) for each, day, all_ in RELEASES if each == release)
    return apps.running(environment(release, day, []), flavours.split())[flavour]


def cases(prefix: str) -> list[Any]:
    return [
        pytest.param(release, flavour, id=f"{release}-{flavour}")
        for release, _, flavours in RELEASES
        for flavour in flavours.split()
        if flavour.startswith(prefix)
    ]


@pytest.mark.parametrize(("release", "flavour"), cases("kept"))
async def test_turns_that_a_component_keeps_go_into_the_prompt(
    apps: Apps, release: str, flavour: str
) -> None:
    url = running(apps, release, flavour)

    async with SpaceClient(url) as client:
        done = await client.chat(CHAT)
    async with SpaceClient(url, history="native") as client:
        with pytest.warns(UserWarning, match="no input for a history"):
            warned = await client.chat(CHAT)

    assert done.text == warned.text == f"0 kept: {SPLIT}"


@pytest.mark.parametrize(("release", "flavour"), cases("loaded"))
def test_a_model_that_the_page_sets_as_it_loads_is_the_caller_s_to_choose(
    apps: Apps, release: str, flavour: str
) -> None:
    url = running(apps, release, flavour)

    assert Space(url).complete("Hi").text == "a: Hi"
    assert Space(url, inputs={"Model": "b"}).complete("Hi").text == "b: Hi"
