"""The tables of docs/langchain.md, which are those of LangChain's integration pages, row by row."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
from collections.abc import Callable
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

import langchain_qwen_space
from langchain_qwen_space import ChatQwenSpace
from tests.media_app import PNG, SILENCE, MediaApp, describe
from tests.obedient import obedient

if TYPE_CHECKING:
    from conftest import ScriptedSpace

PAGE = Path(__file__).parents[2] / "docs" / "langchain.md"


def read_table(title: str) -> dict[str, list[str]]:
    """Return the rows under a title, by their first column, without the table's head."""
    section = PAGE.read_text().partition(f"### {title}\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (.*) \|$", section, re.MULTILINE)[1:]
    return {first: rest for first, *rest in (row.split(" | ") for row in rows)}


class City(BaseModel):
    """A city."""

    name: str


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def calls_tools(model: ChatQwenSpace, media_app: MediaApp) -> bool:
    answer = model.bind_tools([add], tool_choice="any").invoke("What is 2 + 3?")
    return [call["name"] for call in answer.tool_calls] == ["add"]


def gives_objects(model: ChatQwenSpace, media_app: MediaApp) -> bool:
    found = [
        model.with_structured_output(City, method=method).invoke("Give the 'name' of a city.")
        for method in ("json_schema", "function_calling", "json_mode")
    ]
    return list(map(type, found)) == [City] * 3


def gives_json(model: ChatQwenSpace, media_app: MediaApp) -> bool:
    as_json = model.bind(response_format={"type": "json_object"})
    return list(json.loads(as_json.invoke("Give JSON with the key 'city'.").text)) == ["city"]


def takes(kind: str, data: bytes, mime_type: str) -> Callable[[ChatQwenSpace, MediaApp], bool]:
    block = {"type": kind, "base64": base64.b64encode(data).decode(), "mime_type": mime_type}
    question = HumanMessage([{"type": "text", "text": "Look"}, block])
    name = f"{kind}.{mime_type.partition('/')[2]}"

    def check(model: ChatQwenSpace, media_app: MediaApp) -> bool:
        with pytest.raises(ValueError, match=kind):
            model.invoke([question])
        return describe(name, data) in ChatQwenSpace(space=media_app(kind)).invoke([question]).text

    return check


def streams(model: ChatQwenSpace, media_app: MediaApp) -> bool:
    pieces = [chunk.text for chunk in model.stream("Hi") if chunk.text]
    return len(pieces) > 3 and "".join(pieces) == model.invoke("Hi").text


def is_async(model: ChatQwenSpace, media_app: MediaApp) -> bool:
    async def ask() -> set[threading.Thread]:
        before = set(threading.enumerate())
        async for _ in model.astream("Hi"):
            pass
        await model.ainvoke("Hi")
        return set(threading.enumerate()) - before

    own = [name for name in ("_astream", "_agenerate") if name in vars(ChatQwenSpace)]
    return len(own) == 2 and not asyncio.run(ask())


def counts_tokens(model: ChatQwenSpace, media_app: MediaApp) -> bool:
    answer = model.invoke("Hi")
    usage = answer.usage_metadata
    return bool(
        usage
        and usage["input_tokens"] > 0
        and usage["output_tokens"] > 0
        and usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        and answer.response_metadata["usage_source"]
    )


def gives_logprobs(model: ChatQwenSpace, media_app: MediaApp) -> bool:
    return "logprobs" in model.bind(logprobs=True).invoke("Hi").response_metadata


FEATURES: dict[str, Callable[[ChatQwenSpace, MediaApp], bool]] = {
    "Tool calling": calls_tools,
    "Structured output": gives_objects,
    "JSON mode": gives_json,
    "Image input": takes("image", PNG, "image/png"),
    "Audio input": takes("audio", SILENCE, "audio/wav"),
    "Video input": takes("video", b"a film", "video/mp4"),
    "Token-level streaming": streams,
    "Native async": is_async,
    "Token usage": counts_tokens,
    "Logprobs": gives_logprobs,
}


def test_the_page_has_langchains_features_in_langchains_order() -> None:
    assert list(read_table("Model features")) == list(FEATURES)


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_is_there_where_the_page_says_so(
    feature: str, space: ScriptedSpace, media_app: MediaApp
) -> None:
    space.engine.reply = obedient("three")
    promised = {"yes": True, "no": False}[read_table("Model features")[feature][0]]

    assert FEATURES[feature](ChatQwenSpace(space=space.url), media_app) is promised


def test_the_details_of_the_page_are_those_of_the_package(space: ScriptedSpace) -> None:
    ((name, details),) = read_table("Integration details").items()
    package, local, serializable, javascript, _ = details
    own = getattr(langchain_qwen_space, name.strip("`"))
    model = own(space=space.url, hf_token="hf_secret")

    assert issubclass(own, BaseChatModel)
    distribution, extra = package.strip("`").rstrip("]").split("[")
    assert extra in metadata(distribution).get_all("Provides-Extra", [])
    assert "(local-space.md)" in local
    assert (serializable, javascript) == ("yes, without secrets", "no")
    assert json.loads(dumps(model))["type"] == "constructor"
    assert "hf_secret" not in dumps(model)
