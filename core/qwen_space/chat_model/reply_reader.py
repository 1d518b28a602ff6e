"""One call of a chat model, without I/O: the events of its replies in, the caller's parts out.

A call has one reply, or two where the first has to be asked for again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec.structs import replace

from qwen_space.chat.messages import Turn
from qwen_space.chat.structured import reask as reask_for_json
from qwen_space.chat_model.extraction import describe_error
from qwen_space.chat_model.handed_out import HandedOut
from qwen_space.chat_model.reply import CallEvent, ChatReply, Part, StatusEvent, Thought
from qwen_space.chat_model.response_format import JSONCutter, ResponseFormat
from qwen_space.events import (
    Completed,
    Event,
    Queued,
    Rewritten,
    Started,
    TextDelta,
    ThinkingDelta,
)
from qwen_space.tokens import Usage
from qwen_space.tools import (
    NO_TOOLS,
    InvalidCall,
    ParsedReply,
    ReplyParser,
    ReplyPart,
    TextPart,
    ToolBinding,
    ToolCall,
    reasked,
)
from qwen_space.tools.calls import new_call_id

__all__ = ["ReplyReader"]

_EMPTY = "Your answer is empty. Answer in words, or with a function call within <tool_call> tags."


class ReplyReader:
    """Turns the events of the replies to one call into the events that a caller gets, without I/O.

    - Text and thoughts are handed out at once. A tool call is no text.
    - Where a call has to come, nothing but thoughts is handed out before it is there. Where it
      does not come, the model is asked once more, and the first reply is dropped.
    - Where all calls of a reply are invalid, or it is empty though tools are bound, the model is
      asked once more too. The first reply's text was handed out by then, so it stays.
    - Where parallel calls are off, calls after the first valid one are dropped.
    - Where JSON is asked for, the text is that alone. JSON that does not fit is asked for once
      more; with a schema to fit, it is handed out when it is complete.

    Args:
        chat: The turns to ask with.
        tools: The tools that the model may call.
        response_format: The format of a reply without calls; None is any text.
        reask: Whether the model may be asked once more.
        stream_arguments: Whether a call's arguments are handed out while they are written.

    Attributes:
        chat: The turns to ask with now; None once the last reply is complete.
        add_text: Takes the text of a delta that is handed out as it is, in place of `receive`;
            None where the reply may have calls or a format.
    """

    def __init__(
        self,
        chat: Sequence[Turn],
        tools: ToolBinding = NO_TOOLS,
        *,
        response_format: ResponseFormat | None = None,
        reask: bool = True,
        stream_arguments: bool = False,
    ) -> None:
        self.chat: Sequence[Turn] | None = chat
        self._tools = tools
        self._format = response_format
        self._checks_format = reask  # else the caller does
        self._may_reask = reask
        self._stream_arguments = stream_arguments
        self._replies: list[Completed] = []
        self._usages: list[Usage] = []
        self._text_before = ""  # of a first reply, which was handed out
        self._queued: Queued | None = None
        self._since = time.monotonic()
        self._waited: float | None = None
        self._out = HandedOut()
        is_plain = response_format is None and not tools.active
        self.add_text = self._out.add_text if is_plain else None
        self._begin()

    def _begin(self) -> None:
        self._parser = ReplyParser(self._tools, new_call_id) if self._tools.active else None
        self._cutter = JSONCutter() if self._format is not None else None
        self._held: list[ReplyPart] = []
        self._calls: list[ToolCall | InvalidCall] = []  # of this reply, those held back included

    def receive(self, event: Event) -> Sequence[CallEvent]:
        """Take the next event of a reply but its last; return the parts to hand out now."""
        match event:
            case TextDelta():
                if self._parser is not None:
                    return self._take(self._cut(self._parser.feed(event.delta)))
                if self._cutter is not None:
                    return self._take(self._cut([TextPart(event.delta)]))
                self._out.add_text(event.delta)
                return (event,)
            case ThinkingDelta():
                return (self._out.think(event),)
            case Rewritten():
                return self._rewrite(event)
            case Completed():
                raise TypeError("The end of a reply goes to `complete`.")
        self._note(event)
        return (event,)

    def _note(self, event: StatusEvent) -> None:
        if isinstance(event, Queued) and self._queued is None:
            self._queued = event
            self._since = time.monotonic()
        elif isinstance(event, Started) and self._waited is None:
            self._waited = time.monotonic() - self._since

    def complete(self, completed: Completed, usage: Usage) -> Sequence[CallEvent]:
        """Take a whole reply and its usage; return the remaining parts, a `ChatReply` as the last.

        There is no `ChatReply` where the model is to be asked once more, with `chat`.
        """
        assert self.chat is not None  # noqa: S101 - this is a reply to it
        events = [] if self._parser is None else self._take(self._cut(self._parser.close()))
        parsed, wrong = self._formatted(self._parse(completed))
        question = self._question(parsed, completed, wrong) if self._may_reask else ""
        self._may_reask = False
        self._replies.append(completed)
        self._usages.append(usage)
        if question:
            self.chat = reasked(self.chat, completed.text, question)
            return [*events, *self._drop(parsed)]
        self.chat = None
        return [*events, *self._rest(parsed), self._reply(completed, parsed, wrong)]

    # While a reply is written

    def _cut(self, parts: Iterable[ReplyPart]) -> Iterable[ReplyPart]:
        """Return parts without the words around JSON that was asked for."""
        if self._cutter is None:
            return parts
        cut = [
            TextPart(self._cutter.feed(part.delta)) if isinstance(part, TextPart) else part
            for part in parts
        ]
        return [part for part in cut if not isinstance(part, TextPart) or part.delta]

    def _take(self, parts: Iterable[ReplyPart]) -> list[CallEvent]:
        """Take parts of a reply; return those that may be handed out."""
        self._held.extend(filter(self._is_wanted, parts))
        if self._has_to_hold:
            return []
        held, self._held = self._held, []
        return list(map(self._out.give, held))

    def _is_wanted(self, part: ReplyPart) -> bool:
        if isinstance(part, TextPart):
            return True
        if part.index < len(self._calls):  # it was handed out before the app rewrote the reply
            return False
        if not self._tools.parallel and _valid(self._calls):
            return False
        if isinstance(part, (ToolCall, InvalidCall)):
            self._calls.append(part)
            return True
        return self._stream_arguments

    @property
    def _has_to_hold(self) -> bool:
        """Whether the model may have to be asked once more."""
        if not self._may_reask:
            return False
        if self._format is not None and self._format.has_schema and not self._calls:
            return True
        if self._tools.forced:
            return self._tools.missing_required_call(_valid(self._calls))
        return bool(self._calls) and not _valid(self._calls)

    def _rewrite(self, event: Rewritten) -> Sequence[CallEvent]:
        """Read a reply again that the app has changed; return its new parts."""
        if self._format is not None:
            return []  # until it is complete
        if self._parser is None:
            self._out.replace_text(event)
            return (event,)
        self._forget()
        self._out.tear()
        self._stream_arguments = False
        self._parser = ReplyParser(self._tools, new_call_id)
        parts = self._parser.feed(event.text)
        text = "".join(part.delta for part in parts if isinstance(part, TextPart))
        events = self._out.keep_common(self._text_before + text)
        known = len(self._out.text) - len(self._text_before)
        return [*events, *self._take(_after(parts, known))]

    def _forget(self) -> None:
        """Forget the parts held back."""
        self._held = []
        self._calls = list(self._out.calls)

    # When a reply is complete

    def _parse(self, completed: Completed) -> ParsedReply:
        if self._parser is None:
            return ParsedReply.from_parts([completed.text] if completed.text else [])
        parsed = self._parser.settle(completed.text)
        if parsed != self._parser.parsed:
            self._forget()
        return (
            parsed
            if self._tools.parallel
            else ParsedReply.from_parts(_up_to_first_call(parsed.parts))
        )

    def _formatted(self, parsed: ParsedReply) -> tuple[ParsedReply, str]:
        """Return a reply with nothing but the JSON as its text, and the JSON's fault."""
        if self._format is None or parsed.calls or parsed.invalid:
            return parsed, ""
        self._forget()
        try:
            text = self._format.read(parsed.text, check=self._checks_format)
            return ParsedReply.from_parts([text]), ""
        except ValueError as exc:
            return parsed, describe_error(exc)

    def _question(self, parsed: ParsedReply, completed: Completed, wrong: str) -> str:
        """Return the question after a useless reply; empty after a useful one."""
        if wrong:
            return reask_for_json(wrong)
        is_missing = self._tools.missing_required_call(parsed.calls)
        if is_missing or (parsed.invalid and not parsed.calls):
            return self._tools.reask(parsed.invalid)
        is_whole = completed.finish_reason == "stop"  # a longer one would end at the same place
        return _EMPTY if is_whole and self._is_empty(parsed, completed) else ""

    def _is_empty(self, parsed: ParsedReply, completed: Completed) -> bool:
        """Whether an agent would end with nothing, and not because of a stop sequence."""
        is_end = completed.finish_reason != "stop_sequence"
        beside = completed.files or completed.components
        has_answer = parsed.calls or beside or parsed.text.strip()
        return self._tools.active and is_end and not has_answer

    def _drop(self, parsed: ParsedReply) -> list[CallEvent]:
        """Begin a second reply; return the text that stays of the first."""
        events: list[CallEvent] = []
        if self._format is not None:
            events += self._out.keep_common("")
        elif not self._tools.forced:
            given = self._out.text
            text = parsed.text if parsed.text.startswith(given) else given
            self._text_before = f"{text}\n" if text and text[-1] != "\n" else text
            events += map(self._out.give, _after([TextPart(self._text_before)], len(given)))
        self._out.begin_reply()
        self._begin()
        return events

    def _rest(self, parsed: ParsedReply) -> list[CallEvent]:
        """Return the parts left to hand out, in order if nothing before them was changed."""
        events = self._take(())
        given, text = self._out.text, self._text_before + parsed.text
        known = len(given) if text.startswith(given) else len(text)
        parts = [TextPart(part) if isinstance(part, str) else part for part in parsed.parts]
        return [*events, *self._take(_after(parts, known - len(self._text_before)))]

    def _reply(self, completed: Completed, parsed: ParsedReply, wrong: str) -> ChatReply:
        *earlier, last = [reply.thinking for reply in self._replies]
        parts: list[Part] = [*map(Thought, filter(None, earlier))]
        gap = "\n\n" if parts and last else ""
        if self._text_before:
            parts.append(self._text_before)
        if last:
            parts.append(Thought(gap + last))
        parts += parsed.parts
        reply = ChatReply(
            text=self._text_before + parsed.text,
            thinking="".join(part.text for part in parts if isinstance(part, Thought)),
            parts=tuple(_join_texts(parts)),
            finish_reason=_finish_reason(completed, parsed),
            duration=sum(reply.duration for reply in self._replies),
            usage=_total(self._usages),
            event_id=completed.event_id,
            model=completed.model,
            asked_again=len(self._replies) > 1,
            problem=self._problem(parsed, completed, wrong),
            queued=self._queued,
            waited=self._waited,
            space=completed.space,
            failures=tuple(each for reply in self._replies for each in reply.failures),
            files=completed.files,
            components=completed.components,
        )
        changed = self._out.changed(reply)
        given = reply.parts if changed else tuple(_join_texts(self._out.parts))
        return replace(reply, parts=given, changed=changed)

    def _problem(self, parsed: ParsedReply, completed: Completed, wrong: str) -> str:
        if wrong and self._checks_format:
            return f"The reply is not the JSON that was asked for: {wrong}."
        if parsed.invalid and not parsed.calls:
            return f"The model's function call is not valid: {parsed.invalid[0].reason}."
        if not self._is_empty(parsed, completed):
            return ""
        is_cut = completed.finish_reason == "length"
        return f"The model gave {'no answer within max_tokens' if is_cut else 'an empty answer'}."


def _valid(calls: Iterable[ToolCall | InvalidCall]) -> list[ToolCall]:
    return [call for call in calls if isinstance(call, ToolCall)]


def _after(parts: Iterable[ReplyPart], count: int) -> Iterator[ReplyPart]:
    """Yield parts without so many characters of text at the start."""
    for part in parts:
        if not isinstance(part, TextPart):
            yield part
        elif len(part.delta) > count:
            yield TextPart(part.delta[count:])
            count = 0
        else:
            count -= len(part.delta)


def _up_to_first_call(
    parts: Iterable[str | ToolCall | InvalidCall],
) -> Iterator[str | ToolCall | InvalidCall]:
    """Yield the texts, and the calls up to the first valid one."""
    is_there = False
    for part in parts:
        if isinstance(part, str) or not is_there:
            yield part
        is_there |= isinstance(part, ToolCall)


def _join_texts(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield parts with neighbouring texts, and neighbouring thoughts, as one."""
    for kind, group in groupby(parts, type):
        if kind is str:
            yield "".join(map(str, group))
        elif kind is Thought:
            yield Thought("".join(part.text for part in group if isinstance(part, Thought)))
        else:
            yield from group


def _finish_reason(completed: Completed, parsed: ParsedReply) -> str:
    """Return why a reply ended. One that ends within a call did not come to its end."""
    is_end = completed.finish_reason in {"stop", "stop_sequence"}  # the latter behind a call, too
    if not is_end or not (parsed.calls or parsed.invalid):
        return completed.finish_reason
    return "error" if parsed.invalid else "tool_calls"


def _total(usages: Sequence[Usage]) -> Usage:
    return Usage(
        sum(usage.input_tokens for usage in usages),
        sum(usage.output_tokens for usage in usages),
        usages[-1].source,
    )
