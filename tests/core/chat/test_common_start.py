"""The start that two texts have in common."""

from __future__ import annotations

import pytest

from qwen_space.chat.common_start import common_start


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        pytest.param("Thinking...", "The answer", "", id="a-placeholder"),
        pytest.param("So think", "So the", "So ", id="a-later-word"),
        pytest.param("Hello_", "Hello you_", "Hello", id="a-cursor-after-a-word"),
        pytest.param("Hel_", "Hello_", "Hel", id="a-cursor-in-a-word"),
        pytest.param("I ask you", "I ask. Now", "I ask", id="whole-words"),
        pytest.param("Hello", "Hell", "Hell", id="shorter"),
        pytest.param("我在思考", "我在北京", "我在", id="chinese"),
        pytest.param("그는 생각", "그는 생활", "그는 ", id="korean"),
        pytest.param("a", "a", "a", id="the-same"),
        pytest.param("", "a", "", id="nothing"),
    ],
)
def test_half_a_word_is_not_in_common(old: str, new: str, kept: str) -> None:
    assert new[: common_start(old, new)] == kept
