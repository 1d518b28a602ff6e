"""Replies in OpenAI's form, whole and streamed."""

from __future__ import annotations

from qwen_space import Rewritten, SpaceFailure, TextDelta, ThinkingDelta
from qwen_space.events import Completed
from tests.core.api.served import CHAT, Served, scripted
from tests.core.chat_model.scripted_session import ScriptedSession


async def test_a_reply_has_openais_form() -> None:
    async with Served(scripted("Hello there.", event_id="e")) as client:
        _, body = await client.ask(json=CHAT)

    assert body.keys() == {"id", "object", "created", "model", "choices", "usage"}
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello there.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_a_stream_is_made_of_the_pieces_as_they_come() -> None:
    async with Served(scripted("Hello there.")) as client:
        chunks = await client.chunks()
        with_usage = await client.chunks(stream_options={"include_usage": True})

    deltas = [each["choices"][0]["delta"] for each in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [each["content"] for each in deltas[1:-1]] == ["Hell", "o th", "ere."]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert len({each["id"] for each in chunks}) == 1
    assert with_usage[-1]["choices"] == []
    assert with_usage[-1]["usage"]["total_tokens"] > 0
    assert "usage" not in chunks[-1]


async def test_thoughts_are_apart_from_the_text_and_a_change_of_text_is_told() -> None:
    events = [ThinkingDelta("Hm."), TextDelta("Helo"), Rewritten("Hello", "lo")]
    events.append(Completed("Hello", 1.0, thinking="Hm."))
    session = ScriptedSession([events])
    async with Served(session) as client:
        chunks = await client.chunks()
        _, body = await client.ask(json=CHAT)

    deltas = [each["choices"][0]["delta"] for each in chunks]
    assert deltas[1] == {"reasoning_content": "Hm."}
    assert chunks[-1]["qwen_space"] == {"final_text": "Hello"}
    message = body["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Hello", "Hm.")


async def test_a_stop_sequence_is_an_end_like_any_other() -> None:
    async with Served(scripted("Hello.", finish_reason="stop_sequence")) as client:
        _, body = await client.ask(json=CHAT)
        chunks = await client.chunks()

    reasons = [each["choices"][0]["finish_reason"] for each in (body, chunks[-1])]
    assert reasons == ["stop", "stop"]


async def test_a_problem_is_told_on_a_line_of_its_own() -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
    async with Served(scripted("I add.<tool_call>\nadd(1)\n</tool_call>")) as client:
        _, body = await client.ask(json={**CHAT, "tools": [tool], "reask": False})
        chunks = await client.chunks(tools=[tool], reask=False)

    text = "".join(each["choices"][0]["delta"].get("content", "") for each in chunks)
    assert text == body["choices"][0]["message"]["content"]
    assert text.startswith("I add.\nThe model's function call is not valid")


async def test_json_that_does_not_come_is_a_refusal() -> None:
    wanted = {"response_format": {"type": "json_object"}}
    async with Served(scripted("No.")) as client:
        _, body = await client.ask(json={**CHAT, **wanted})
        chunks = await client.chunks(**wanted)

    assert "not the JSON that was asked for" in body["choices"][0]["message"]["refusal"]
    refused = [each["choices"][0]["delta"].get("refusal") for each in chunks]
    assert "not the JSON that was asked for" in "".join(filter(None, refused))


async def test_the_space_that_answered_is_named_where_there_are_several() -> None:
    failures = (SpaceFailure("a/b", "The queue is full."),)
    async with Served(scripted("Hello.", space="c/d", failures=failures)) as client:
        _, body = await client.ask(json=CHAT)

    fallbacks = [{"space": "a/b", "reason": "The queue is full."}]
    assert body["qwen_space"] == {"space": "c/d", "fallbacks": fallbacks}
