"""Certificates, logins and headers, through the LLM."""

from __future__ import annotations

import asyncio
import copy
import pickle
import ssl
from pathlib import Path
from typing import Any

import pytest

from llama_index_qwen_space import QwenSpace
from tests.certificates import CA, server_tls
from tests.scripted_server import ScriptedServer


async def test_certificates_of_a_file_are_trusted(tmp_path: Path) -> None:
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")

    async with ScriptedServer(tls=server_tls()) as space:
        llm = QwenSpace(space=space.url, verify=tmp_path / "ca.pem")
        assert (await llm.acomplete("Hi")).text == "Hello there."
        assert (await asyncio.to_thread(llm.complete, "Hi")).text == "Hello there."


def secret_llm() -> QwenSpace:
    return QwenSpace(
        space="127.0.0.1:1", verify=ssl.create_default_context(), auth=("ada", "login_secret")
    )


def test_a_login_and_a_context_are_in_nothing_that_is_written() -> None:
    llm = secret_llm()

    assert "login_secret" not in repr(llm) + llm.to_json() + str(llm.to_dict())
    again = pickle.loads(pickle.dumps(llm))
    assert (again.auth, again.verify) == (None, True)
    assert b"login_secret" not in pickle.dumps(llm)


def test_a_copy_keeps_the_login_and_the_certificates() -> None:
    llm = secret_llm()

    for copied in (copy.copy(llm), copy.deepcopy(llm), llm.model_copy(deep=True)):
        assert copied.auth == ("ada", "login_secret")
        assert copied.verify is llm.verify


@pytest.mark.parametrize("bad", [{"verify": None}, {"auth": "ada:pw"}, {"trust_env": "maybe"}])
def test_a_bad_value_is_a_misuse(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        QwenSpace(**bad)


async def test_headers_of_a_call_reach_the_space() -> None:
    async with ScriptedServer() as space:
        llm = QwenSpace(space=space.url)
        await llm.acomplete("Hi", headers={"X-IP-Token": "visitor"})
        await llm.acomplete("Hi")

    assert [each.headers.get("x-ip-token") for each in space.joins] == ["visitor", None]
