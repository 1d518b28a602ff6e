"""An answer on a terminal: Markdown while it streams.

This module imports rich, which the extra `cli` brings.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.control import Control
from rich.live import Live
from rich.markdown import Markdown
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, Segment
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from qwen_space.cli.plain import (
    describe_component,
    describe_file,
    describe_place,
    strip_control_chars,
)
from qwen_space.events import (
    Completed,
    ComponentReceived,
    Event,
    FileReceived,
    Notice,
    Queued,
    Rewritten,
    Started,
    TextDelta,
    ThinkingDelta,
    Uploading,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LiveAnswer"]

_BRACKETED_PASTE_ON, _BRACKETED_PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l"
# A line that is wider to this terminal than to rich must not wrap while it is painted, as the next
# painting would begin a line too low.
# Any code marks them as without a width, and so it must not be empty.
_NO_WIDTH = ((ControlType.CARRIAGE_RETURN,),)
_WRAP_OFF, _WRAP_ON = Segment("\x1b[?7l", None, _NO_WIDTH), Segment("\x1b[?7h", None, _NO_WIDTH)
_UP = ((ControlType.CARRIAGE_RETURN,), (ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
_BLOCKS = MarkdownIt("commonmark").enable("table")


class LiveAnswer:
    """One answer on a terminal, from the wait in the queue to its last word.

    Finished blocks of Markdown are printed for good, so that they scroll away as any output
    does. Only the last block, which still grows, is painted again and again. Leaving the
    context prints the part that has arrived, however the answer ended. Thoughts are seen only until
    the answer begins.

    Args:
        console: Where to show it.
        show_thinking: Show thoughts, and not only that there are some.

    Attributes:
        text: The answer so far.
        thoughts: The thoughts so far.
    """

    def __init__(self, console: Console, *, show_thinking: bool = True) -> None:
        self.text = ""
        self.thoughts = ""
        self._show_thinking = show_thinking
        self._console = console
        self._printed = 0  # how much of the text is printed for good
        self._painted: list[int] = []  # the widths of the lines that are painted now
        self._silence = contextlib.ExitStack()
        self._lock = threading.Lock()  # the painter is a thread
        self._waiting = Spinner("dots", Text("Asking", style="dim"))
        self._live = Live(
            console=console, get_renderable=self._growing, transient=True, refresh_per_second=12
        )

    def __enter__(self) -> Self:
        self._silence.enter_context(_quiet_keyboard(self._console))
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._live.stop()
        self._silence.close()
        self._print(to_the_end=True)

    def show(self, event: Event) -> None:
        """Show an event."""
        match event:
            case TextDelta():
                self._grow(event.delta)
            case Rewritten():
                self._replace(event.text)
            case Completed():
                self._complete(event.text)
            case ThinkingDelta():
                with self._lock:
                    self.thoughts += strip_control_chars(event.delta)
                self._waiting.update(text=Text("Thinking", style="dim"))
            case Queued():
                self._waiting.update(text=Text(describe_place(event), style="dim"))
            case Started():
                self._waiting.update(text=Text("Started", style="dim"))
            case Uploading(sent, total):
                self._waiting.update(text=_Bar(sent, total))
            case FileReceived(file):
                self._say(describe_file(file))
            case ComponentReceived(component):
                self._say(describe_component(component))
            case Notice():
                self._say(strip_control_chars(event.message))

    def _growing(self) -> _Trimmed | Spinner:
        """Return the painting: the answer's end, or the state before an answer."""
        self._erase_wrapped()
        with self._lock:
            if self.text:
                return _Trimmed(Markdown(self.text[self._printed :]), self._painted)
            if self.thoughts and self._show_thinking:
                return _Trimmed(Text(self.thoughts, style="dim"), self._painted)
            return self._waiting

    def _erase_wrapped(self) -> None:
        """Erase as many lines as a terminal that was made narrower has wrapped the painting by."""
        width = self._console.width
        if wrapped := sum((length - 1) // width for length in self._painted if length):
            self._console.control(Control(*_UP * wrapped))
        self._painted.clear()  # the next painting may be another than an answer

    def _grow(self, delta: str) -> None:
        with self._lock:
            self.text += strip_control_chars(delta)
        if "\n" in delta:  # no block ends without one
            self._print(to_the_end=False)

    def _replace(self, text: str) -> None:
        text = strip_control_chars(text)
        if text[: self._printed] != self.text[: self._printed]:
            self._say("The app has rewritten its answer:")
            self._printed = 0
        with self._lock:
            self.text = text

    def _complete(self, text: str) -> None:
        """Take the final text, which may differ in white space from its pieces."""
        text = strip_control_chars(text)
        if text[: self._printed] != self.text[: self._printed]:
            self._print(to_the_end=True)
            self._printed = len(text)
        with self._lock:
            self.text = text

    def _print(self, *, to_the_end: bool) -> None:
        """Print the blocks that are finished, or all."""
        blocks = _blocks(self.text[self._printed :])
        for block in blocks if to_the_end else blocks[:-1]:
            with self._lock:
                self._printed += len(block)
            if block.strip():
                with self._console:  # in one piece, or the block would be seen twice for a moment
                    self._live.refresh()
                    self._console.print(_Trimmed(Markdown(block)), Text())

    def _say(self, line: str) -> None:
        self._console.print(Text(line, style="dim"))


def _blocks(text: str) -> list[str]:
    """Split a Markdown text into its blocks; while it grows, all but the last stay as they are."""
    starts = [token.map[0] for token in _BLOCKS.parse(text) if token.map and token.level == 0]
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    cuts = [0, *starts[1:], len(lines)]
    return ["".join(lines[start:end]) for start, end in itertools.pairwise(cuts)]


class _Bar:
    """The progress of an upload: a bar, and the share in words."""

    def __init__(self, sent: int, total: int) -> None:
        self._sent = sent
        self._total = total

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid = Table.grid(padding=(0, 1))
        share = Text(f"Uploading, {self._sent / self._total:.0%}", style="dim")
        grid.add_row(ProgressBar(self._total, self._sent, width=30), share)
        yield grid


class _Trimmed:
    """A rendering without the blank lines around it, and the blanks at the ends of its lines.

    Args:
        whole: The rendering.
        painted: Gets the widths of the lines of a painting, which leaves out lines at its top, if
            the terminal has not enough for all; None prints all for good.
    """

    def __init__(self, whole: RenderableType, painted: list[int] | None = None) -> None:
        self._whole = whole
        self._painted = painted

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        padded = console.render_lines(self._whole, options.update(height=None), pad=False)
        lines = [_strip(line) for line in padded]
        written = [number for number, line in enumerate(lines) if _is_written(line)]
        shown = lines[written[0] : written[-1] + 1] if written else []
        if self._painted is None:
            yield from _join(shown)
            return
        shown = shown[1 - console.height :]
        self._painted[:] = map(Segment.get_line_length, shown)
        if shown:
            *most, last = shown
            yield _WRAP_OFF
            yield from _join([*most, [*last, _WRAP_ON]])  # within it, as it would be a line more


def _join(lines: Iterable[Sequence[Segment]]) -> Iterator[Segment]:
    for line in lines:
        yield from line
        yield Segment.line()


def _strip(line: list[Segment]) -> list[Segment]:
    """Return a line without the blanks at its end, unless they are seen, as a block of code's."""
    while line and not (line[-1].style and line[-1].style.bgcolor):
        *line, last = line
        if text := last.text.rstrip():
            return [*line, Segment(text, last.style)]
    return line


def _is_written(line: Sequence[Segment]) -> bool:
    return any(segment.text.strip() for segment in line)


@contextlib.contextmanager
def _quiet_keyboard(console: Console) -> Iterator[None]:
    """Keep keys out of the painting, where `^C` could break a line in two, and for the prompt.

    Without the line discipline a paste may be longer than its 4,095 bytes, and with its brackets
    it is still one when the prompt reads it.
    """
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios

    before = termios.tcgetattr(sys.stdin)
    quiet = [*before]
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, quiet)
    console.file.write(_BRACKETED_PASTE_ON)
    try:
        yield
    finally:
        console.file.write(_BRACKETED_PASTE_OFF)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
