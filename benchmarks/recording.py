"""Records a chat on a terminal as an animated picture, for the README.

    qwen-space serve --port 7860 &
    python -m benchmarks.recording http://127.0.0.1:7860 docs/images/chat.svg "Why ...?"

The chat is a real one: `qwen-space chat` runs on a pseudo-terminal, the question is typed, and each
change of the screen is a frame at its own time.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import struct
import sys
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path

import pyte

ROWS, COLUMNS = 16, 78
STEP = 0.12  # seconds between frames at least
CHARACTER, LINE, MARGIN = 8.4, 18, 14  # pixels
PAUSE = 4.0  # seconds before it begins anew
PASTE = 2004 << 5  # as pyte has it: the prompt waits for keys
TEXT = "#d8dee9"
COLOURS = {"blue": "#81a1c1", "cyan": "#88c0d0", "green": "#a3be8c", "magenta": "#b48ead"}

Frame = tuple[float, list[list[tuple[str, str]]]]  # seconds, and lines of (text, style)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("space")
    parser.add_argument("picture", type=Path)
    parser.add_argument("question")
    options = parser.parse_args()
    frames = list(record(options.space, options.question))
    options.picture.write_text(draw(frames), "utf-8")
    print(f"{options.picture}: {len(frames)} frames, {frames[-1][0]:.1f} s")


def record(space: str, question: str) -> Iterator[Frame]:
    """Chat on a pseudo-terminal; yield the screen each time that it has changed."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(TERM="xterm-256color", PROMPT_TOOLKIT_NO_CPR="1", QWEN_SPACE_HISTORY="")
        command = [sys.executable, "-m", "qwen_space", "chat", space]
        os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    keys = list(question)
    start, last, shown = time.monotonic(), -STEP, []
    typed = False
    while True:
        if select.select([terminal], [], [], STEP)[0]:
            stream.feed(os.read(terminal, 65536))
        is_waiting = _line(screen).startswith("> ") and PASTE in screen.mode
        if is_waiting and keys:
            os.write(terminal, keys.pop(0).encode())
        elif is_waiting and not typed:
            os.write(terminal, b"\r")
            typed = True
        elif is_waiting and _line(screen) == "> " and len(shown) > 4 and typed:
            yield time.monotonic() - start, _lines(screen)
            break
        now = time.monotonic() - start
        lines = _lines(screen)
        if any(lines) and lines != shown and now - last >= STEP:
            shown, last = lines, now
            yield now, lines
    os.write(terminal, b"\x04")
    os.close(terminal)
    os.waitpid(process, 0)


def _line(screen: pyte.Screen) -> str:
    row = screen.buffer[screen.cursor.y]
    return "".join(row[column].data for column in range(screen.cursor.x))


def _lines(screen: pyte.Screen) -> list[list[tuple[str, str]]]:
    return [_spans(screen.buffer[row]) for row in range(ROWS)]


def _spans(row: dict[int, pyte.screens.Char]) -> list[tuple[str, str]]:
    spans: list[tuple[str, str]] = []
    for column in range(COLUMNS):
        char = row[column]
        colour = f"#{char.fg}" if re.fullmatch("[0-9a-f]{6}", char.fg) else COLOURS.get(char.fg)
        style = f"{colour or TEXT}{' bold' if char.bold else ''}"
        if spans and spans[-1][1] == style:
            spans[-1] = (spans[-1][0] + char.data, style)
        else:
            spans.append((char.data, style))
    return [(text, style) for text, style in spans if text.strip()] and spans


def draw(frames: list[Frame]) -> str:
    """Return the picture: all frames below each other, moved past a window."""
    begin = frames[0][0]
    whole = frames[-1][0] - begin + PAUSE
    width = COLUMNS * CHARACTER + 2 * MARGIN
    height = ROWS * LINE + 2 * MARGIN
    steps = "".join(
        f"{100 * (at - begin) / whole:.2f}%{{transform:translateY({-index * height}px)}}"
        for index, (at, _) in enumerate(frames)
    )
    body = "".join(
        f'<g transform="translate(0 {index * height})">{_text(lines)}</g>'
        for index, (_, lines) in enumerate(frames)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" height="{height}" role="img" '
        'aria-label="A terminal in which an answer streams">'
        "<style>text{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        "white-space:pre}"
        f"@keyframes play{{{steps}100%{{transform:translateY({-(len(frames) - 1) * height}px)}}}}"
        f"#film{{transform:translateY({-(len(frames) - 1) * height}px);"
        f"animation:play {whole:.2f}s step-end infinite}}"
        "@media(prefers-reduced-motion){#film{animation:none}}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="#2e3440"/><g id="film">{body}</g></svg>\n'
    )


def _text(lines: list[list[tuple[str, str]]]) -> str:
    return "".join(_row(number, spans) for number, spans in enumerate(lines) if spans)


def _row(number: int, spans: list[tuple[str, str]]) -> str:
    parts, column = [], 0
    for text, style in spans:
        if text.strip():
            colour, _, bold = style.partition(" ")
            weight = ' font-weight="bold"' if bold else ""
            x = MARGIN + (column + len(text) - len(text.lstrip())) * CHARACTER
            length = len(text.strip()) * CHARACTER
            parts.append(
                f'<text x="{x:.1f}" y="{MARGIN + (number + 1) * LINE - 5}" fill="{colour}"'
                f'{weight} textLength="{length:.1f}">{escape(text.strip())}</text>'
            )
        column += len(text)
    return "".join(parts)


if __name__ == "__main__":
    main()
