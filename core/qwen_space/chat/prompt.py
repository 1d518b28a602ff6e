"""Render a chat as the two texts that a Space takes: the system prompt and the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from qwen_space.chat.media import Media
from qwen_space.chat.messages import Turn, split_parts

__all__ = [
    "DEFAULT_SYSTEM_PROMPT",
    "RenderedPrompt",
    "check_not_empty",
    "check_prompt",
    "effective_messages",
    "make_chat",
    "pair_turns",
    "render_prompt",
]

DEFAULT_SYSTEM_PROMPT = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
"""The system prompt that the public Space uses when it is given none."""


class RenderedPrompt(msgspec.Struct, frozen=True):
    """A chat as the Space takes it.

    Attributes:
        system: The system prompt; None when the chat has no system message.
        prompt: The prompt; empty only beside media.
    """

    system: str | None
    prompt: str


def render_prompt(chat: Sequence[Turn], *, system_apart: bool = True) -> RenderedPrompt:
    """Render a chat as system prompt and prompt.

    All system messages, joined by a newline, are the system prompt. A single user message is
    the prompt as it stands; anything else becomes a line `Role: text` for each message, or
    `Role (name): text`, and `Assistant:` as the last.

    Args:
        chat: The messages, in order.
        system_apart: False for an app without a system prompt: system messages are then part
            of the prompt, as a line like the others.

    Raises:
        ValueError: There is no message, the only one is empty, or one has half a surrogate pair.
    """
    check_not_empty(chat)
    for turn in chat:
        _check_text(turn)
    system = [turn.text for turn in chat if turn.is_system and system_apart]
    spoken = [turn for turn in chat if not (turn.is_system and system_apart)]
    if len(spoken) == 1 and spoken[0].role == "user":
        if not spoken[0].media:
            check_prompt(spoken[0].text)
        prompt = spoken[0].labelled_text
    else:
        prompt = "\n".join([*map(_line, spoken), "Assistant:"])
    return RenderedPrompt("\n".join(system) if system else None, prompt)


def pair_turns(chat: Sequence[Turn]) -> tuple[list[tuple[str, str]], str] | None:
    """Pair the earlier user and assistant texts of a chat, and return its last user text apart.

    None when the messages do not alternate strictly, from a user's first to a user's last.
    """
    spoken = [turn for turn in chat if not turn.is_system]
    roles = [turn.role for turn in spoken]
    if len(spoken) % 2 == 0 or roles != (["user", "assistant"] * len(spoken))[: len(spoken)]:
        return None
    texts = [turn.labelled_text for turn in spoken]
    return list(zip(texts[:-1:2], texts[1::2], strict=True)), texts[-1]


def effective_messages(
    chat: Sequence[Turn], *, history: str = "split", system: str | None = None
) -> list[Turn]:
    """Return the turns that the model behind the Space reads, the system prompt first.

    Args:
        chat: The messages, in order.
        history: "split" for earlier turns that are rendered into the prompt, "native" and
            "auto" for those that the app's own history takes, where user and assistant alternate.
        system: The system prompt for a chat that has none; None is Qwen's own.
    """
    spoken = [turn for turn in chat if not turn.is_system]
    texts = [turn.text for turn in chat if turn.is_system]
    given = "\n".join(texts) if texts else (DEFAULT_SYSTEM_PROMPT if system is None else system)
    if history == "split" or pair_turns(chat) is None:
        spoken = [Turn("user", render_prompt(chat).prompt)]
    return [Turn("system", given), *(Turn(turn.role, turn.labelled_text) for turn in spoken)]


def make_chat(
    prompt: str, system: str | None = None, files: Sequence[Path | Media] = ()
) -> list[Turn]:
    """Return the chat that asks one question.

    Raises:
        ValueError: The prompt is empty, and there is no file.
    """
    text, media = split_parts([*files, prompt])
    if not media:
        check_prompt(prompt)
    before = [] if system is None else [Turn("system", system)]
    return [*before, Turn("user", text, media=media)]


def check_not_empty(messages: Sequence[object]) -> None:
    """Refuse a chat without messages.

    Raises:
        ValueError: There is none.
    """
    if not messages:
        raise ValueError("There are no messages: give at least one.")


def check_prompt(prompt: str) -> str:
    """Return `prompt` if it has any text.

    Raises:
        ValueError: It is empty, or nothing but white space.
    """
    if not prompt.strip():
        raise ValueError(f"The prompt is empty ({prompt!r:.50}): give it something to answer.")
    return prompt


def _check_text(turn: Turn) -> None:
    """Raise a ValueError for half of a surrogate pair, which no server can decode."""
    try:
        turn.text.isascii() or turn.text.encode()
    except UnicodeEncodeError as exc:
        raise ValueError(
            f"Character {exc.start} of the {turn.role} message is half of a surrogate pair "
            f"({turn.text[exc.start]!a}), so the text was cut or decoded wrongly: give it whole, "
            'or drop it with text.encode(errors="ignore").decode().'
        ) from None


def _line(turn: Turn) -> str:
    role = f"{turn.role[:1].upper()}{turn.role[1:]}"
    said = turn.described_text
    return f"{role} ({turn.label}): {said}" if turn.label else f"{role}: {said}"
