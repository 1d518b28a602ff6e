from __future__ import annotations

from typing import Any

import pytest

from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import (
    DEFAULT_SYSTEM_PROMPT,
    RenderedPrompt,
    check_prompt,
    effective_messages,
    pair_turns,
    render_prompt,
)


def chat(*messages: str) -> list[Turn]:
    """Make turns of "role: text"."""
    return [Turn(*message.split(": ", 1)) for message in messages]


SPLITS = [
    pytest.param(chat("user: Hi"), RenderedPrompt(None, "Hi"), id="one-user"),
    pytest.param([Turn("user", "  Hi\n")], RenderedPrompt(None, "  Hi\n"), id="as-it-stands"),
    pytest.param(chat("system: S", "user: Hi"), RenderedPrompt("S", "Hi"), id="system"),
    pytest.param(chat("developer: S", "user: Hi"), RenderedPrompt("S", "Hi"), id="developer"),
    pytest.param(
        chat("system: S", "user: Hi", "system: T"), RenderedPrompt("S\nT", "Hi"), id="two-systems"
    ),
    pytest.param(
        [Turn("system", ""), Turn("user", "Hi")], RenderedPrompt("", "Hi"), id="empty-system"
    ),
    pytest.param(
        chat("user: A", "assistant: B", "user: C"),
        RenderedPrompt(None, "User: A\nAssistant: B\nUser: C\nAssistant:"),
        id="several",
    ),
    pytest.param(
        chat("system: S", "user: A", "assistant: B", "user: C"),
        RenderedPrompt("S", "User: A\nAssistant: B\nUser: C\nAssistant:"),
        id="several-with-system",
    ),
    pytest.param(
        chat("user: A", "user: B"),
        RenderedPrompt(None, "User: A\nUser: B\nAssistant:"),
        id="two-users",
    ),
    pytest.param(
        chat("assistant: A"), RenderedPrompt(None, "Assistant: A\nAssistant:"), id="one-assistant"
    ),
    pytest.param(
        chat("user: A", "tool: 4"), RenderedPrompt(None, "User: A\nTool: 4\nAssistant:"), id="tool"
    ),
    pytest.param(
        chat("user: A", "myRole: B"),
        RenderedPrompt(None, "User: A\nMyRole: B\nAssistant:"),
        id="any-role",
    ),
    pytest.param(chat("system: S"), RenderedPrompt("S", "Assistant:"), id="only-system"),
    pytest.param(
        [Turn("user", "a\nb"), Turn("assistant", ""), Turn("user", "c")],
        RenderedPrompt(None, "User: a\nb\nAssistant: \nUser: c\nAssistant:"),
        id="texts-as-they-stand",
    ),
]


@pytest.mark.parametrize(("messages", "expected"), SPLITS)
def test_a_chat_is_split_into_system_prompt_and_prompt(
    messages: list[Turn], expected: RenderedPrompt
) -> None:
    assert render_prompt(messages) == expected


def test_without_a_system_input_the_system_prompt_is_a_line_of_the_prompt() -> None:
    messages = chat("system: S", "user: Hi")

    assert render_prompt(messages, system_apart=False) == RenderedPrompt(
        None, "System: S\nUser: Hi\nAssistant:"
    )
    assert render_prompt(chat("user: Hi"), system_apart=False) == RenderedPrompt(None, "Hi")


@pytest.mark.parametrize("messages", [[], [Turn("user", "")], [Turn("user", " \n")]])
def test_a_chat_of_nothing_is_a_misuse(messages: list[Turn]) -> None:
    with pytest.raises(ValueError, match=r"no messages|empty"):
        render_prompt(messages)


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
    assert pair_turns(messages) == expected


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
def test_the_model_sees_the_rendered_chat(
    messages: list[Turn], history: str, expected: list[Turn]
) -> None:
    default = Turn("system", DEFAULT_SYSTEM_PROMPT)

    assert effective_messages(messages, history=history) == [default, *expected]
    assert effective_messages(messages, history=history, system="S") == [
        Turn("system", "S"),
        *expected,
    ]
    assert effective_messages(
        [*chat("system: S"), *messages, *chat("system: T")], history=history
    ) == [
        Turn("system", "S\nT"),
        *expected,
    ]


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
@pytest.mark.parametrize(
    "half", [pytest.param("\ud83d", id="first"), pytest.param("\ude00", id="second")]
)
def test_half_a_surrogate_pair_is_a_misuse_that_names_its_place(role: str, half: str) -> None:
    chat = [Turn(role, f"Ä{half}"), Turn("user", "Hi \U0001f600")]

    with pytest.raises(ValueError, match=rf"Character 1 of the {role} message"):
        render_prompt(chat)


def test_names_of_messages_reach_the_prompt() -> None:
    chat = [Turn("user", "A", "Ann"), Turn("assistant", "B", "Bob"), Turn("user", "C")]

    assert render_prompt(chat).prompt == "User (Ann): A\nAssistant (Bob): B\nUser: C\nAssistant:"
    assert render_prompt(chat[:1]).prompt == "Ann: A"
    assert pair_turns(chat) == ([("Ann: A", "B")], "C")
    assert effective_messages(chat, history="native", system="S") == [
        Turn("system", "S"),
        Turn("user", "Ann: A"),
        Turn("assistant", "B"),
        Turn("user", "C"),
    ]


def test_a_name_does_not_fill_an_empty_message() -> None:
    with pytest.raises(ValueError, match="empty"):
        render_prompt([Turn("user", " ", "Ann")])
