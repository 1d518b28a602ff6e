from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest

from qwen_space.chat.prompt import (
    DEFAULT_SYSTEM_PROMPT,
    Split,
    Turn,
    as_seen,
    check_prompt,
    exchanges,
    split,
    turns,
)


def chat(*messages: str) -> list[Turn]:
    """Make turns of "role: text"."""
    return [Turn(*message.split(": ", 1)) for message in messages]


SPLITS = [
    pytest.param(chat("user: Hi"), Split(None, "Hi"), id="one-user"),
    pytest.param([Turn("user", "  Hi\n")], Split(None, "  Hi\n"), id="as-it-stands"),
    pytest.param(chat("system: S", "user: Hi"), Split("S", "Hi"), id="system"),
    pytest.param(chat("developer: S", "user: Hi"), Split("S", "Hi"), id="developer"),
    pytest.param(chat("system: S", "user: Hi", "system: T"), Split("S\nT", "Hi"), id="two-systems"),
    pytest.param([Turn("system", ""), Turn("user", "Hi")], Split("", "Hi"), id="empty-system"),
    pytest.param(
        chat("user: A", "assistant: B", "user: C"),
        Split(None, "User: A\nAssistant: B\nUser: C\nAssistant:"),
        id="several",
    ),
    pytest.param(
        chat("system: S", "user: A", "assistant: B", "user: C"),
        Split("S", "User: A\nAssistant: B\nUser: C\nAssistant:"),
        id="several-with-system",
    ),
    pytest.param(
        chat("user: A", "user: B"), Split(None, "User: A\nUser: B\nAssistant:"), id="two-users"
    ),
    pytest.param(chat("assistant: A"), Split(None, "Assistant: A\nAssistant:"), id="one-assistant"),
    pytest.param(
        chat("user: A", "tool: 4"), Split(None, "User: A\nTool: 4\nAssistant:"), id="tool"
    ),
    pytest.param(
        chat("user: A", "myRole: B"), Split(None, "User: A\nMyRole: B\nAssistant:"), id="any-role"
    ),
    pytest.param(chat("system: S"), Split("S", "Assistant:"), id="only-system"),
    pytest.param(
        [Turn("user", "a\nb"), Turn("assistant", ""), Turn("user", "c")],
        Split(None, "User: a\nb\nAssistant: \nUser: c\nAssistant:"),
        id="texts-as-they-stand",
    ),
]


@pytest.mark.parametrize(("messages", "expected"), SPLITS)
def test_a_chat_is_split_into_system_prompt_and_prompt(
    messages: list[Turn], expected: Split
) -> None:
    assert split(messages) == expected


def test_without_a_system_input_the_system_prompt_is_a_line_of_the_prompt() -> None:
    messages = chat("system: S", "user: Hi")

    assert split(messages, system_apart=False) == Split(None, "System: S\nUser: Hi\nAssistant:")
    assert split(chat("user: Hi"), system_apart=False) == Split(None, "Hi")


@pytest.mark.parametrize("messages", [[], [Turn("user", "")], [Turn("user", " \n")]])
def test_a_chat_of_nothing_is_a_misuse(messages: list[Turn]) -> None:
    with pytest.raises(ValueError, match=r"no messages|empty"):
        split(messages)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(chat("user: A"), ([], "A"), id="one"),
        pytest.param(
            chat("user: A", "assistant: B", "user: C"), ([("A", "B")], "C"), id="alternating"
        ),
        pytest.param(
            chat("system: S", "user: A", "assistant: B", "developer: T", "user: C"),
            ([("A", "B")], "C"),
            id="system-does-not-count",
        ),
        pytest.param([], None, id="nothing"),
        pytest.param(chat("system: S"), None, id="only-system"),
        pytest.param(chat("user: A", "assistant: B"), None, id="the-last-is-the-assistant-s"),
        pytest.param(chat("assistant: A", "user: B"), None, id="the-first-is-the-assistant-s"),
        pytest.param(chat("user: A", "user: B", "user: C"), None, id="users-in-a-row"),
        pytest.param(chat("user: A", "tool: B", "user: C"), None, id="a-tool"),
    ],
)
def test_exchanges_alternate_strictly_or_there_are_none(
    messages: list[Turn], expected: Any
) -> None:
    assert exchanges(messages) == expected


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param("Hi", "Hi", id="text"),
        pytest.param(None, "", id="null"),
        pytest.param([], "", id="no-parts"),
        pytest.param(["a", "b"], "ab", id="strings"),
        pytest.param([{"type": "text", "text": "a"}, "b"], "ab", id="parts"),
        pytest.param([UserDict(type="text", text="a")], "a", id="any-mapping"),
        pytest.param({"type": "text", "text": "a"}, "a", id="one-part"),
        pytest.param([None, "a"], "a", id="null-part"),
    ],
)
def test_a_message_s_content_becomes_its_text(content: Any, text: str) -> None:
    assert turns([{"role": "user", "content": content}]) == [Turn("user", text)]


def test_a_message_without_content_has_no_text() -> None:
    assert turns([{"role": "assistant"}]) == [Turn("assistant", "")]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        pytest.param({"content": "a"}, "no role", id="no-role"),
        pytest.param({"role": "", "content": "a"}, "no role", id="empty-role"),
        pytest.param({"role": 1, "content": "a"}, "no role", id="role-number"),
        pytest.param("a", "no role", id="a-string"),
        pytest.param({"role": "user", "content": 1}, "type 'int'", id="content-number"),
        pytest.param(
            {"role": "user", "content": [{"type": "image_url", "image_url": "u"}]},
            "type 'image_url'",
            id="image",
        ),
        pytest.param({"role": "user", "content": [{"text": "a"}]}, "type None", id="part-no-type"),
        pytest.param({"role": "user", "content": [{"type": "text"}]}, "type 'text'", id="no-text"),
        pytest.param(
            {"role": "user", "content": [{"type": "text", "text": 1}]},
            "type 'text'",
            id="text-number",
        ),
    ],
)
def test_what_is_no_text_message_is_a_misuse(message: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        turns([message])


@pytest.mark.parametrize("prompt", ["", " ", "\n\t", "\u3000"])
def test_an_empty_prompt_is_a_misuse(prompt: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        check_prompt(prompt)


def test_a_prompt_is_left_as_it_stands() -> None:
    assert check_prompt(" a\n") == " a\n"


@pytest.mark.parametrize(
    ("role", "is_system"),
    [("system", True), ("developer", True), ("user", False), ("assistant", False), ("tool", False)],
)
def test_developers_speak_as_the_system(role: str, is_system: bool) -> None:
    assert Turn(role, "x").is_system is is_system


LOOP = chat("user: A", "assistant: B", "user: C")


@pytest.mark.parametrize(
    ("messages", "history", "expected"),
    [
        pytest.param(
            LOOP,
            "split",
            [Turn("user", "User: A\nAssistant: B\nUser: C\nAssistant:")],
            id="split",
        ),
        pytest.param(LOOP, "native", LOOP, id="native"),
        pytest.param(
            chat("user: A", "user: B"),
            "native",
            [Turn("user", "User: A\nUser: B\nAssistant:")],
            id="what-a-history-cannot-hold",
        ),
    ],
)
def test_the_model_sees_what_the_space_is_sent(
    messages: list[Turn], history: str, expected: list[Turn]
) -> None:
    default = Turn("system", DEFAULT_SYSTEM_PROMPT)

    assert as_seen(messages, history=history) == [default, *expected]
    assert as_seen(messages, history=history, system="S") == [Turn("system", "S"), *expected]
    assert as_seen([*chat("system: S"), *messages, *chat("system: T")], history=history) == [
        Turn("system", "S\nT"),
        *expected,
    ]
