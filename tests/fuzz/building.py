"""Builds streams of a queue out of arbitrary bytes, so that a fuzzer gets behind the syntax.

Each choice takes a byte. Where the bytes end, so does the stream.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from qwen_space.errors import QwenSpaceError
from tests.queue_stream import apply_edits

__all__ = ["EVENT_ID", "built"]

EVENT_ID = "e"

T = TypeVar("T")

_TEXTS = (
    "",
    "a",
    "b c",
    "\n",
    " ",
    "\t",
    "1.\n   - a\n",
    "\u2028",
    "🙂",
    "\ud800",
    "append",
    "▌",
    "...",
    "&lt;",
    "<think>",
    "</think>",
)
_KINDS = (
    *("process_generating",) * 6,
    *("estimation", "process_starts", "log", "heartbeat", "send_data", "close_stream"),
    *("process_completed",) * 2,
    *("process_streaming", "unexpected_error", "queue_full", "progress", "nonsense"),
)
_ACTIONS = (*("append",) * 4, "replace", "add", "delete", "delete", "nonsense")
_ENDS = ("\n", "\r\n", "\r")
_PIECES = (
    *("a", " b", "ü", "🙂", '"', "\\", "\n", "\x00", "\u2028", "append", "1", "\\u0041"),
    *_TEXTS,
)
_SPOILERS = ("", '"', "\\", "0", "-", ",", "x", "]", "\n", '","')


def built(data: bytes) -> bytes:
    """Return the body of a stream whose messages are chosen by `data`."""
    builder = _Builder(data)
    return "".join(builder.events()).encode("utf-8", "surrogatepass")


class _Builder:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._values: list[Any] = []  # of the outputs, as the client should know them

    def events(self) -> list[str]:
        out = []
        while self._at < len(self._data):
            out.append(self._event())
        return out

    # Choices

    def _byte(self) -> int:
        byte = self._data[self._at] if self._at < len(self._data) else 0
        self._at += 1
        return byte

    def _one_of(self, options: Sequence[T]) -> T:
        return options[self._byte() % len(options)]

    def _number(self) -> Any:
        return self._one_of((0, 1, 2, 3, -1, 0.5, True, None, "1", 10**30, 1e400))

    # Framing

    def _event(self) -> str:
        style = self._byte()
        if style >= 176:
            return self._run(style)
        try:
            text = json.dumps(self._message(), indent=0 if style & 8 else None)
        except RecursionError:
            text = "[" * 10_000
        return self._framed(text, style)

    def _framed(self, text: str, style: int) -> str:
        end = _ENDS[style % 3]
        lines = [f"data: {line}" for line in text.split("\n")]
        if style & 16:
            lines = [": a comment", "id: 1", *lines, "retry: 5"]
        if style & 32:
            lines.append(f"event: {self._one_of(('message', 'generating', 'complete', 'error'))}")
        return end.join([*lines, "", ""])

    def _run(self, style: int) -> str:
        """Messages that differ in little but the piece that they append, as nearly all do.

        Some are spoiled in one character.
        """
        out = []
        if not self._values:
            self._values = self._whole()
            out.append(self._generating(list(self._values), style))
        at = self._byte() % len(self._values)
        paths = [*_paths(self._values[at])] or [[]]
        path = paths[-1 - self._byte() % len(paths)]  # the last one is mostly the reply's
        for _ in range(2 + self._byte() % 6):
            edits: list[Any] = [[] for _ in self._values]
            edits[at] = [["append", path, self._one_of(_PIECES)]]
            self._edit_values(edits)
            out.append(self._generating(edits, style))
        return "".join(out)

    def _generating(self, data: list[Any], style: int) -> str:
        output = {"data": data, "duration": self._one_of((0, 1.5, -2e-7, 10**30, 1e300))}
        message = {"msg": "process_generating", "event_id": EVENT_ID, "output": output}
        text = json.dumps(message, indent=0 if style & 8 else None, ensure_ascii=style & 4 > 0)
        return self._framed(self._spoiled(text), style & ~32)

    def _spoiled(self, text: str) -> str:
        if self._byte() < 232:
            return text
        at = (self._byte() * 256 + self._byte()) % len(text)
        return text[:at] + self._one_of(_SPOILERS) + text[at + 1 :]

    # Messages

    def _message(self) -> Any:
        kind = self._one_of(_KINDS)
        choice = self._byte()
        event_id = (EVENT_ID, EVENT_ID, EVENT_ID, None, "other", 1)[choice % 6]
        message: dict[str, Any] = {"msg": kind, "event_id": event_id}
        if kind in {"process_generating", "process_streaming"}:
            message["output"] = {"data": self._outputs()}
        elif kind == "process_completed":
            message["output"] = self._last(choice)
            message["success"] = choice < 128
        elif kind == "estimation":
            message |= {"rank": self._number(), "queue_size": 1, "rank_eta": self._number()}
        elif kind == "process_starts":
            message["eta"] = self._number()
        else:
            text = self._one_of(("", "'a'", "'\\d'", "GPU quota", "'(((", "Queue is full"))
            message |= {"log": text, "message": text, "level": self._number()}
        return message

    def _last(self, choice: int) -> Any:
        match choice % 5:
            case 0:
                return {}
            case 1:
                return {"error": self._one_of((None, "None", "'a'", "GPU quota", "'\\d'", [[]]))}
            case 2:
                return {"data": [None, None]}
            case _:
                return {"data": list(self._values) or self._whole()}

    def _outputs(self) -> Any:
        if not self._values or self._byte() % 8 == 0:
            self._values = self._whole()
            return list(self._values)
        edits = [self._edits(value) for value in self._values]
        self._edit_values(edits)
        return edits

    def _edit_values(self, edits: Sequence[Any]) -> None:
        for index, each in enumerate(edits):
            with contextlib.suppress(QwenSpaceError):  # it is the client's turn to say so
                if isinstance(each, list):
                    self._values[index] = apply_edits(self._values[index], each)

    def _whole(self) -> list[Any]:
        return [self._chat(), self._chat()]

    # Values

    def _chat(self) -> Any:
        """A chat component's value, mostly of a shape that there is."""
        text, more = self._one_of(_TEXTS), self._one_of(_TEXTS)
        match self._byte() % 12:
            case 0:
                return text
            case 1:
                return [["u", text]]
            case 2:
                return [[{"text": "u"}, {"text": text, "flushing": None}]]
            case 3:
                return [{"role": "user", "content": "u"}, {"role": "assistant", "content": text}]
            case 4:
                parts = [{"type": "text", "text": text}, {"type": "text", "text": more}]
                return [{"role": "assistant", "content": parts}]
            case 5:
                parts = [{"type": "thinking", "thinking": more}, {"type": "text", "text": text}]
                return [{"role": "user", "content": []}, {"role": "assistant", "content": parts}]
            case 6:
                thought = {"role": "assistant", "metadata": {"title": "T"}, "content": more}
                return [thought, {"role": "assistant", "metadata": None, "content": text}]
            case 7:
                return {"__type__": "update", "value": self._chat()}
            case 8:
                return {"__type__": "update"}
            case 9:
                return [["u", text], ["v", None]]
            case 10:
                return []
            case _:
                return self._any(3)

    def _any(self, depth: int) -> Any:
        match self._byte() % (6 if depth else 3):
            case 0:
                return self._one_of(_TEXTS)
            case 1:
                return self._number()
            case 2:
                return None
            case 3:
                return [self._any(depth - 1) for _ in range(self._byte() % 4)]
            case 4:
                keys = ("text", "content", "role", "type", "value", "metadata", "thinking")
                count = self._byte() % 4
                return {self._one_of(keys): self._any(depth - 1) for _ in range(count)}
            case _:
                deep: Any = self._one_of(_TEXTS)
                for _ in range(max(self._byte() - 192, 0)):
                    deep = [deep]
                return deep

    def _edits(self, value: Any) -> Any:
        choice = self._byte() % 16
        if choice == 0:
            return self._any(2)  # no edits at all
        return [self._edit(value) for _ in range((0, 1, 1, 1, 1, 1, 1, 2, 3)[choice % 9])]

    def _edit(self, value: Any) -> list[Any]:
        action = self._one_of(_ACTIONS)
        path = self._path(value, to_a_string=action == "append")
        if action == "add" and path and isinstance(path[-1], int):
            path[-1] += 1
        if action == "append":
            return [action, path, self._one_of(_TEXTS)]
        return [action, path, None if action == "delete" else self._any(2)]

    def _path(self, value: Any, *, to_a_string: bool) -> list[Any]:
        """A path that leads somewhere in `value`, or sometimes astray."""
        path: list[Any] = []
        while isinstance(value, (dict, list)) and value:
            choice = self._byte()
            if choice >= 240 and not to_a_string:
                break
            if isinstance(value, dict):
                keys: list[Any] = [each for each in value if isinstance(value[each], (str, list))]
                key = (keys or list(value))[choice % len(keys or value)]
            else:
                key = -1 % len(value) if choice < 128 else choice % len(value)
            path.append(key)
            value = value[key]
        if self._byte() >= 250:
            path.append(self._number())
        return path


def _paths(value: Any, path: Sequence[Any] = ()) -> Iterator[list[Any]]:
    """Yield the paths to all strings in a value."""
    if isinstance(value, str):
        yield [*path]
    elif len(path) < 8:  # some values are as deep as Python's stack
        items: Any = enumerate(value) if isinstance(value, list) else ()
        for key, inner in value.items() if isinstance(value, dict) else items:
            yield from _paths(inner, [*path, key])
