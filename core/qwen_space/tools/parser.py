"""A reply, while it is written, to text and tool calls.

    parser = ReplyParser(tools, new_call_id)
    for delta in deltas:
        for part in parser.feed(delta):
            ...
    for part in parser.close():
        ...

The parts are the same for any cuts of the reply, once neighbouring deltas of a kind are joined.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from qwen_space.tools.call_block import CLOSE_FUNCTION, CallBlock
from qwen_space.tools.calls import (
    ArgumentsDelta,
    CallStarted,
    InvalidCall,
    ParsedReply,
    ReplyPart,
    TextPart,
    ToolCall,
    to_json,
)
from qwen_space.tools.choice import ToolBinding
from qwen_space.tools.forms import FUNCTION, read_calls
from qwen_space.tools.scan import CLOSE, ENDS, OPEN, TOOLS, may_become
from qwen_space.tools.untagged import CallPrefixes, UntaggedCalls
from qwen_space.tools.values import with_schema_types

__all__ = ["ReplyParser", "parse"]


def parse(text: str, tools: ToolBinding, new_id: Callable[[], str]) -> ParsedReply:
    """Return a whole reply as text and calls; see `ReplyParser`."""
    parser = ReplyParser(tools, new_id)
    parser.feed(text)
    parser.close()
    return parser.parsed


class ReplyParser:
    """Reads a reply for tool calls, whatever the deltas' borders.

    - Text goes on at once; held back is only a possible start of a tag, and the line break
      before it, which belongs to the tag, as does one after a closing tag. Text that follows on a
      call begins a line, if there is text before it.
    - A call stands between `<tool_call>` and the next `</tool_call>` outside of a JSON string, in
      one of the forms of `qwen_space.tools.forms`; else it is invalid. So is one that another
      call's tag cuts off, or the end of the reply, except that a whole call at the end of a reply
      needs no closing tag. A name that no bound tool has does not make it invalid: frameworks
      tell the model so.
    - `<function=name>` of a bound tool, at the start of a line, begins a call without a tag.
    - A closing tag without an opening one is dropped.
    - A tag in backticks, as `` `<tool_call>` ``, is text: the model speaks of it.
    - Calls without tags are read as `qwen_space.tools.untagged` says. A text that begins like
      one is held back, up to the end of the reply: only there it is known to be alone.
    - `<tool_response>`, `<|im_end|>`, `<|im_start|>` and `<|endoftext|>` end the reply, as the
      model goes on as somebody else there: nothing after them is read.
    - For each valid call comes a `CallStarted`, `ArgumentsDelta`s and the `ToolCall`; for an
      invalid one an `InvalidCall`, with or without the others before it.

    Where no tools are bound, or `tool_choice` is "none", all of the reply is text.

    Args:
        tools: The bound tools.
        new_id: Gives a fresh call id, such as `qwen_space.tools.calls.new_call_id`.

    Attributes:
        ended: Whether the reply has ended before its last character, so that the job can be
            stopped as by a stop sequence.
    """

    def __init__(self, tools: ToolBinding, new_id: Callable[[], str]) -> None:
        self.ended = False
        self._tools = tools
        self._schemas = tools.parameters
        self._anywhere = tools.forced  # whether calls without tags may follow on text
        self._prefixes = CallPrefixes(tools) if tools.active else None
        self._functions = tuple(f"{FUNCTION}{name}>" for name in tools.names)
        self._marks = _Marks(self._prefixes.starts if self._prefixes else "", self._functions)
        self._new_id = new_id
        self._mode: _Mode = self._text_mode if tools.active else self._plain_mode
        self._rest = ""  # the text that waits for the next piece
        self._fed: list[str] = []
        self._new_parts: list[ReplyPart] = []
        self._parts: list[str | ToolCall | InvalidCall] = []
        self._new_texts: list[str] = []  # text that was not handed out yet
        self._text_since_call: list[str] = []  # and the text since the last call
        self._index = 0
        self._blank = True  # whether nothing but white space has come
        self._line_start = True
        self._end_of_text = ""  # its last two characters
        self._after_tag = False
        self._parted = False  # whether a call has come since the text's last word
        self._call: CallBlock | None = None
        self._untagged: UntaggedCalls | None = None

    def feed(self, delta: str) -> list[ReplyPart]:
        """Take the next piece of the reply and return the parts known now."""
        self._fed.append(delta)
        text, self._rest = self._rest + delta, ""
        self._run(text)
        return self._take_parts()

    def _run(self, text: str, at: int = 0) -> None:
        place: tuple[str, int] | None = (text, at)
        while place is not None:
            place = self._mode(*place)

    def close(self) -> list[ReplyPart]:
        """Return the rest, as nothing follows. The beginning of a tag was none, so is text."""
        self._flush()
        self._mode = self._closed_mode
        return self._take_parts()

    def _flush(self) -> None:
        while self._untagged is not None:  # a second one may begin in the text of the first
            self._end_untagged(self._untagged)
        rest, self._rest = self._rest, ""
        if self._call is None and self._is_in_code(rest):  # no backtick follows on the tag
            self._end_of_text = ""
            self._run(rest)
            rest = ""
        if self._call is not None:
            self._end_call(self._call, rest)
        else:
            self._add_text(rest)
        self._end_text()

    @property
    def parsed(self) -> ParsedReply:
        """The whole reply, once it is closed."""
        return ParsedReply.from_parts(self._parts)

    def settle(self, text: str) -> ParsedReply:
        """Return the whole reply, once it is closed, as the server ended on it.

        It is read again if it differs from the pieces fed, as where the app rewrote it. Calls that
        stayed what they were keep their ids.
        """
        if text == "".join(self._fed):
            return self.parsed
        spare = {_key(call): call.id for call in reversed(self.parsed.calls)}
        parser = type(self)(self._tools, self._new_id)
        parser.feed(text)
        parser.close()
        parts = [_with_old_id(part, spare) for part in parser._parts]  # noqa: SLF001 - its own
        return ParsedReply.from_parts(parts)

    # Modes. Each takes a text and a place in it, and returns where to go on; None waits for more.

    def _plain_mode(self, text: str, at: int) -> tuple[str, int] | None:
        self._add_text(text[at:])
        return None

    def _closed_mode(self, text: str, at: int) -> tuple[str, int] | None:
        raise RuntimeError("The reply is closed: take a new ReplyParser for the next one.")

    def _ended_mode(self, text: str, at: int) -> tuple[str, int] | None:
        return None

    def _text_mode(self, text: str, at: int) -> tuple[str, int] | None:
        if self._after_tag and at < len(text):
            self._after_tag = False
            at += text[at] == "\n"
            self._line_start = True
        mark = self._next_mark(text, at)
        if mark is None:
            keep = self._marks.held_from(text, at)
            self._add_text(text[at:keep])
            self._rest = text[keep:]
            return None
        self._add_text(text[at : mark.start(mark.lastgroup or 0)])
        if self._is_in_code(mark[0]):
            if mark.end() == len(text):
                self._rest = mark[0]
                return None
            if text[mark.end()] == "`":
                self._add_text(mark[0])
                return text, mark.end()
        match mark.lastgroup:
            case "start":
                return self._try_untagged(text, mark.start("start"))
            case "close":
                self._after_tag = True
            case "end":
                self._end()
            case "function":
                self._begin_call(CLOSE_FUNCTION, mark["function"].lstrip())
            case _:
                self._begin_call(CLOSE)
        return text, mark.end()

    def _is_in_code(self, tag: str) -> bool:
        """Whether one backtick comes before a tag, so that it is text if one follows on it."""
        return tag in _TAGS and self._end_of_text[-1:] == "`" and self._end_of_text != "``"

    def _next_mark(self, text: str, at: int) -> re.Match[str] | None:
        """Return the next tag, or the place where a call without tags may begin."""
        first = None
        if self._prefixes is not None:
            if self._blank:
                first = self._marks.first.match(text, at)
            elif self._anywhere and self._line_start:
                first = self._marks.start.match(text, at)
        if first is None and self._line_start:
            first = self._marks.function.match(text, at)
        with_lines = self._prefixes is not None and self._anywhere
        return first or (self._marks.tag_or_line if with_lines else self._marks.tag).search(
            text, at
        )

    def _try_untagged(self, text: str, at: int) -> tuple[str, int] | None:
        assert self._prefixes is not None  # noqa: S101 - else there is no such mark
        named = self._prefixes.begin(text, at, blank=False)
        begins = named or self._prefixes.begin(text, at, blank=self._blank)
        if begins is None or (begins and named is None):
            self._rest = text[at:]
            return None
        if not begins:
            self._add_text(text[at])
            return text, at + 1
        if named:
            self._prefixes = None  # the first that begins like a call decides
        self._untagged = UntaggedCalls(self._tools, named=bool(named))
        self._mode = self._untagged_mode
        return text, at

    def _untagged_mode(self, text: str, at: int) -> tuple[str, int] | None:
        assert self._untagged is not None  # noqa: S101 - this mode's own
        rest = self._untagged.feed(text[at:])
        if self._untagged.ended:
            self._flush()
            self._end()
            return None
        if rest is not None:
            self._rest = rest
            return None
        return self._drop_untagged(self._untagged.text + text[at:])

    def _drop_untagged(self, text: str) -> tuple[str, int]:
        self._untagged = None
        self._blank = False
        self._mode = self._text_mode
        return text, 0

    def _call_mode(self, text: str, at: int) -> tuple[str, int] | None:
        call = self._call
        assert call is not None  # noqa: S101 - this mode's own
        end, mark = call.walk(text, at)
        self._stream_call(call)
        if mark is None:
            self._rest = text[end:]
            return None
        self._call = None
        self._mode = self._text_mode
        if mark == call.closing:
            self._finish(call)
            self._after_tag = True
        elif mark in ENDS:
            self._end_call(call, "")
            self._end()
        else:
            self._fail(call, "it is not closed before the next one begins")
            return text, end
        return text, end + len(mark)

    def _end(self) -> None:
        self.ended = True
        self._mode = self._ended_mode

    # Text

    def _add_text(self, text: str) -> None:
        if not text:
            return
        if self._parted and not text[0].isspace():
            self._new_texts.append("\n")
        self._parted = False
        self._new_texts.append(text)
        self._line_start = text[-1] == "\n"
        self._end_of_text = (self._end_of_text + text[-2:])[-2:]
        self._blank = self._blank and text.isspace()

    def _end_text(self) -> None:
        self._emit_text()
        if self._text_since_call:
            self._parts.append("".join(self._text_since_call))
            self._text_since_call = []

    def _emit_text(self) -> None:
        if self._new_texts:
            text = "".join(self._new_texts)
            self._new_parts.append(TextPart(text))
            self._text_since_call.append(text)
            self._new_texts = []

    def _take_parts(self) -> list[ReplyPart]:
        self._emit_text()
        out, self._new_parts = self._new_parts, []
        return out

    # Calls

    def _begin_call(self, closing: str, text: str = "") -> None:
        self._end_text()
        self._prefixes = None
        self._blank = False
        self._parted = bool(self._end_of_text[-1:].strip())
        self._call = CallBlock(closing, text)
        self._mode = self._call_mode

    def _start(self, name: str) -> str:
        call_id = self._new_id()
        self._new_parts.append(CallStarted(self._index, call_id, name))
        return call_id

    def _stream_call(self, call: CallBlock) -> None:
        """Hand out the new part of a call's name and arguments."""
        name, delta = call.new_parts()
        if name is not None:
            call.id = self._start(name)
        if delta:
            self._new_parts.append(ArgumentsDelta(self._index, delta))

    def _end_call(self, call: CallBlock, rest: str) -> None:
        """Take a call whose closing tag is missing at the end of the reply, if it is whole."""
        self._call = None
        try:
            read_calls(call.whole, self._schemas)
        except ValueError:
            self._fail(call, "it is not closed", rest if call.in_string else "")
        else:
            self._finish(call)

    def _finish(self, call: CallBlock) -> None:
        try:
            calls = read_calls(call.whole, self._schemas)
        except ValueError as exc:
            self._fail(call, str(exc))
            return
        for name, given in calls:
            if call.id:  # so there is one only: in a list, none is shown before its end
                arguments = self._with_types(name, given)
                text = call.arguments if arguments is given else to_json(arguments)
                self._add_call(ToolCall(name, arguments, call.id, self._index, text))
            else:
                self._add_whole_call(name, given)

    def _with_types(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = with_schema_types(arguments, self._schemas.get(name) or {})
        return found

    def _add_whole_call(self, name: str, given: dict[str, Any]) -> None:
        """Hand out a call that has not been shown."""
        arguments = self._with_types(name, given)
        text = to_json(arguments)
        call_id = self._start(name)
        self._new_parts.append(ArgumentsDelta(self._index, text))
        self._add_call(ToolCall(name, arguments, call_id, self._index, text))

    def _fail(self, call: CallBlock, reason: str, rest: str = "") -> None:
        name = call.name if call.id else None
        text = (call.text + rest).strip()
        call_id = call.id or self._new_id()
        self._add_call(InvalidCall(text, reason, id=call_id, index=self._index, name=name))

    def _end_untagged(self, untagged: UntaggedCalls) -> None:
        self._untagged = None
        calls = untagged.calls()
        text, self._rest = untagged.text + self._rest, ""
        if calls is None:
            self._run(*self._drop_untagged(text))
            return
        self._end_text()
        for call in calls:
            if isinstance(call, str):
                reason = "it is cut off, or no JSON"
                self._add_call(InvalidCall(call, reason, id=self._new_id(), index=self._index))
            else:
                self._add_whole_call(*call)

    def _add_call(self, call: ToolCall | InvalidCall) -> None:
        self._parts.append(call)
        self._new_parts.append(call)
        self._index += 1


_TOOLS = f"<(?={TOOLS[0][1:]})"
_TAGS = frozenset({OPEN, CLOSE, *ENDS})

_Mode = Callable[[str, int], "tuple[str, int] | None"]


class _Marks:
    """The tags of a reply, and the places where calls without tags may begin."""

    def __init__(self, starts: str, functions: tuple[str, ...]) -> None:
        begin = rf"(?P<start>[{re.escape(starts)}]|{_TOOLS})" if starts else "(?P<start>(?!))"
        names = "|".join(map(re.escape, functions)) or "(?!)"
        tags = (
            rf"(?P<close>\n?{CLOSE})|(?P<open>\n?{OPEN})"
            rf"|(?P<end>\n?(?:{'|'.join(map(re.escape, ENDS))}))|(?P<function>\n(?:{names}))"
        )
        self.first = re.compile(rf"\s*{begin}")
        self.start = re.compile(rf"(?P<start>[{{\[`]|{_TOOLS})")
        self.function = re.compile(rf"(?P<function>{names})")
        self.tag = re.compile(tags)
        self.tag_or_line = re.compile(rf"{tags}|(?<=\n)(?P<start>[{{\[`]|{_TOOLS})")
        self._wholes = (OPEN, CLOSE, TOOLS[0], *ENDS, *functions)
        self._longest = max(map(len, self._wholes))

    def held_from(self, text: str, at: int) -> int:
        """Return the place from which a text may be the start of a tag, or of its line break."""
        sign = text.rfind("<", max(at, len(text) - self._longest))
        is_tag = sign >= 0 and may_become(text[sign:], *self._wholes)
        start = sign if is_tag else len(text)
        return start - 1 if start > at and text[start - 1] == "\n" else start


def _key(call: ToolCall) -> tuple[int, str, str]:
    return call.index, call.name, to_json(call.arguments)


def _with_old_id(
    part: str | ToolCall | InvalidCall, ids: Mapping[tuple[int, str, str], str]
) -> str | ToolCall | InvalidCall:
    if isinstance(part, ToolCall) and (old := ids.get(_key(part))):
        return replace(part, id=old)
    return part
