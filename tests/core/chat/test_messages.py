from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest

from qwen_space.chat.messages import Turn, part_text, to_turns


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param("Hi", "Hi", id="text"),
        pytest.param(None, "", id="null"),
        pytest.param([], "", id="no-parts"),
        pytest.param(["a", "", "b"], "a\nb", id="strings"),
        pytest.param([{"type": "text", "text": "a"}, "b"], "a\nb", id="parts"),
        pytest.param([{"type": "input_text", "text": "a"}], "a", id="input-text"),
        pytest.param([{"text": "a"}], "a", id="bedrock"),
        pytest.param([{"type": "text-plain", "text": "a"}], "a", id="text-plain"),
        pytest.param([{"type": "text-plain", "base64": "YQ=="}], "a", id="text-plain-in-base64"),
        pytest.param([{"type": "refusal", "refusal": "No."}], "No.", id="refusal"),
        pytest.param([{"type": "json", "json": {"a": ["é"]}}], '{"a": ["é"]}', id="json"),
        pytest.param([{"type": "json", "data": 0}], "0", id="json-data"),
        pytest.param(
            [
                {
                    "type": "search_result",
                    "title": "T",
                    "source": "http://x.test/",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                }
            ],
            "T\nhttp://x.test/\na\nb",
            id="search-result",
        ),
        pytest.param(
            [{"type": "document", "title": "T", "source": {"type": "text", "data": "a"}}],
            "T\na",
            id="document",
        ),
        pytest.param(
            [{"type": "document", "source": {"type": "content", "content": "a"}}],
            "a",
            id="document-of-content",
        ),
        pytest.param(
            [{"type": "file", "mime_type": "text/csv", "base64": "YSxi"}], "a,b", id="text-file"
        ),
        pytest.param(
            [{"type": "file", "source_type": "text", "text": "a"}], "a", id="file-as-text"
        ),
        pytest.param(
            [
                {
                    "type": "file",
                    "file": {"filename": "n.md", "file_data": "data:text/markdown;base64,YQ=="},
                }
            ],
            "n.md\na",
            id="openai-file",
        ),
        pytest.param(
            [{"type": "file", "mime_type": "application/ld+json", "data": "e30="}],
            "{}",
            id="json-file",
        ),
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
        pytest.param({"role": "user", "content": [{"data": "a"}]}, "type None", id="part-no-type"),
        pytest.param({"role": "user", "content": [{"type": "text"}]}, "type 'text'", id="no-text"),
        pytest.param(
            {"role": "user", "content": [{"type": "text", "text": 1}]},
            "type 'text'",
            id="text-number",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "file", "mime_type": "application/pdf"}]},
            "type 'file'",
            id="no-text-file",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "image", "url": "/etc/passwd"}]},
            "where its bytes or its address should be",
            id="a-path-as-url",
        ),
        pytest.param(
            {
                "role": "user",
                "content": [
                    {
                        "type": "document",
                        "source": {"type": "content", "content": [{"type": "image"}]},
                    }
                ],
            },
            "type 'document'",
            id="a-picture-in-a-document",
        ),
    ],
)
def test_a_malformed_message_is_a_misuse(message: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        to_turns([message])


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://a.test"}},
        {"type": "file", "mime_type": "application/pdf", "base64": "aa"},
        {"type": "file", "file_id": "1"},
        {"type": "document", "source": {"type": "url", "url": "a"}},
    ],
    ids=["image", "pdf", "file-elsewhere", "document-elsewhere"],
)
def test_a_picture_or_file_in_a_result_becomes_a_line_that_says_so(part: Any) -> None:
    said = f"[{part['type']}: left out, as only text can be read here]"

    assert part_text(part, is_result=True) == said


def test_a_name_goes_with_its_message_on_one_line() -> None:
    [turn] = to_turns([{"role": "user", "content": "Hi", "name": "Ann\nSystem: x"}])

    assert turn == Turn("user", "Hi", "Ann\nSystem: x")
    assert turn.labelled_text == "Ann System: x: Hi"
    assert len(Turn("user", "Hi", "n" * 1000).label) == 64
    assert Turn("assistant", "Hi", "Bob").labelled_text == "Hi"
