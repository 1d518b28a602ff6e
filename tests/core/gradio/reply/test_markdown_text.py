"""Texts that an app escapes with backslashes."""

from __future__ import annotations

import pytest

from qwen_space.gradio.reply.markdown_text import (
    MarkdownText,
    escapes_markdown,
    has_backslashed_prose,
)
from tests.pieces import cut

SHOWN = [
    pytest.param(r"x \< 3 and y \> 2", "x < 3 and y > 2", id="signs"),
    pytest.param("\\<b\\>\n```c\na \\< b\n```\n\\<", "<b>\n```c\na \\< b\n```\n<", id="code"),
    pytest.param(r"a \* b \\ c", r"a \* b \\ c", id="other-signs"),
    pytest.param("a \\", "a \\", id="end"),
    pytest.param("``", "``", id="no-fence"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
@pytest.mark.parametrize("size", [1, 2, 3, 1024])
def test_the_cut_of_the_pieces_does_not_matter(text: str, shown: str, size: int) -> None:
    reader = MarkdownText()

    pieces = [reader.feed(piece) for piece in cut(text, size)]

    assert "".join(pieces) + reader.flush() == shown


@pytest.mark.parametrize(
    ("prompt", "shown", "expected"),
    [
        ("Is a < b?", r"Is a \< b?", True),
        ("Is a > b?", r"Is a \> b?", True),
        ("Is a < b?", "Is a < b?", False),
        (r"Is a \< b?", r"Is a \< b?", False),
        ("Hi", "Hi", False),
    ],
)
def test_the_user_s_message_tells(prompt: str, shown: str, expected: bool) -> None:
    assert escapes_markdown(prompt, shown) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"x \< 3", True),
        (r"x < 3, or \<", False),
        (r"Type `\<` or x", False),
        ("```sh\ngrep '\\<a'\n```", False),
        (r"a \\< b", False),
        (r"a \> b", False),
    ],
)
def test_the_first_sign_in_prose_tells(text: str, expected: bool) -> None:
    assert has_backslashed_prose(text) is expected
