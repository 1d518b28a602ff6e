"""Qwen2.5's tokens: its vocabulary, and how a text is made of it.

The vocabulary is read from the package dashscope or qwen-agent, which both carry it as a file; they
are not imported. The merging is our own, as tiktoken, which does it in Rust, holds the interpreter
for a tenth of a second when it is given a vocabulary: for all threads, the event loop's too.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import threading
import unicodedata
from binascii import a2b_base64
from collections.abc import Iterator
from functools import lru_cache
from heapq import heappop, heappush
from pathlib import Path

__all__ = ["Tokenizer", "Vocabulary"]

_PLACES = (("dashscope", "resources/qwen.tiktoken"), ("qwen_agent", "utils/qwen.tiktoken"))

# How text is cut into words before they are merged, and the tokens after the vocabulary: facts
# of the Qwen2 and Qwen2.5 tokenizer (`pretokenize_regex`, `added_tokens`).
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CONTROLS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>"),
    *("<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
_TAGS = ("<tool_call>", "</tool_call>")  # words of the vocabulary; the others control the model
_SPECIAL = {name: 151_643 + place for place, name in enumerate((*_CONTROLS, *_TAGS))}

_PIECE = 2**14  # bytes of the file

_PATIENCE = 1.0  # seconds that a fork waits for a reading, which takes a tenth of that

_REMEMBERED = 2**16  # words; a text has the same ones again and again

Ranks = dict[bytes, int]


class Tokenizer:
    """Cuts texts into tokens.

    Args:
        ranks: The vocabulary: each token's bytes, and its number. Those with the lower numbers
            are merged first.
    """

    def __init__(self, ranks: Ranks) -> None:
        regex = importlib.import_module("regex")  # re has no classes such as \p{L}
        self._ranks = ranks
        self._words = regex.compile(_WORDS)
        self._tags = regex.compile("|".join(map(regex.escape, _TAGS)))
        self._special = regex.compile("|".join(map(regex.escape, _SPECIAL)))
        self._merged = lru_cache(_REMEMBERED)(lambda word: merge(word.encode(), ranks))

    def encode(self, text: str, *, controls: bool = False) -> list[int]:
        """Return the tokens of a text.

        Args:
            text: The text. `<tool_call>` and `</tool_call>` in it are tokens.
            controls: Whether the names of control tokens, such as `<|im_end|>`, are these tokens,
                as in what a chat template renders, or plain text.
        """
        text = unicodedata.normalize("NFC", text)  # Qwen's tokenizer does so first
        tokens: list[int] = []
        start = 0
        for name in (self._special if controls else self._tags).finditer(text):
            tokens += self._plain(text[start : name.start()])
            tokens.append(_SPECIAL[name[0]])
            start = name.end()
        tokens += self._plain(text[start:])
        return tokens

    def _plain(self, text: str) -> Iterator[int]:
        for word in self._words.finditer(text):  # which lets other threads go on at each word
            yield from self._merged(word[0])


def merge(word: bytes, ranks: Ranks) -> tuple[int, ...]:
    """Return the tokens of a word: its bytes, of which the pair that comes first is merged first.

    The time that it takes grows little faster than the word.
    """
    if (rank := ranks.get(word)) is not None:
        return (rank,)
    size = len(word)
    # For each place at which a piece begins: where it ends, and where the one before it begins.
    end = list(range(1, size + 1))
    before = list(range(-1, size))
    pairs: list[tuple[int, int, int]] = []

    def consider(start: int, stop: int) -> None:
        if (rank := ranks.get(word[start:stop])) is not None:
            heappush(pairs, (rank, start, stop))

    for start in range(size - 1):
        consider(start, start + 2)
    while pairs:
        _, start, stop = heappop(pairs)
        middle = end[start]
        if not 0 < middle < stop or end[middle] != stop:
            continue  # one of the two has been merged with another meanwhile
        end[start], end[middle] = stop, 0
        before[stop] = start
        if start:
            consider(before[start], stop)
        if stop < size:
            consider(start, end[stop])
    return tuple(_tokens(word, end, ranks))


def _tokens(word: bytes, end: list[int], ranks: Ranks) -> Iterator[int]:
    start = 0
    while start < len(word):
        yield ranks[word[start : end[start]]]
        start = end[start]


class Vocabulary:
    """Qwen's vocabulary on this machine, read once whatever the threads that ask for it.

    Attributes:
        is_loaded: Whether it has been read, or found to be missing.
        turn: Held by the thread that reads it; also for those that have much to count.
    """

    def __init__(self) -> None:
        self.is_loaded = False
        self.turn = threading.RLock()
        self._is_begun = False  # to be read by a thread of its own
        self._is_held = False  # for a fork
        self._tokenizer: Tokenizer | None = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._hold, after_in_parent=self._release, after_in_child=self._unlock
            )

    def read_ahead(self) -> None:
        """Begin to read it, in a thread of its own, if nobody has."""
        if not (self._is_begun or self.is_loaded):
            self._is_begun = True
            thread = threading.Thread(target=self._load, name="qwen_space words", daemon=True)
            with contextlib.suppress(RuntimeError):  # at the end of a program none can be had
                thread.start()

    def _load(self) -> None:
        with contextlib.suppress(Exception):  # it is raised to who counts
            self.load()

    def load(self) -> Tokenizer | None:
        """Return what cuts texts by it; None where it, or the package regex, is not there."""
        if not self.is_loaded:
            with self.turn:
                if not self.is_loaded:
                    self._tokenizer = self._read()
                    self.is_loaded = True
        return self._tokenizer

    def _read(self) -> Tokenizer | None:
        path = _file()
        if path is None or importlib.util.find_spec("regex") is None:
            return None
        ranks: Ranks = {}
        with path.open("rb") as lines:
            # By pieces that take half a millisecond, as other threads have to wait for each.
            while piece := lines.read(_PIECE):
                words = (piece + lines.readline()).split()
                ranks.update(zip(map(a2b_base64, words[::2]), map(int, words[1::2]), strict=True))
        return Tokenizer(ranks)

    # A child must not inherit a lock that another thread of its parent holds: neither this one, nor
    # the interpreter's for a module that is being imported, as regex is for the first reading.

    def _hold(self) -> None:
        is_reading = self._is_begun and not self.is_loaded
        self._is_held = is_reading and self.turn.acquire(timeout=_PATIENCE)

    def _release(self) -> None:
        if self._is_held:
            self.turn.release()

    def _unlock(self) -> None:
        self.turn = threading.RLock()
        self._is_begun = False


def _file() -> Path | None:
    for package, file in _PLACES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            if (path := Path(folder, file)).is_file():
                return path
    return None
