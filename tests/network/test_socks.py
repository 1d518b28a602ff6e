"""A real SOCKS5 proxy between the client and the app."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import SpaceClient, SpaceUnreachableError

if TYPE_CHECKING:
    from conftest import ScriptedSpace

    from tests.network.conftest import Start

pytestmark = pytest.mark.network


async def test_every_client_goes_through_a_socks_proxy(
    space: ScriptedSpace, microsocks: Start
) -> None:
    proxy = f"socks5://ada:p%40ss@{microsocks('ada', 'p@ss')}"

    async with SpaceClient(space.url, proxy=proxy) as client:
        assert (await client.complete("Hi")).text == "Hello there."
    model = ChatQwenSpace(space=space.url, proxy=proxy)
    assert (await asyncio.to_thread(model.invoke, "Hi")).text == "Hello there."
    assert (await QwenSpace(space=space.url, proxy=proxy).acomplete("Hi")).text == "Hello there."


@pytest.mark.parametrize("login", ["", "ada:wrong@"])
async def test_a_password_that_is_missing_or_wrong_is_told(microsocks: Start, login: str) -> None:
    address = microsocks("ada", "p@ss")

    async with SpaceClient("http://127.0.0.1:9", proxy=f"socks5://{login}{address}") as client:
        with pytest.raises(SpaceUnreachableError, match=f"the proxy socks5://{address}: "):
            await client.complete("Hi")


async def test_a_host_that_it_cannot_reach_is_told(microsocks: Start) -> None:
    proxy = f"socks5://ada:p@{microsocks('ada', 'p')}"

    async with SpaceClient("http://127.0.0.1:9", proxy=proxy) as client:
        with pytest.raises(SpaceUnreachableError, match="Connection refused by destination"):
            await client.complete("Hi")
