"""A chat with tools to plain turns, in the words of Qwen2.5's own chat template.

Rendered by that template, the turns give the same text as the tools, the calls and the results
themselves, byte for byte. So a Space that takes nothing but texts still shows the model the form
that it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec
from msgspec.structs import replace

from qwen_space.chat.media import Media
from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from qwen_space.tools.calls import InvalidCall, ToolCall, call_text
from qwen_space.tools.choice import NO_TOOLS, ToolBinding

__all__ = ["Message", "reasked", "render"]

_RESULTS = frozenset({"tool", "function"})
_NO_RESULT = "No result."


class Message(msgspec.Struct, frozen=True):
    """One message of a chat with tools.

    Attributes:
        role: "system", "developer", "user", "assistant", "tool", or any other name.
        text: The message's text; for a tool, its result.
        calls: The assistant's calls, which come after its text; invalid ones may have results too.
        call_id: The `id` of the call that a tool's result belongs to. Qwen is not told any ids:
            results belong to calls by their order, so they are put into that.
        name: The name of the person or agent, where several have the same role.
        media: The pictures and files of the message, each with a `PLACEHOLDER` in the text.
    """

    role: str
    text: str | None = ""
    calls: Sequence[ToolCall | InvalidCall] = ()
    call_id: str | None = None
    name: str | None = None
    media: tuple[Media, ...] = ()


def render(
    messages: Sequence[Message],
    tools: ToolBinding = NO_TOOLS,
    *,
    system: str | None = None,
    in_words: bool = True,
) -> list[Turn]:
    """Return a chat with tools as plain turns.

    Calls are `<tool_call>` blocks of the assistant, results are `<tool_response>` blocks of the
    user, consecutive ones in one turn. The tools stand at the end of the system prompt, which
    is then one turn, the first: several system messages are joined by a newline. Where a call is
    forced, or parallel calls are not wanted, the last user turn says so at its end.

    User and assistant alternate strictly if they do so between the tools' results.

    Args:
        messages: The messages, in order.
        tools: The bound tools.
        system: The system prompt for a chat that has none; None is Qwen's own.
        in_words: Whether a reply that is no call is to be in words, rather than in a format.
    """
    turns = list(_plain(messages))
    if not tools.active:
        return turns
    given = [turn.text for turn in turns if turn.is_system]
    prompt = "\n".join(given) if given else (DEFAULT_SYSTEM_PROMPT if system is None else system)
    spoken = [turn for turn in turns if not turn.is_system]
    last_role = messages[-1].role if messages else None
    answered = last_role in _RESULTS
    called = last_role == "user" and any(message.calls for message in messages)
    chat = [Turn("system", prompt + tools.block(answered=answered)), *spoken]
    return _instructed(
        chat, tools.instruction(answered=answered and in_words, called=called and in_words)
    )


def reasked(chat: Sequence[Turn], reply: str, question: str) -> list[Turn]:
    """Return a chat that goes on after a reply by asking once more.

    Args:
        chat: The turns that were sent.
        reply: The whole reply as it came, tags included.
        question: The question, such as `ToolBinding.reask` gives.
    """
    return [*chat, Turn("assistant", reply), Turn("user", question)]


def _plain(messages: Sequence[Message]) -> Iterator[Turn]:
    calls: Sequence[ToolCall | InvalidCall] = ()
    for are_results, group in groupby(messages, lambda message: message.role in _RESULTS):
        if are_results:
            results = _in_order(list(group), calls)
            media = tuple(each for result in results for each in result.media)
            text = "\n".join(map(_result_text, results))
            yield Turn("user", text, media=media, is_result=bool(media))
            continue
        for message in group:
            calls = message.calls
            yield Turn(message.role, _message_text(message), message.name, message.media)


def _in_order(results: list[Message], calls: Sequence[ToolCall | InvalidCall]) -> list[Message]:
    """Return results in the order of their calls; those that belong to none come last.

    A call without a result, before one that has one, gets a line that says so: the model would
    take the next result for its own.
    """
    places = {call.id: place for place, call in reversed(list(enumerate(calls))) if call.id}
    answered = places.keys() & {result.call_id for result in results}
    last = max(map(places.__getitem__, answered), default=0)
    missing = [
        Message("tool", _NO_RESULT, call_id=call_id)
        for call_id, place in places.items()
        if place < last and call_id not in answered
    ]
    all_results = [*results, *missing]
    return sorted(all_results, key=lambda result: places.get(result.call_id or "", len(calls)))


def _result_text(message: Message) -> str:
    return f"<tool_response>\n{message.text or ''}\n</tool_response>"


def _message_text(message: Message) -> str:
    blocks = map(call_text, message.calls)
    return "\n".join([message.text, *blocks] if message.text else blocks)


def _instructed(turns: list[Turn], instruction: str) -> list[Turn]:
    """Return turns with an instruction at the end of the last, or else of the system prompt."""
    if not instruction:
        return turns
    place = len(turns) - 1 if turns[-1].role == "user" else 0
    told = replace(turns[place], text=f"{turns[place].text}\n\n{instruction}")
    return [*turns[:place], told, *turns[place + 1 :]]
