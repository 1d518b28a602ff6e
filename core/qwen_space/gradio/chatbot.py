"""A chat component's value to answer and thoughts, and what of a text is new.

The shapes are those that Gradio's and ModelScope's chat components have had:

    "text"                                            Textbox, ChatInterface
    [["user", "bot"], ...]                            gr.Chatbot, pairs
    [[{"text": "user"}, {"text": "bot"}], ...]        modelscope_studio's Chatbot
    [{"role": "assistant", "content": "bot"}, ...]    gr.Chatbot, messages, Gradio 4 and 5
    [{..., "content": [{"type": "text", "text": "bot"}]}, ...]           the same, Gradio 6
    {"__type__": "update", "value": any of these}     what gr.update gives

Thoughts are what the app marks as such: a message with a title in its metadata (gr.ChatMessage,
which `gr.Chatbot(reasoning_tags=...)` makes too), and a part of one of these types, beside the
parts of the answer.

    {"type": "thinking", "thinking": "hm"}            or "reasoning"; "text" and "content" too
    {"type": "tool", "content": "hm", "options": {"title": ...}}         modelscope_studio's pro
    {"type": "thought", "content": "hm", ...}                            Chatbot, today and once
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from qwen_space.errors import ProtocolError
from qwen_space.events import Rewritten, TextDelta, ThinkingDelta

__all__ = ["Reply", "ReplyText", "find_reply"]

_THOUGHTS = ("thinking", "reasoning", "thought", "tool")
_TEXTS = ("text", "content")
_THOUGHT_TEXTS = ("thinking", "reasoning", *_TEXTS)

Delta = TypeVar("Delta", TextDelta, ThinkingDelta)


@dataclass(frozen=True, slots=True)
class Reply:
    """The last reply in a chat component's value.

    Attributes:
        text: The answer; several parts are joined by a blank line.
        path: The keys and indices that lead to the string which grows while the answer is
            written, or None when there is no such string yet.
        thinking: The thoughts, joined as the parts are.
        thinking_path: Where the last thought grows, as `path`.
    """

    text: str
    path: list[Any] | None
    thinking: str = ""
    thinking_path: list[Any] | None = None


def find_reply(value: Any) -> Reply | None:
    """Return the last reply in a chat component's value.

    Files are left out.

    Returns:
        The reply; None when the value is an update that leaves everything as it was.

    Raises:
        ProtocolError: The value has none of the known shapes.
    """
    prefix: list[Any] = []
    while isinstance(value, dict) and value.get("__type__") == "update":
        if "value" not in value:
            return None
        value = value["value"]
        prefix.append("value")
    parts = list(_rows(value, prefix))
    answer = [part for part in parts if not part.thought]
    thoughts = [part for part in parts if part.thought]
    return Reply(*_joined(answer), *_joined(thoughts))


@dataclass(frozen=True, slots=True)
class _Part:
    """A string in the value, and where it is."""

    path: list[Any]
    text: str
    thought: bool


def _joined(parts: list[_Part]) -> tuple[str, list[Any] | None]:
    """Return the parts as one text, and the path to the string at its end.

    Empty parts, which wait for their text, make no blank lines. So where one of them is the
    last after others, what is appended to it is not all that comes to the text.
    """
    texts = [part.text for part in parts if part.text]
    ends = bool(parts) and (bool(parts[-1].text) or not texts)
    return "\n\n".join(texts), parts[-1].path if ends else None


def _rows(value: Any, path: list[Any]) -> Iterator[_Part]:
    """Yield the parts of the reply, whatever the component."""
    if not isinstance(value, list):
        yield from _content(value, path)
    elif value and isinstance(value[-1], list):
        if len(value[-1]) != 2:
            raise ProtocolError(f"A row of the chat is no pair: {value[-1]!r:.200}")
        yield from _content(value[-1][1], [*path, len(value) - 1, 1])
    elif value:
        yield from _messages(value, path)


def _messages(rows: list[Any], path: list[Any]) -> Iterator[_Part]:
    """Yield the parts of the assistant's messages after the user's last one."""
    start = len(rows)
    while start and _role(rows[start - 1]) != "user":
        start -= 1
    for index in range(start, len(rows)):
        row = rows[index]
        if _role(row) == "assistant":
            where = [*path, index, "content"]
            yield from _content(row.get("content"), where, thought=_is_thought(row))


def _role(row: Any) -> Any:
    if not isinstance(row, dict) or "role" not in row:
        raise ProtocolError(f"A row of the chat has no role: {row!r:.200}")
    return row["role"]


def _is_thought(item: dict[str, Any]) -> bool:
    """Whether the app marks a message, or a part of one, as a thought."""
    metadata = item.get("metadata")
    titled = isinstance(metadata, dict) and bool(metadata.get("title"))
    return titled or item.get("type") in _THOUGHTS


def _content(content: Any, path: list[Any], *, thought: bool = False) -> Iterator[_Part]:
    """Yield the texts in a message's content: a string, a dict with a text, or a list of them."""
    if isinstance(content, str):
        yield _Part(path, content, thought)
    elif isinstance(content, list):
        for index, part in enumerate(content):
            yield from _content(part, [*path, index], thought=thought)
    elif isinstance(content, dict):
        thought = thought or _is_thought(content)
        for key in _THOUGHT_TEXTS if thought else _TEXTS:
            if isinstance(content.get(key), (str, list)):
                yield from _content(content[key], [*path, key], thought=thought)
                break
    elif content is not None:
        raise ProtocolError(f"No text can be found in the chat's value: {content!r:.200}")


class ReplyText(Generic[Delta]):
    """The text of one reply, or its thoughts: what the server holds, and what was handed out.

    Gradio cleans a text's indentation each time that the app yields (`inspect.cleandoc`), so
    white space which was sent already may change later. As nothing can be taken back, what
    counts is the text without its white space: while that only grows, the deltas go on after
    the same count of characters.

    Args:
        delta: The event that a new piece makes.
    """

    def __init__(self, delta: type[Delta]) -> None:
        self._delta: type[Delta] = delta
        self._pieces: list[str] = []  # the text that the server holds
        self._settled = 0  # how many of them were not appended since the last whole text
        self._sent: list[str] = []  # the deltas up to there

    @property
    def text(self) -> str:
        """The text that the server holds."""
        return "".join(self._pieces)

    @property
    def appended(self) -> str:
        """What was appended since the last whole text, or since it was settled."""
        return "".join(self._pieces[self._settled :])

    def append(self, piece: str) -> Delta:
        """Take a piece that was added at the end, and is not empty."""
        self._pieces.append(piece)
        return self._delta(piece, self._pieces)

    def extend(self, pieces: Iterable[str]) -> Iterator[Delta]:
        """Take several pieces, each when its delta is asked for."""
        delta, taken = self._delta, self._pieces
        for piece in pieces:
            taken.append(piece)
            yield delta(piece, taken)

    def settle(self) -> None:
        """Take what was appended as part of the whole text."""
        self._sent += self._pieces[self._settled :]
        self._settled = len(self._pieces)

    def become(self, text: str) -> Delta | Rewritten | None:
        """Take a whole new text, and return what it means for whoever got the old one."""
        old = self.text
        self.settle()
        self._pieces = [text] if text else []  # a new list: the deltas share the old one
        self._settled = len(self._pieces)
        if text.startswith(old):
            new = text[len(old) :]
        else:
            resume = self._resume(old, text)
            if resume is None:
                self._sent = [text]
                return Rewritten(text, text[common_prefix(old, text) :])
            new = text[resume:]
        if not new:
            return None
        self._sent.append(new)
        return self._delta(new, self._pieces)

    def _resume(self, old: str, new: str) -> int | None:
        """Return where in `new` the part starts that was not handed out with `old`.

        None when that cannot be said, as more than white space has changed.
        """
        start = common_prefix(old, new)
        rest = "".join(old[start:].split())
        position = start
        for char in rest:
            while position < len(new) and new[position].isspace():
                position += 1
            if position == len(new) or new[position] != char:
                return None
            position += 1
        if not rest:  # `old` ends within white space: step back to where that began
            position = len(new[:position].rstrip())
        return position + common_prefix(self._sent_tail(), new[position:])

    def _sent_tail(self) -> str:
        """Return the white space at the end of what was handed out."""
        tail = ""
        for piece in reversed(self._sent):
            kept = piece.rstrip()
            tail = piece[len(kept) :] + tail
            if kept:
                break
        return tail


def common_prefix(one: str, other: str) -> int:
    """Return how many characters the two have in common at their start."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # by halves, as comparing slices is quicker than comparing characters
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
