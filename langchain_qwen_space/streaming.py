"""One reply, event by event, as chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from langchain_core.outputs import ChatGenerationChunk

from langchain_qwen_space.chunks import call_chunk, call_part, reasoning_chunk, text_chunk
from qwen_space.events import Completed, Event, Rewritten, TextDelta, ThinkingDelta
from qwen_space.tools import (
    ArgumentsDelta,
    CallStarted,
    InvalidCall,
    ParsedReply,
    ReplyParser,
    ReplyPart,
    TextPart,
    ToolBinding,
    ToolCall,
)
from qwen_space.tools.calls import new_call_id

__all__ = ["Streamed"]

Chunks = Sequence[ChatGenerationChunk]


class Streamed:
    """Makes the chunks of a reply.

    Args:
        tools: What the model may call.
        blocks: Whether a message's content is to be a list of blocks, as in version 1.
        hold: Whether nothing is handed out while a call has to come, as the reply may have to be
            asked for again.
        arguments: Whether a call's arguments are handed out while they are written.

    Attributes:
        sent: The texts that were sent.
        calls: The calls that were sent, the invalid ones too.
        thoughts: The thoughts that were sent.
        torn: Whether a call whose arguments were being sent is another one in the end, or none.
    """

    def __init__(
        self, tools: ToolBinding, *, blocks: bool, hold: bool = False, arguments: bool = False
    ) -> None:
        self.sent: list[str] = []
        self.calls: list[ToolCall | InvalidCall] = []
        self.thoughts: list[str] = []
        self.torn = False
        self._tools = tools
        self._blocks = blocks
        self._parser = self._new_parser() if tools.active else None
        self._arguments = arguments
        self._held: list[ChatGenerationChunk] | None = [] if hold and tools.forced else None
        self._started = -1  # which call's parts were sent last
        self._standing = self.sent  # of the texts, what the app has not taken back

    def _new_parser(self) -> ReplyParser:
        return ReplyParser(self._tools, new_call_id)

    def chunks(self, event: Event) -> Chunks:
        """Take the next event, and return what is to be handed out now."""
        match event:
            case TextDelta() if self._parser is None:
                return (self._text(event.delta),)
            case TextDelta() if self._parser is not None:
                return self._free(self._made(self._parser.feed(event.delta)))
            case Rewritten():
                return self._free(self._rewritten(event))
            case ThinkingDelta():
                self.thoughts.append(event.delta)
                return self._free([reasoning_chunk(event.delta)])
        return ()

    def end(self, completed: Completed) -> ParsedReply:
        """Take the end of the reply, and return what it is as a whole."""
        if self._parser is None:
            return ParsedReply(completed.text, (), (), (completed.text,))
        self._held = [*(self._held or ()), *self._made(self._parser.close())]
        return self._parser.settle(completed.text)

    def rest(self, parsed: ParsedReply) -> Chunks:
        """Return what is held back, and the calls that only the whole reply shows."""
        calls = [part for part in parsed.parts if not isinstance(part, str)]
        return [*(self._held or ()), *self._made(calls)]

    def _free(self, chunks: Iterable[ChatGenerationChunk]) -> Chunks:
        """Return what may be handed out."""
        if self._held is None:
            return list(chunks)
        self._held.extend(chunks)
        if self._tools.missing_required_call(
            [call for call in self.calls if isinstance(call, ToolCall)]
        ):
            return ()
        held, self._held = self._held, None
        return held

    def _made(self, pieces: Iterable[ReplyPart]) -> Iterator[ChatGenerationChunk]:
        for piece in pieces:
            if isinstance(piece, TextPart):
                yield self._text(piece.delta)
            elif self._was_sent(piece):
                continue
            elif isinstance(piece, (ToolCall, InvalidCall)):
                yield from self._call(piece)
            elif self._arguments:
                self._started = piece.index
                yield call_part(piece)

    def _text(self, text: str) -> ChatGenerationChunk:
        self.sent.append(text)
        if self._standing is not self.sent:
            self._standing.append(text)
        return text_chunk(text)

    def _call(self, call: ToolCall | InvalidCall) -> Iterator[ChatGenerationChunk]:
        self.calls.append(call)
        if call.index == self._started:  # its parts were sent
            self.torn |= isinstance(call, InvalidCall)
        else:
            yield call_chunk(call, blocks=self._blocks)

    def _was_sent(self, call: ToolCall | InvalidCall | CallStarted | ArgumentsDelta) -> bool:
        """Whether a call with its place was sent, which cannot be taken back: two would be made."""
        return call.index < len(self.calls)

    def _rewritten(self, event: Rewritten) -> Iterator[ChatGenerationChunk]:
        """Yield what of a reply that the app has changed is new."""
        if self._parser is None:
            if event.delta:
                yield self._text(event.delta)
            return
        self.torn |= self._started >= len(self.calls)
        self._arguments = False
        self._parser = self._new_parser()
        pieces = self._parser.feed(event.text)
        text = "".join(piece.delta for piece in pieces if isinstance(piece, TextPart))
        known = _common(text, "".join(self._standing))
        self._standing = [text[:known]]
        yield from self._made(_without(pieces, known))


def _without(pieces: Iterable[ReplyPart], count: int) -> Iterator[ReplyPart]:
    """Yield pieces without so many characters of text at the start."""
    for piece in pieces:
        if not isinstance(piece, TextPart):
            yield piece
        elif len(piece.delta) > count:
            yield TextPart(piece.delta[count:])
            count = 0
        else:
            count -= len(piece.delta)


def _common(one: str, other: str) -> int:
    """Return how many characters two texts have in common at the start."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
