"""The chat component's value while it changes, and the texts that grow in it: answer, thoughts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from qwen_space.chat.common_start import common_prefix, common_start
from qwen_space.events import (
    ComponentReceived,
    FileReceived,
    ReplyComponent,
    ReplyFile,
    Rewritten,
    TextDelta,
    ThinkingDelta,
)
from qwen_space.gradio.reply.answer import AnswerReader
from qwen_space.gradio.reply.chatbot import (
    Reply,
    changes_nothing,
    count_known,
    find_prompt,
    find_reply,
    shows_same,
)
from qwen_space.gradio.reply.cursor import CURSORS
from qwen_space.gradio.reply.html_page import is_html_of, read_chat_page, read_message
from qwen_space.gradio.reply.html_text import MADE, asks_for_escapes, escapes_html
from qwen_space.gradio.reply.inline_pictures import INLINE
from qwen_space.gradio.reply.markdown_text import escapes_markdown
from qwen_space.gradio.reply.transcript import Transcript
from qwen_space.gradio.wire.edits import EditedValue
from qwen_space.gradio.wire.files import to_reply_file

__all__ = ["ChatValue", "TextEvent", "TextTracker", "ValueEvent", "plain_piece"]

TextEvent = ThinkingDelta | TextDelta | Rewritten
ValueEvent = TextEvent | FileReceived | ComponentReceived

Delta = TypeVar("Delta", TextDelta, ThinkingDelta)

_ENDS = CURSORS | {"\\", "*", "_"}  # of a piece that may not stay as it stands

_HTML_COST = 10  # of reading a character of HTML, in those of other texts
_MAX_RESUMED = 2**20  # characters of a text whose white space may change; they take 30 ms


class TextTracker(Generic[Delta]):
    """One growing text: the server's, and how much of it was handed out.

    Gradio cleans a text's indentation each time that the app yields (`inspect.cleandoc`), so
    white space which was sent already may change later. As nothing can be taken back, the text
    counts without its white space: while that only grows, the deltas go on after the same count of
    characters.

    Args:
        delta: The event that a new piece makes.
    """

    def __init__(self, delta: type[Delta]) -> None:
        self._delta: type[Delta] = delta
        self._pieces: list[str] = []  # of the server's text; the deltas share it
        self._appended = 0  # where those begin that came after the last whole text
        self._tail = ""  # white space at the end of the deltas up to there

    @property
    def text(self) -> str:
        """The server's text."""
        return "".join(self._pieces)

    @property
    def ends_line(self) -> bool:
        """Whether a line of its own begins after the text."""
        return not self._pieces or self._pieces[-1].endswith("\n")

    def append(self, piece: str) -> Delta:
        """Take a piece that was added at the end, and is not empty."""
        make, pieces = self._delta, self._pieces
        pieces.append(piece)
        return make(piece, pieces, len(pieces))

    def extend(self, new: list[str]) -> list[Delta]:
        """Take several such pieces, each of which makes an event."""
        make, pieces = self._delta, self._pieces
        first = len(pieces) + 1
        pieces += new
        return [make(piece, pieces, count) for count, piece in enumerate(new, first)]

    def replace(self, text: str) -> Delta | Rewritten | None:
        """Take a whole new text, and return the event that leads to it from the old one."""
        old, tail = self.text, self._sent_tail()
        self._pieces = [text] if text else []  # a new list: the deltas share the old one
        self._appended = len(self._pieces)
        if text.startswith(old):
            new = text[len(old) :]
        elif (resume := _resume(old, text, tail)) is not None:
            new = text[resume:]
        else:
            self._tail = _trailing_space("", text)
            return Rewritten(text, text[common_start(old, text) :])
        self._tail = _trailing_space(tail, new)
        return self._delta(new, self._pieces, len(self._pieces)) if new else None

    def _sent_tail(self) -> str:
        """Return the white space at the end of the deltas."""
        return _trailing_space(self._tail, "".join(self._pieces[self._appended :]))


def _trailing_space(before: str, new: str) -> str:
    """Return the white space at the end of a text, whose own end before `new` was `before`."""
    kept = len(new.rstrip())
    return new[kept:] if kept else before + new


def _resume(old: str, new: str, sent_tail: str) -> int | None:
    """Return where in `new` the part starts that was not handed out with `old`.

    None when that cannot be said, as more than white space has changed.
    """
    if len(old) > _MAX_RESUMED:
        return None
    start = common_prefix(old, new)
    rest = _without_space(old[start:])
    if not rest:  # `old` ends within white space: step back to where that began
        position = len(new[:start].rstrip())
    elif _without_space(new[start : start + _MAX_RESUMED]).startswith(rest):
        position = _end_of_characters(new, start, len(rest))
    else:
        return None
    return position + common_prefix(sent_tail, new[position : position + len(sent_tail)])


def _end_of_characters(text: str, start: int, count: int) -> int:
    """Return where the first so many characters that are not white space end."""
    end = len(text)
    while end - start > 1:
        middle = (start + end) // 2
        before = len(_without_space(text[start:middle]))
        if before >= count:
            end = middle
        else:
            start, count = middle, count - before
    return end


def _without_space(text: str) -> str:
    return "".join(text.split())


class ChatValue:
    """A chat component's value, and the events that its changes mean for the caller.

    A piece at the end of the answer, or of the last thought, costs no look at the value, so
    that a long conversation does not cost its length for each token.

    Args:
        prompt: The prompt, by which the user's message in the value shows whether the app escapes.
        reasoning_tags: Pairs of tags around thoughts at the start of the answer.
        thinks_anywhere: Whether such thoughts may begin within the answer, too.
        is_page: Whether the value is HTML that shows the whole chat.
        address: The app's address with the prefix of its paths, for the files of the reply.
        before: The value before the message was sent, in which there is no reply; None if the
            app does not get it.
        thinks_aloud: Whether a text that begins with "Thought:" is an answer.
        is_response: Whether the value is that of `/chat` of a `gr.ChatInterface`.

    Attributes:
        known: Whether there is a value yet.
        is_given: Whether any value was more than null, or than an update that changes nothing.
        files: The files in the reply.
        components: The components in it that are neither text nor files.
    """

    def __init__(
        self,
        prompt: str = "",
        reasoning_tags: Sequence[tuple[str, str]] = (),
        *,
        thinks_anywhere: bool = False,
        is_page: bool = False,
        address: str = "",
        before: Any = None,
        thinks_aloud: bool = False,
        is_response: bool = False,
    ) -> None:
        self.known = self.is_given = False
        self.files: tuple[ReplyFile, ...] = ()
        self.components: tuple[ReplyComponent, ...] = ()
        self._address = address
        self._before = before
        self._has_new = before is None  # whether a value was another than that before
        self._known: int | None = None  # rows, that were there before the message; None: to count
        self._value = EditedValue(None)
        self._shown: Any = None  # the last value that was no update without one, if it can grow
        self._cost = 0  # of the last look at the value, in characters and parts
        self._answer = TextTracker(TextDelta)
        self._thoughts = TextTracker(ThinkingDelta)
        self._answer_string = _String()
        self._thought_string = _String()
        self._prompt = prompt
        self._transcript = Transcript(prompt)
        self._is_page = is_page
        self._is_html = False
        self._thinks_aloud = thinks_aloud
        self._is_response = is_response
        self._reader = AnswerReader(reasoning_tags, anywhere=thinks_anywhere)

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._answer.text

    @property
    def thinking(self) -> str:
        """The thoughts so far."""
        return self._thoughts.text

    @property
    def size(self) -> int:
        """The bytes of the value as JSON; measuring them costs its length."""
        return len(msgspec.json.encode(self._value.value))

    def replace(self, value: Any, *, is_final: bool = False) -> list[ValueEvent]:
        """Take a whole new value, which becomes this object's own.

        Args:
            value: The value.
            is_final: Whether it is the last one, so that nothing is held back of it.

        Raises:
            ProtocolError: It has none of the known shapes.
        """
        if self.known:  # an update may leave the last value as it was
            self.begin_edits(len(self._text_so_far()))
        self._value, self.known, self._known = EditedValue(value), True, None
        events = self._look(is_final=is_final)
        # Pictures within the text pay for the edits behind them, each of which copies it.
        self._value.begin(sum(len(each.url) for each in self.files))
        return events

    @property
    def plain_path(self) -> Sequence[Any]:
        """The path to the string whose pieces are the answer's as they stand; () without one."""
        return self._answer_string.path if self._reader.is_plain else ()

    def append(self, pieces: list[str]) -> list[TextDelta]:
        """Take pieces at `plain_path`, each found by `plain_piece`."""
        self._answer_string.pieces += pieces
        return self._answer.extend(pieces)

    def extend(self, item: Any) -> list[TextEvent] | None:
        """Take edits that only append to the answer or to the last thought; None for any others."""
        match item:
            case [["append", path, str() as piece]] if (
                not self._reader.is_folding and INLINE not in piece
            ):
                if path == self._answer_string.path:
                    self._answer_string.pieces.append(piece)
                    return self._extend(piece) if piece else []
                if path == self._thought_string.path and not self._reader.has_thought:
                    self._thought_string.pieces.append(piece)
                    return [self._thoughts.append(piece)] if piece else []
        return None

    def begin_edits(self, size: int) -> None:
        """Begin with the edits of a message that has so many bytes."""
        self._value.begin(size)
        self._value.apply([*self._answer_string.edits(), *self._thought_string.edits()])
        self._reader.text += "".join(self._answer_string.pieces)
        self._lead_to(None, None)

    def edit(self, edits: list[Any]) -> None:
        """Take some of a message's edits.

        Raises:
            ProtocolError: They do not fit the value.
        """
        self._value.apply(edits)
        known = self._known or 0
        if known and any(each[0] == "delete" or _row(each[1]) < known for each in edits):
            self._known = None

    def end_edits(self) -> list[ValueEvent]:
        """Return the events that a message's edits mean.

        None as long as small edits of a large value ask for a look too often: the next one that
        is paid for, or the completed value, has it all.

        Raises:
            ProtocolError: The value has none of the known shapes now.
        """
        return self._look() if self._value.spend(self._cost) else []

    def finish(self) -> list[ValueEvent]:
        """Return the events of the value as it is the last one, so that nothing is held back."""
        if not self.known:
            return []
        self.begin_edits(len(self._text_so_far()))
        return self._look(is_final=True)

    def _look(self, *, is_final: bool = False) -> list[ValueEvent]:
        if is_final and self._shown is not None and changes_nothing(self._value.value):
            self._value.value = self._shown
        value = self._value.value
        if self._known is None or not self._has_new:
            self._known = count_known(value, self._before)
        reply = self._find_reply(value, is_final=is_final)
        if reply is None:
            self._known = None
            self._lead_to(None, None)
            return [*self._read(self._reader.text, is_final=True)] if is_final else []
        self.is_given = self.is_given or value is not None
        self._shown = value if isinstance(value, (list, dict)) else None
        if not self._has_new:
            self._has_new = not shows_same(value, self._before)
            if not self._has_new:
                reply = Reply("", None, parts=reply.parts)
        pictures = sum(len(each.get("url") or "") for each in reply.files)
        self._cost = 4 * (len(reply.text) + len(reply.thinking) + pictures) + 200 * reply.parts
        self._compare_prompt()
        text = self._markdown(reply, is_final=is_final)
        self._reader.text = self._text_so_far()
        self._reader.marked = reply.thinking
        may_be_step = reply.may_begin_steps or (reply.may_be_step and not self._thinks_aloud)
        waits = may_be_step or reply.is_object or self._transcript.waits
        is_held = waits and not is_final and not self.text
        events = self._read("" if is_held else text, is_final=is_final)
        self._reader.text = text
        grows = text is reply.text and not self._reader.is_folding and not is_held
        self._lead_to(reply.path if grows else None, reply.thinking_path)
        return [
            *events,
            *self._receive_files(reply.files),
            *self._receive_components(reply.components),
        ]

    def _find_reply(self, value: Any, *, is_final: bool) -> Reply | None:
        known, is_response = self._known or 0, self._is_response
        return find_reply(value, is_final=is_final, is_response=is_response, known=known)

    def _receive_files(self, found: Sequence[Any]) -> list[ValueEvent]:
        """Take the reply's files, and return the events of the new ones."""
        known = set(self.files)
        self.files = tuple(to_reply_file(each, self._address) for each in found)
        return [FileReceived(each) for each in self.files if each not in known]

    def _receive_components(self, found: tuple[ReplyComponent, ...]) -> list[ValueEvent]:
        """Take the reply's components; an event for each new one, and none as its value changes."""
        known = Counter((each.kind, each.label) for each in self.components)
        self.components = found
        events: list[ValueEvent] = []
        for each in found:
            known[each.kind, each.label] -= 1
            if known[each.kind, each.label] < 0:
                events.append(ComponentReceived(each))
        return events

    def receive_beside(
        self, files: Sequence[Any], components: Sequence[ReplyComponent]
    ) -> list[ValueEvent]:
        """Take the `FileData` and the components beside the reply; return an event for each."""
        known = set(self.files)
        given = (to_reply_file(each, self._address) for each in files)
        new = [each for each in dict.fromkeys(given) if each not in known]
        self.files += tuple(new)
        self.components += tuple(components)
        return [*map(FileReceived, new), *map(ComponentReceived, components)]

    def _markdown(self, reply: Reply, *, is_final: bool) -> str:
        """Return the text of a reply that the app may have made HTML of, or a transcript."""
        if self._is_page or (reply.path is not None and reply.path[-1:] == ["html"]):
            self._cost *= _HTML_COST
            return read_chat_page(reply.text, self._prompt, is_final=is_final)
        if self._is_html:
            self._cost *= _HTML_COST
            return read_message(reply.text, is_final=is_final)
        is_chat = self._is_response or not isinstance(self._value.value, str)
        user = find_prompt(self._value.value) if is_chat else None
        return self._transcript.read(reply.text, is_final=is_final, user=user)

    def _compare_prompt(self) -> None:
        """See by the user's message whether the app escapes; leave it to the reply if it cannot."""
        if self._prompt and self._reader.escapes is None:
            shown = find_prompt(self._value.value)
            self._is_html = is_html_of(self._prompt, shown)
            escapes = False if self._is_html else escapes_html(self._prompt, shown)
            if escapes_markdown(self._prompt, shown):
                escapes = self._reader.has_backslashes = True
            # Some put the user's own text back as they answer, so its line breaks tell nothing.
            # A reply to a question about HTML may have line breaks of its own.
            asks_for_it = MADE.search(self._prompt) is not None
            leaves_lines = escapes is False and not self._is_html and not asks_for_it
            self._reader.leaves_lines = leaves_lines
            self._reader.escapes = None if leaves_lines else escapes
            # The page of a `gr.ChatInterface` shows its response in a chat, where an escape is a
            # sign; a question about escapes may be answered with some.
            self._reader.is_chat = bool(shown)
            is_about = asks_for_it or asks_for_escapes(self._prompt)
            self._reader.is_response = self._is_response and not is_about

    def _read(self, text: str, *, is_final: bool = False) -> list[TextEvent]:
        thinking, answer = self._reader.read(text, is_final=is_final)
        thought = self._thoughts.replace(thinking)
        # A rewriting is about the answer: nobody has to take a thought back.
        return [
            *_some(None if isinstance(thought, Rewritten) else thought),
            *_some(self._answer.replace(answer)),
        ]

    def _extend(self, piece: str) -> list[TextEvent]:
        """Take a piece of the app's text that may not go on as it stands."""
        read = self._reader.feed(piece, at_line_start=self._answer.ends_line)
        if read is None:
            looked_at, text = self._reader.text, self._text_so_far()
            self._reader.text = text[: len(text) - len(piece)]
            events = self._read(text)
            self._reader.text = looked_at
            return events
        thought, answer = read
        events = []
        if thought:
            events.append(self._thoughts.append(thought))
        if answer:
            events.append(self._answer.append(answer))
        return events

    def _text_so_far(self) -> str:
        """Return the app's text, with the pieces that were appended since the last look."""
        return self._reader.text + "".join(self._answer_string.pieces)

    def _lead_to(self, answer: list[Any] | None, thought: list[Any] | None) -> None:
        """Take the paths to the strings that grow."""
        self._answer_string, self._thought_string = _String(answer), _String(thought)


def plain_piece(item: Any, path: Sequence[Any]) -> str | None:
    """Return the piece that edits append at a path; None if they do more, or it needs a look."""
    match item:
        case [["append", where, piece]] if where == path and type(piece) is str and piece:
            has_sign = "<" in piece or "&" in piece or INLINE in piece
            if not has_sign and piece[-1] not in _ENDS:
                return piece
    return None


def _row(path: Sequence[Any]) -> int:
    """Return the index of the row that an edit changes; 0 where it may change any."""
    return next((key for key in path if isinstance(key, int)), 0)


class _String:
    """A string in the value that grows, and the pieces that are to be appended to it there.

    Args:
        path: The keys and indices that lead to it; None where there is no such string.

    Attributes:
        path: As given, or a tuple, which is equal to no path of JSON.
    """

    def __init__(self, path: list[Any] | None = None) -> None:
        self.path: list[Any] | tuple[()] = () if path is None else path
        self.pieces: list[str] = []

    def edits(self) -> list[Any]:
        """Return the edit that brings the value up to date."""
        return [["append", self.path, "".join(self.pieces)]] if self.pieces else []


def _some(event: Delta | Rewritten | None) -> list[TextEvent]:
    return [] if event is None else [event]
