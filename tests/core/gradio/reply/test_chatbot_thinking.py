"""Thoughts are kept apart from the answer, wherever the app marks them."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space import ProtocolError
from qwen_space.gradio.reply.chatbot import Reply, find_reply
from tests.core.gradio.reply.thinking_rows import FINAL, USER, bot, nested, said, text, tool

ROWS = [
    pytest.param(
        [USER, bot("hm", title="T"), bot("b")],
        Reply("b", [2, "content"], "hm", [1, "content"]),
        id="row",
    ),
    pytest.param(
        [USER, bot("Step 1", title="T"), bot("b")],
        Reply("b", [2, "content"], "Step 1", [1, "content"]),
        id="row-like-a-step",
    ),
    pytest.param(
        [USER, bot("hm", title="T")], Reply("", None, "hm", [1, "content"]), id="row-alone"
    ),
    pytest.param(
        [USER, bot("", title="T")], Reply("", None, "", [1, "content"]), id="row-still-empty"
    ),
    pytest.param(
        [USER, bot(text("hm"), title="T"), bot(text("b"))],
        Reply("b", [2, "content", 0, "text"], "hm", [1, "content", 0, "text"]),
        id="row-of-parts",
    ),
    pytest.param(
        [USER, bot("hm", title="T"), bot("so", title="T"), bot("b")],
        Reply("b", [3, "content"], "hm\n\nso", [2, "content"]),
        id="rows",
    ),
    pytest.param(
        [USER, bot("", title="T"), bot("so", title="T"), bot("b")],
        Reply("b", [3, "content"], "so", [2, "content"]),
        id="rows-the-first-is-empty",
    ),
    pytest.param(
        [USER, bot("hm", title="T"), bot("", title="T")],
        Reply("", None, "hm", None),
        id="rows-the-last-is-empty",
    ),
    pytest.param(
        [USER, bot("b"), bot("hm", title="T"), bot("c")],
        Reply("b\n\nc", [3, "content"], "hm", [2, "content"]),
        id="row-in-between",
    ),
    pytest.param(
        [USER, bot("old", title="T"), bot("a"), USER, bot("hm", title="T"), bot("b")],
        Reply("b", [5, "content"], "hm", [4, "content"]),
        id="rows-of-an-earlier-turn",
    ),
    pytest.param(
        bot("hm", title="T"), Reply("", None, "hm", ["content"]), id="one-message-that-thinks"
    ),
    pytest.param(
        [bot("hm", title="T"), bot("b")],
        Reply("b", [1, "content"], "hm", [0, "content"]),
        id="rows-of-a-chat-interface",
    ),
    pytest.param(
        [USER, nested("hm", title="T", id=4), nested("so", parent_id=4), bot("b")],
        Reply("b", [3, "content"], "hm\n\nso", [2, "content"]),
        id="row-within-a-thought",
    ),
    pytest.param(
        [USER, nested("hm", title="T", id="4"), nested("b", parent_id=5)],
        Reply("b", [2, "content"], "hm", [1, "content"]),
        id="row-within-no-thought",
    ),
    pytest.param(
        [USER, nested("hm", title="T"), nested("b", parent_id=None)],
        Reply("b", [2, "content"], "hm", [1, "content"]),
        id="row-without-a-parent",
    ),
    pytest.param(
        [USER, bot("**Step 1**"), bot("hm"), bot("-----"), bot("**Final answer:**\nb")],
        Reply("b", [4, "content"], "**Step 1**\n\nhm\n\n-----", [3, "content"]),
        id="steps-and-a-final-answer",
    ),
    pytest.param(
        [USER, bot("**Step 1**"), bot("hm", title="T"), bot("so")],
        Reply("", None, "**Step 1**\n\nhm", [2, "content"]),
        id="steps-so-far",
    ),
    pytest.param(
        [USER, bot("hm"), bot("<span>**Step 1** | 2 s</span> "), bot("-----"), FINAL],
        Reply("b", [4, "content"], "hm\n\n<span>**Step 1** | 2 s</span> \n\n-----", [3, "content"]),
        id="steps-with-feet",
    ),
    pytest.param(
        [USER, bot("hm"), bot("Step 1 | 2 s"), bot("Thought: so")],
        Reply("", None, "hm\n\nStep 1 | 2 s\n\nThought: so", [3, "content"]),
        id="steps-with-feet-so-far",
    ),
    pytest.param(
        [USER, bot("Step 1 | 2 s\nStep 2"), bot("Final answer: b")],
        Reply("Step 1 | 2 s\nStep 2\n\nFinal answer: b", [2, "content"]),
        id="no-foot-of-a-step",
    ),
    pytest.param(
        [USER, bot("Step 1 | 2 s")],
        Reply("Step 1 | 2 s", [1, "content"]),
        id="a-foot-below-nothing",
    ),
    pytest.param(
        [USER, bot("Step 1 is to look."), bot("Final answer: b")],
        Reply("Step 1 is to look.\n\nFinal answer: b", [2, "content"]),
        id="no-heading-of-a-step",
    ),
    pytest.param(
        [USER, bot("a"), {**bot("hm"), "thought_metadata": {"tool_name": "T", "error": False}}],
        Reply("a", [1, "content"], "hm", [2, "content"]),
        id="row-of-an-agentchatbot",
    ),
    pytest.param(
        {"__type__": "update", "value": [USER, bot("hm", title="T"), bot("b")]},
        Reply("b", ["value", 2, "content"], "hm", ["value", 1, "content"]),
        id="update",
    ),
]

PARTS = [
    *(
        pytest.param(
            [USER, bot({"type": kind, key: "hm"}, text("b"))],
            Reply("b", [1, "content", 1, "text"], "hm", [1, "content", 0, key]),
            id=f"{kind}-{key}",
        )
        for kind in ("thinking", "reasoning", "thought")
        for key in ("thinking", "reasoning", "text", "content")
    ),
    pytest.param(
        [USER, bot(tool("hm"), said("b"))],
        Reply("b", [1, "content", 1, "content"], "hm", [1, "content", 0, "content"]),
        id="modelscope-pro",
    ),
    pytest.param(
        [USER, bot(tool(""), said(""))],
        Reply("", [1, "content", 1, "content"], "", [1, "content", 0, "content"]),
        id="modelscope-pro-waiting",
    ),
    pytest.param(
        [USER, {"role": "assistant", "content": tool("hm")}],
        Reply("", None, "hm", [1, "content", "content"]),
        id="modelscope-pro-one-part",
    ),
    pytest.param(
        [USER, bot(tool("hm"), said("b"), tool("so"), said("c"))],
        Reply("b\n\nc", [1, "content", 3, "content"], "hm\n\nso", [1, "content", 2, "content"]),
        id="modelscope-pro-by-turns",
    ),
    pytest.param(
        [USER, bot({"type": "thinking", "thinking": [text("hm"), text("so")]}, text("b"))],
        Reply("b", [1, "content", 1, "text"], "hm\n\nso", [1, "content", 0, "thinking", 1, "text"]),
        id="thought-of-parts",
    ),
]

PLAIN = [
    pytest.param("<think>hm</think>b", id="text"),
    pytest.param([["u", "<think>hm</think>b"]], id="pair"),
    pytest.param([USER, bot("<think>hm</think>b")], id="message"),
    pytest.param([USER, bot(text("<think>hm</think>b"))], id="part"),
    pytest.param([USER, bot({**text("<think>hm</think>b"), "thinking": "x"})], id="another-key"),
    pytest.param([USER, bot({**text("<think>hm</think>b"), "type": []})], id="a-type-of-its-own"),
]


@pytest.mark.parametrize(("value", "expected"), [*ROWS, *PARTS])
def test_thoughts_and_answer_are_told_apart_in_every_shape(value: Any, expected: Reply) -> None:
    assert find_reply(value) == expected


@pytest.mark.parametrize("value", PLAIN)
def test_a_text_without_a_mark_is_no_thought(value: Any) -> None:
    reply = find_reply(value)

    assert reply is not None
    assert (reply.text, reply.thinking) == ("<think>hm</think>b", "")


def test_the_last_text_of_steps_without_a_final_answer_is_one_in_the_end() -> None:
    reply = find_reply([USER, bot("Step 1"), bot("hm", title="T"), bot("b")], is_final=True)

    assert reply == Reply("b", [3, "content"], "Step 1\n\nhm", [2, "content"])


def test_titles_are_names_where_the_user_has_one_too() -> None:
    reply = find_reply([{**USER, "metadata": {"title": "Student"}}, bot("b", title="Teacher")])

    assert reply == Reply("b", [1, "content"])


def test_a_thought_of_no_known_shape_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        find_reply([USER, {**bot("x", title="T"), "content": 1}])
