from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest

from qwen_space.chat.messages import Turn, to_turns


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
    assert to_turns([{"role": "user", "content": content}]) == [Turn("user", text)]


def test_a_message_without_content_has_no_text() -> None:
    assert to_turns([{"role": "assistant"}]) == [Turn("assistant", "")]


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
        to_turns([message])
