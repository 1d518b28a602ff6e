"""Certificates, logins and headers, through the chat model."""

from __future__ import annotations

import asyncio
import copy
import pickle
import ssl
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps

from langchain_qwen_space import ChatQwenSpace
from tests.certificates import CA, server_tls
from tests.scripted_server import ScriptedServer

VISITOR = {"X-IP-Token": "visitor_secret"}


async def test_certificates_of_a_file_are_trusted(tmp_path: Path) -> None:
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")

    async with ScriptedServer(tls=server_tls()) as space:
        model = ChatQwenSpace(space=space.url, verify=tmp_path / "ca.pem")
        assert (await model.ainvoke("Hi")).text == "Hello there."
        assert (await asyncio.to_thread(model.invoke, "Hi")).text == "Hello there."


def secret_model() -> ChatQwenSpace:
    return ChatQwenSpace(
        space="127.0.0.1:1", verify=ssl.create_default_context(), auth=("ada", "login_secret")
    )


def test_a_login_and_a_context_are_in_nothing_that_is_written() -> None:
    model = secret_model()

    assert "login_secret" not in repr(model) + dumps(model) + str(model.model_dump())
    again = pickle.loads(pickle.dumps(model))
    assert (again.auth, again.verify) == (None, True)
    assert b"login_secret" not in pickle.dumps(model)


def test_a_copy_keeps_them() -> None:
    model = secret_model()

    for copied in (copy.copy(model), copy.deepcopy(model), model.model_copy(deep=True)):
        assert copied.auth == ("ada", "login_secret")
        assert copied.verify is model.verify


@pytest.mark.parametrize("bad", [{"verify": None}, {"auth": "ada:pw"}, {"trust_env": "maybe"}])
def test_a_bad_value_is_a_misuse(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        ChatQwenSpace(**bad)


class Seen(BaseCallbackHandler):
    def __init__(self) -> None:
        self.told: list[str] = []

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.told.append(f"{args} {kwargs}")


async def test_headers_of_a_call_reach_the_space_and_no_trace_or_cache() -> None:
    seen, cache = Seen(), InMemoryCache()

    async with ScriptedServer() as space:
        model = ChatQwenSpace(space=space.url, cache=cache, callbacks=[seen])
        await model.ainvoke("Hi", headers=VISITOR)
        await model.ainvoke("Hi", headers={"X-IP-Token": "of another visitor"})

    (join,) = space.joins  # the second answer came from the cache
    assert join.headers["x-ip-token"] == "visitor_secret"
    assert len(seen.told) == 2
    assert "visitor" not in str(seen.told)
    assert "visitor" not in str(cache._cache)
