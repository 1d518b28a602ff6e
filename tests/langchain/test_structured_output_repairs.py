"""Wrong replies: asked for once more, then an error, and never a silent None."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.exceptions import OutputParserException
from pydantic import BaseModel

from langchain_qwen_space import ChatQwenSpace
from tests.langchain.person import ADA, METHODS, Person, written
from tests.langchain.ways import every_object
from tests.replies import in_turn

if TYPE_CHECKING:
    from conftest import ScriptedSpace


WRONG = [
    pytest.param("", "empty", id="nothing"),
    pytest.param('{"name": "Ada", "age": -1}', "greater than or equal to 0", id="not-valid"),
]


@pytest.mark.parametrize(("reply", "said"), WRONG)
@pytest.mark.parametrize("method", METHODS)
async def test_a_wrong_reply_is_asked_for_once_more_with_its_fault(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any, reply: str, said: str
) -> None:
    space.engine.reply = in_turn(*[reply, written(ADA, method)] * 4)

    found = await every_object(model.with_structured_output(Person, method=method))

    assert found == [Person(**ADA)] * 4  # type: ignore[arg-type]
    assert len(space.joins) == 8
    second = space.transcript(1)
    assert f"Assistant: {reply}\nUser: Your answer does not fit" in second
    assert said in second


@pytest.mark.parametrize(("reply", "said"), WRONG)
@pytest.mark.parametrize("method", METHODS)
async def test_a_reply_that_stays_wrong_is_an_error_with_the_reply(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any, reply: str, said: str
) -> None:
    space.engine.reply = [reply]
    structured = model.with_structured_output(Person, method=method)

    for call in (
        lambda: structured.invoke("Who?"),
        lambda: list(structured.stream("Who?")),
    ):
        with pytest.raises(OutputParserException, match=said) as caught:
            await asyncio.to_thread(call)
        assert caught.value.llm_output == reply
    with pytest.raises(OutputParserException):
        await structured.ainvoke("Who?")
    with pytest.raises(OutputParserException):
        _ = [each async for each in structured.astream("Who?")]
    assert len(space.joins) == 8


class Wish(BaseModel):
    """A wish."""

    song: str | None = None


@pytest.mark.parametrize("method", METHODS)
def test_no_object_is_blank_where_all_has_a_default(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any, caplog: pytest.LogCaptureFixture
) -> None:
    replies = ({"title": "Help!"}, {"song": "Help!"})
    space.engine.reply = in_turn(*(written(each, method, "Wish") for each in replies))

    found = model.with_structured_output(Wish, method=method).invoke("Which?")

    assert found == Wish(song="Help!")
    assert caplog.records == []  # the second reply is right


@pytest.mark.parametrize("method", METHODS)
def test_asking_again_can_be_switched_off(
    space: ScriptedSpace, model: ChatQwenSpace, method: Any
) -> None:
    space.engine.reply = ["I do not know."]
    structured = model.with_structured_output(Person, method=method, reask=False)

    with pytest.raises(OutputParserException):
        structured.invoke("Who?")

    assert len(space.joins) == 1


def test_a_call_with_wrong_arguments_is_asked_for_again(
    space: ScriptedSpace, model: ChatQwenSpace
) -> None:
    wrong = written({"name": "Ada", "age": "old"}, "function_calling")
    space.engine.reply = in_turn(wrong, written(ADA, "function_calling"))

    found = model.with_structured_output(Person, method="function_calling").invoke("Who?")

    assert found == Person(**ADA)  # type: ignore[arg-type]
    assert f"Assistant: {wrong}\nUser: Your answer does not fit" in space.joins[1]["data"][0]


@pytest.mark.parametrize("streamed", [False, True])
def test_half_a_call_is_no_object(
    space: ScriptedSpace, model: ChatQwenSpace, streamed: bool
) -> None:
    half = written(ADA, "function_calling").partition("6}")[0]
    space.engine.reply = list(half)
    structured = model.with_structured_output(Person, method="function_calling", reask=False)

    with pytest.raises(OutputParserException, match="not closed"):
        list(structured.stream("Who?")) if streamed else structured.invoke("Who?")
