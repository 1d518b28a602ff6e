"""Chat messages to the two texts that a Space takes: the system prompt and the prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "DEFAULT_SYSTEM_PROMPT",
    "Split",
    "Turn",
    "as_seen",
    "check_prompt",
    "exchanges",
    "part_text",
    "split",
    "turns",
]

DEFAULT_SYSTEM_PROMPT = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
"""What the Space itself uses when it is given no system prompt."""

_SYSTEM_ROLES = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a chat: who says it, and its text.

    Attributes:
        role: "system", "developer", "user", "assistant", "tool", or any other name.
        text: What is said.
    """

    role: str
    text: str

    @property
    def is_system(self) -> bool:
        """Whether it belongs to the system prompt."""
        return self.role in _SYSTEM_ROLES


@dataclass(frozen=True, slots=True)
class Split:
    """A chat as the Space takes it.

    Attributes:
        system: The system prompt; None when the chat has no system message.
        prompt: The prompt, never empty.
    """

    system: str | None
    prompt: str


def split(chat: Sequence[Turn], *, system_apart: bool = True) -> Split:
    """Return the chat as system prompt and prompt.

    All system messages, joined by a newline, are the system prompt. A single user message is
    the prompt as it stands; anything else becomes a line `Role: text` for each message, and
    `Assistant:` as the last.

    Args:
        chat: The messages, in order.
        system_apart: False for an app without a system prompt: system messages are then part
            of the prompt, as a line like the others.

    Raises:
        ValueError: There is no message, or the only one is empty.
    """
    if not chat:
        raise ValueError("There are no messages: give at least one.")
    system = [turn.text for turn in chat if turn.is_system and system_apart]
    spoken = [turn for turn in chat if not (turn.is_system and system_apart)]
    if len(spoken) == 1 and spoken[0].role == "user":
        prompt = check_prompt(spoken[0].text)
    else:
        prompt = "\n".join([*map(_line, spoken), "Assistant:"])
    return Split("\n".join(system) if system else None, prompt)


def exchanges(chat: Sequence[Turn]) -> tuple[list[tuple[str, str]], str] | None:
    """Return the earlier (user, assistant) exchanges of a chat and the user's last message.

    None when the messages do not alternate strictly, from a user's first to a user's last.
    """
    spoken = [turn for turn in chat if not turn.is_system]
    roles = [turn.role for turn in spoken]
    if len(spoken) % 2 == 0 or roles != (["user", "assistant"] * len(spoken))[: len(spoken)]:
        return None
    texts = [turn.text for turn in spoken]
    return list(zip(texts[:-1:2], texts[1::2], strict=True)), texts[-1]


def as_seen(
    chat: Sequence[Turn], *, history: str = "split", system: str | None = None
) -> list[Turn]:
    """Return the turns that the model behind the Space sees, the system prompt first.

    Args:
        chat: The messages, in order.
        history: "split" for earlier turns that are rendered into the prompt, "native" for those
            that the app's own history takes; it does where user and assistant alternate.
        system: The system prompt for a chat that has none; None is Qwen's own.
    """
    spoken = [turn for turn in chat if not turn.is_system]
    texts = [turn.text for turn in chat if turn.is_system]
    given = "\n".join(texts) if texts else (DEFAULT_SYSTEM_PROMPT if system is None else system)
    if history != "native" or exchanges(chat) is None:
        spoken = [Turn("user", split(chat).prompt)]
    return [Turn("system", given), *spoken]


def check_prompt(prompt: str) -> str:
    """Return `prompt`, which must have something in it.

    Raises:
        ValueError: It is empty, or nothing but white space.
    """
    if not prompt.strip():
        raise ValueError(f"The prompt is empty ({prompt!r:.50}): give it something to answer.")
    return prompt


def _line(turn: Turn) -> str:
    return f"{turn.role[:1].upper()}{turn.role[1:]}: {turn.text}"


def turns(messages: Iterable[Mapping[str, Any]]) -> list[Turn]:
    """Return plain `{"role": ..., "content": ...}` messages as turns.

    `content` is a string, None, or a list of strings and `{"type": "text", "text": ...}` parts.

    Raises:
        ValueError: A message has no role, or a part that is no text.
    """
    return [_turn(message) for message in messages]


def _turn(message: Mapping[str, Any]) -> Turn:
    role = message.get("role") if isinstance(message, Mapping) else None
    if not isinstance(role, str) or not role:
        raise ValueError(f'A message has no role: {message!r:.200}; give {{"role", "content"}}.')
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    return Turn(role, "".join(map(part_text, parts)))


def part_text(part: Any) -> str:
    """Return the text of one part of a message's content.

    Raises:
        ValueError: It is something else, such as an image.
    """
    if part is None:
        return ""
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if kind == "text" and isinstance(text := part.get("text"), str):
        return text
    raise ValueError(
        f"A Space takes text only, so a part of type {kind!r} cannot be sent: leave it out."
    )
