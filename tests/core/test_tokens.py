"""Counting tokens, with Qwen's vocabulary and without."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from qwen_space import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def without_vocabulary(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def find_spec(name: str, package: str | None = None) -> Any:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    tokens._vocabulary.forget()
    yield
    tokens._vocabulary.forget()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("Hello, 你好", [9707, 11, 220, 108386], id="words"),
        pytest.param("123", [16, 17, 18], id="each-digit-is-one"),
        pytest.param("<|im_end|>", [27, 91, 318, 6213, 91, 29], id="special-names-are-text"),
    ],
)
def test_text_becomes_qwens_own_tokens(text: str, expected: list[int]) -> None:
    assert tokens.is_exact()
    assert tokens.encode(text) == expected
    assert tokens.count(text) == len(expected)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("It was a bright cold day in April. " * 20, id="english"),
        pytest.param("人工智能是计算机科学的一个分支。" * 20, id="chinese"),
        pytest.param("def add(a, b):\n    return a + b\n\n" * 20, id="code"),
    ],
)
def test_the_estimate_is_near(text: str, request: pytest.FixtureRequest) -> None:
    exact = tokens.count(text)
    request.getfixturevalue("without_vocabulary")

    estimate = tokens.count(text)

    assert not tokens.is_exact()
    assert 0.67 * exact < estimate < 1.5 * exact


@pytest.mark.usefixtures("without_vocabulary")
def test_without_the_vocabulary_tokens_cannot_be_named() -> None:
    with pytest.raises(ImportError, match=r"qwen-space\[tokens\]"):
        tokens.encode("Hello")
