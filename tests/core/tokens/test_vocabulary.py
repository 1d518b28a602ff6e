"""Qwen's tokens, compared with those of tiktoken for the same vocabulary."""

from __future__ import annotations

import base64
import unicodedata

import pytest
import tiktoken
from hypothesis import example, given
from hypothesis import strategies as st

from qwen_space.tokens import vocabulary
from qwen_space.tokens.vocabulary import Tokenizer, Vocabulary, merge


@pytest.fixture(scope="module")
def ours() -> Tokenizer:
    tokenizer = Vocabulary().load()
    assert tokenizer is not None
    return tokenizer


@pytest.fixture(scope="module")
def theirs() -> tiktoken.Encoding:
    path = vocabulary._file()
    assert path is not None
    lines = path.read_bytes().splitlines()
    return tiktoken.Encoding(
        "qwen2.5",
        pat_str=vocabulary._WORDS,
        mergeable_ranks={base64.b64decode(line.split()[0]): int(line.split()[1]) for line in lines},
        special_tokens=vocabulary._SPECIAL,
    )


# Neither half surrogates, which no text on the wire has, nor what is no character yet: the two
# know Unicode in different versions.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cn", "Co"])
NAMES = st.sampled_from([*vocabulary._SPECIAL, "<|im_", "<tool_call", "|>", "</"])
WORDS = st.sampled_from(
    [
        "a",
        "the",
        " the",
        "don't",
        "DON'T",
        "we'\u017f",
        "你好",
        "  ",
        "\n",
        "\r\n ",
        "\x1f",
        "\x85",
        "12",
    ]
)
TEXTS = st.lists(st.text(CHARACTERS) | NAMES | WORDS).map("".join)


@given(TEXTS)
@example("a" * 5000)
@example("ab" * 999 + "\u3000" * 300 + "-" * 2000)
@example("\u0130stanbul \U0001f1e9\U0001f1ea\u200d e\u0301\u0323")
def test_a_text_has_the_tokens_that_tiktoken_finds(
    ours: Tokenizer, theirs: tiktoken.Encoding, text: str
) -> None:
    text = unicodedata.normalize("NFC", text)

    plain = theirs.encode(text, allowed_special=set(vocabulary._TAGS), disallowed_special=())
    assert ours.encode(text) == plain
    assert ours.encode(text, controls=True) == theirs.encode(text, allowed_special="all")


@given(st.binary(min_size=1, max_size=400))
def test_bytes_are_merged_as_tiktoken_does(theirs: tiktoken.Encoding, word: bytes) -> None:
    assert list(merge(word, theirs._mergeable_ranks)) == theirs._encode_single_piece(word)
