"""A Space of one's own tells its context window, and both models know it once they have asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.messages import AIMessage, HumanMessage

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import Space
from qwen_space.local import LocalSpace, ScriptedEngine

WINDOW = 600


@pytest.fixture(scope="module")
def local() -> Iterator[LocalSpace]:
    engine = ScriptedEngine(["Hello."])
    engine.context = WINDOW  # type: ignore[attr-defined]
    with LocalSpace(engine) as space:
        yield space


@pytest.fixture
def engine(local: LocalSpace) -> Any:
    local.engine.requests.clear()
    return local.engine


async def test_a_space_finds_its_endpoint_without_a_call(local: LocalSpace, engine: Any) -> None:
    space = Space(local.url)
    assert space.found is None

    found = await space.aendpoint()

    assert found.context_window == WINDOW
    assert space.found == found == Space(local.url).endpoint()
    assert engine.requests == []


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_langchain_s_profile_can_be_loaded(
    local: LocalSpace, engine: Any, asynchronous: bool
) -> None:
    model = ChatQwenSpace(space=local.url)
    assert "max_input_tokens" not in (model.profile or {})

    profile = await model.aload_profile() if asynchronous else model.load_profile()

    assert profile == model.profile
    assert profile["max_input_tokens"] == WINDOW
    assert profile["image_inputs"] is False
    assert profile["name"] == "Qwen2.5-72B-Instruct"  # the first of the app's sizes
    assert engine.requests == []


def test_triggers_by_fractions_of_the_window_work(local: LocalSpace, engine: Any) -> None:
    model = ChatQwenSpace(space=local.url)
    model.load_profile()
    summarize = SummarizationMiddleware(model, trigger=("fraction", 0.5), keep=("messages", 1))
    agent = create_agent(model, middleware=[summarize])
    long = [HumanMessage("one two three " * 100), AIMessage("four"), HumanMessage("And now?")]

    agent.invoke({"messages": long[2:]})
    short_requests = len(engine.requests)
    state = agent.invoke({"messages": long})

    assert short_requests == 1
    assert len(engine.requests) == 3  # a summary, and the answer
    assert "summary" in str(state["messages"][0].content).lower()


@pytest.mark.parametrize("way", ["load", "aload", "call"])
async def test_llama_index_s_metadata_has_it_once_the_app_was_asked(
    local: LocalSpace, way: str
) -> None:
    llm = QwenSpace(space=local.url)
    assert llm.metadata.context_window == 32_768

    match way:
        case "load":
            assert llm.load_metadata().context_window == WINDOW
        case "aload":
            assert (await llm.aload_metadata()).context_window == WINDOW
        case _:
            await llm.acomplete("Hi")

    assert (llm.metadata.context_window, llm.metadata.num_output) == (WINDOW, WINDOW // 4)
    assert llm.metadata.model_name == "Qwen2.5-72B-Instruct"
    assert QwenSpace(space=local.url, context_window=500).metadata.context_window == 500


def test_traces_name_the_model_once_it_is_known(local: LocalSpace) -> None:
    model = ChatQwenSpace(space=local.url)
    assert model._get_ls_params()["ls_model_name"] == "qwen-2.5"

    model.invoke("Hi")

    assert model._get_ls_params()["ls_model_name"] == "Qwen2.5-72B-Instruct"
