"""The `openai` package, against the server.

The package is imported within the tests: it takes a second, and each process imports this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from qwen_space import Space
from qwen_space.api import ApiOptions
from tests.api_server import serving
from tests.obedient import obedient
from tests.scripted_server import CONFIG, ScriptedServer, status, streaming

if TYPE_CHECKING:
    import openai
    from conftest import ScriptedSpace

HI: Any = [{"role": "user", "content": "Hi"}]
MODEL = "qwen-2.5"


class Person(BaseModel):
    name: str
    age: int


PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather.", "parameters": PARAMETERS},
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'


@pytest.fixture
def url(space: ScriptedSpace) -> Iterator[str]:
    """The server's address, over the Space that answers by script."""
    with serving(Space(space.url), ApiOptions(token="sk-1")) as address:
        yield f"{address}/v1"


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    import openai

    with openai.OpenAI(base_url=url, api_key="sk-1", max_retries=0) as opened:
        yield opened


def test_a_blocking_client_gets_a_reply(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=HI)

    assert reply.choices[0].message.content == "Hello there."
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens > 0


def test_a_blocking_client_gets_a_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=HI, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)

    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert text == "Hello there."
    assert len(chunks) == 7
    assert chunks[-1].usage is not None


async def test_an_asynchronous_client_gets_both(url: str) -> None:
    import openai

    async with openai.AsyncOpenAI(base_url=url, api_key="sk-1") as client:
        reply = await client.chat.completions.create(model=MODEL, messages=HI)
        stream = await client.chat.completions.create(model=MODEL, messages=HI, stream=True)
        text = "".join([each.choices[0].delta.content or "" async for each in stream])

    assert reply.choices[0].message.content == text == "Hello there."


def test_a_tool_is_called_and_its_result_answered(
    client: openai.OpenAI, space: ScriptedSpace
) -> None:
    space.engine.reply = list(CALL)
    reply = client.chat.completions.create(
        model=MODEL, messages=HI, tools=[WEATHER], tool_choice="required"
    )
    message = reply.choices[0].message
    assert message.tool_calls is not None
    call: Any = message.tool_calls[0]
    assert reply.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "get_weather",
        {"city": "Oslo"},
    )

    space.engine.reply = ["It is sunny."]
    result = {"role": "tool", "tool_call_id": call.id, "content": "Sunny."}
    chat: Any = [*HI, message, result]
    last = client.chat.completions.create(model=MODEL, messages=chat, tools=[WEATHER])
    assert last.choices[0].message.content == "It is sunny."
    assert "<tool_response>\nSunny." in space.engine.requests[-1][-1]["content"]


def test_a_stream_gives_tool_calls_with_ids_and_places(
    client: openai.OpenAI, space: ScriptedSpace
) -> None:
    space.engine.reply = [f"So:\n{CALL}\n", CALL.replace("Oslo", "Rome")]
    with client.chat.completions.stream(model=MODEL, messages=HI, tools=[WEATHER]) as stream:
        done = stream.get_final_completion()

    message = done.choices[0].message
    calls: Any = message.tool_calls
    assert [json.loads(each.function.arguments)["city"] for each in calls] == ["Oslo", "Rome"]
    assert len({each.id for each in calls}) == 2
    assert message.content is not None
    assert message.content.strip() == "So:"
    assert done.choices[0].finish_reason == "tool_calls"


def test_parse_gives_an_object(client: openai.OpenAI, space: ScriptedSpace) -> None:
    space.engine.reply = ['Sure:\n```json\n{"name": "Ada", "age": 36}\n```']
    reply = client.chat.completions.parse(model=MODEL, messages=HI, response_format=Person)

    assert reply.choices[0].message.parsed == Person(name="Ada", age=36)


def test_parse_gives_a_refusal_where_no_object_comes(
    client: openai.OpenAI, space: ScriptedSpace
) -> None:
    space.engine.reply = ["I will not."]
    reply = client.chat.completions.parse(model=MODEL, messages=HI, response_format=Person)

    assert reply.choices[0].message.parsed is None
    assert "not the JSON" in str(reply.choices[0].message.refusal)


def test_a_streamed_object_is_parsed(client: openai.OpenAI, space: ScriptedSpace) -> None:
    space.engine.reply = ['{"name": "Ada",', ' "age": 36}']
    with client.chat.completions.stream(model=MODEL, messages=HI, response_format=Person) as stream:
        done = [event for event in stream if event.type == "content.done"]

    assert done[0].parsed == Person(name="Ada", age=36)


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    names = [each.id for each in client.models.list()]

    assert names[0] == MODEL
    assert "72B" in names
    assert client.models.retrieve("72B").object == "model"


def test_stop_and_json_mode_work(client: openai.OpenAI, space: ScriptedSpace) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=HI, stop=[" there"])
    assert reply.choices[0].message.content == "Hello"

    space.engine.reply = obedient("three")
    asked: Any = [{"role": "user", "content": "Give me 'name' and 'place' as JSON."}]
    reply = client.chat.completions.create(
        model=MODEL, messages=asked, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(reply.choices[0].message.content or ""), dict)


def test_errors_are_the_clients_own(url: str, space: ScriptedSpace) -> None:
    import openai

    with (
        openai.OpenAI(base_url=url, api_key="sk-2", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError, match="does not take this key"),
    ):
        stranger.models.list()
    with openai.OpenAI(base_url=url, api_key="sk-1", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError, match="is not offered"):
            client.chat.completions.create(model="gpt-4o", messages=HI)
        with pytest.raises(openai.BadRequestError, match="one reply to a request") as caught:
            client.chat.completions.create(model=MODEL, messages=HI, n=3)
        assert caught.value.param == "n"
        space.engine.reply = ["Hel", RuntimeError("CUDA out of memory")]
        with pytest.raises(openai.APIError, match="CUDA out of memory"):
            list(client.chat.completions.create(model=MODEL, messages=HI, stream=True))


async def test_a_client_does_not_run_a_prompt_twice_on_its_own() -> None:
    import openai

    data = streaming({"msg": "process_starts", "event_id": "e" * 32}, then="cut")
    async with ScriptedServer(config=status(200, CONFIG), data=data) as server:
        with serving(Space(server.url, max_retries=0)) as address:
            async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="x") as client:
                with pytest.raises(openai.InternalServerError, match="connection broke"):
                    await client.chat.completions.create(model=MODEL, messages=HI)

        assert len(server.joins) == 1
