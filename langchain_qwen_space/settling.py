"""Messages that are folded from chunks, put right where the app changed what it had sent."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult

__all__ = ["settled", "settled_result"]

_FINAL = ("final_text", "final_reasoning", "final_tool_calls", "final_invalid_tool_calls")


def settled(message: AIMessage) -> AIMessage:
    """Return a message as the app ended on it.

    Chunks cannot take back what was sent. So the last of them says what the reply is, where the
    chunks do not add up to it.
    """
    metadata = message.response_metadata
    final = {key: metadata[key] for key in _FINAL if key in metadata}
    if not final:
        return message
    text = final.get("final_text", message.text)
    thought = final.get("final_reasoning", message.additional_kwargs.get("reasoning_content"))
    others = {key: value for key, value in metadata.items() if key not in _FINAL}
    changed = message.model_copy(
        update={
            "content": text,
            "tool_calls": final.get("final_tool_calls", message.tool_calls),
            "invalid_tool_calls": final.get("final_invalid_tool_calls", message.invalid_tool_calls),
            "additional_kwargs": {
                **message.additional_kwargs,
                **({"reasoning_content": thought} if thought else {}),
            },
            "response_metadata": others,
        }
    )
    return changed if isinstance(message.content, str) else _in_blocks(changed)


def settled_result(result: ChatResult) -> ChatResult:
    """Return a result with its messages put right."""
    for generation in result.generations:
        if isinstance(generation.message, AIMessage):
            generation.message = settled(generation.message)
    return result


def _in_blocks(message: AIMessage) -> AIMessage:
    """Return a message with its content as version 1 has it."""
    thought = message.additional_kwargs.get("reasoning_content")
    blocks: list[Any] = [{"type": "reasoning", "reasoning": thought}] if thought else []
    if message.text:
        blocks.append({"type": "text", "text": message.text})
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    return message.model_copy(update={"content": [*blocks, *calls]})
