from __future__ import annotations

import io
import re
from collections.abc import Sequence

import pyte
import pytest
from rich.console import Console

from qwen_space.cli.live import LiveAnswer, _blocks
from qwen_space.cli.plain import describe_place, strip_control_chars
from qwen_space.events import (
    Completed,
    Event,
    Notice,
    Queued,
    Rewritten,
    Started,
    TextDelta,
    ThinkingDelta,
)


def shown(events: Sequence[Event]) -> tuple[str, str]:
    """Return the text that stays on the terminal after some events, and the answer's text."""
    file = io.StringIO()
    with LiveAnswer(Console(file=file, width=40)) as answer:
        for event in events:
            answer.show(event)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()), answer.text


def pieces(text: str) -> list[Event]:
    return [TextDelta(each) for each in re.findall(r"\S+|\s", text)]


def test_an_answer_is_shown_as_markdown_block_by_block() -> None:
    text = "# Title\n\nSome **bold**.\n\n- one\n- two\n\n```python\nx = 1\n\ny = 2\n```\n\nEnd"

    view, kept = shown([*pieces(text), Completed(text, 1.0)])

    assert kept == text
    assert re.sub(r"(?m)^ +", "", view) == (
        "Title\n\nSome bold.\n\n• one\n• two\n\nx = 1\n\ny = 2\n\nEnd\n"
    )


def test_only_the_answer_and_notices_stay() -> None:
    view, text = shown(
        [
            Queued(2, 3, 4.2),
            Notice("Mind \x1b[31mthe [red]gap"),
            Started(None),
            ThinkingDelta("Well, well"),
            *pieces("Yes"),
        ]
    )

    assert view == "Mind [31mthe [red]gap\nYes\n"
    assert text == "Yes"


@pytest.mark.parametrize(
    ("before", "event", "view", "text"),
    [
        pytest.param("One", Rewritten("Two"), "Two\n", "Two", id="not-printed-yet"),
        pytest.param(
            "One\n\nmore\n",
            Rewritten("Two"),
            "One\n\nThe app has rewritten its answer:\nTwo\n",
            "Two",
            id="printed",
        ),
        pytest.param(
            "One\n\nmore\n",
            Rewritten("One\n\nless"),
            "One\n\nless\n",
            "One\n\nless",
            id="after-that",
        ),
        pytest.param(
            "a\n\nb\n", Completed(" a\n\n b", 1.0), "a\n\nb\n", " a\n\n b", id="white-space-printed"
        ),
        pytest.param("a b", Completed("a  b", 1.0), "a  b\n", "a  b", id="white-space"),
        pytest.param("", Completed("", 1.0), "", "", id="empty"),
    ],
)
def test_a_rewrite_changes_the_text_that_can_still_change(
    before: str, event: Event, view: str, text: str
) -> None:
    assert shown([*pieces(before), event]) == (view, text)


def test_an_answer_that_is_longer_than_the_terminal_leaves_it_a_line() -> None:
    console = Console(file=io.StringIO(), width=24, height=6, force_terminal=True)
    answer = LiveAnswer(console)

    answer.show(TextDelta("word " * 100))

    assert len(console.render_lines(answer._growing(), pad=False)) == 5


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param(["One"], id="one"),
        pytest.param(["One\nmore\n"], id="may-go-on"),
        pytest.param(["\n\nOne\n\n", "T"], id="two"),
        pytest.param(["One\n", "# Two\n", "- a\n\n- b\n"], id="a-list-grows"),
        pytest.param(["One\n\n", "```\na\n\nb\n"], id="code-grows"),
        pytest.param(["a\u2028b\n\n", "c"], id="other-line-ends"),
        pytest.param(["a\n\n[b]: /c\n"], id="a-definition-is-no-block"),
        pytest.param([""], id="empty"),
    ],
)
def test_a_text_is_split_where_a_block_begins(blocks: list[str]) -> None:
    assert _blocks("".join(blocks)) == blocks


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Queued(2, 3, 4.2), "In the queue, 2 in front, about 4 s to wait"),
        (Queued(0, 1, None), "In the queue, 0 in front"),
        (Queued(None, None, None), "In the queue"),
    ],
)
def test_the_place_in_the_queue_is_shown_while_waiting(event: Queued, words: str) -> None:
    assert describe_place(event) == words
    file = io.StringIO()

    with LiveAnswer(Console(file=file, force_terminal=True, width=80)) as answer:
        answer.show(event)

    assert words in file.getvalue()


def test_hidden_thoughts_are_named() -> None:
    file = io.StringIO()

    with LiveAnswer(
        Console(file=file, force_terminal=True, width=80), show_thinking=False
    ) as answer:
        answer.show(ThinkingDelta("Well, well"))
        answer._live.refresh()

    assert "Thinking" in file.getvalue()
    assert "Well" not in file.getvalue()
    assert answer.thoughts == "Well, well"


def test_a_block_that_is_higher_than_the_terminal_shows_its_end() -> None:
    file = io.StringIO()
    rows = "\n".join(f"- row{number}" for number in range(50))

    with LiveAnswer(Console(file=file, force_terminal=True, width=40, height=10)) as answer:
        answer.show(TextDelta(rows))
        answer._live.refresh()
        painted = file.getvalue()

    assert "row49" in painted
    assert "row30" not in painted
    assert file.getvalue().count("row0\n") == 1


def test_a_line_is_painted_to_the_edge_of_the_terminal() -> None:
    file = io.StringIO()
    line = "x" * 37 + "end"

    with LiveAnswer(Console(file=file, force_terminal=True, width=40)) as answer:
        answer.show(TextDelta(f"{line} and more"))
        answer._live.refresh()
        painted = file.getvalue()

    assert line in painted


def test_a_line_ends_with_its_last_word() -> None:
    file = io.StringIO()

    with LiveAnswer(Console(file=file, width=40)) as answer:
        answer.show(TextDelta("# Title\n\nSome **bold**\nwords.\n\n- one\n"))

    assert not re.search(r"(?m) $", file.getvalue())


def test_a_terminal_that_is_made_narrower_keeps_no_line_of_the_painting() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=40, height=20)

    with LiveAnswer(console) as answer:
        console.file.write("> A prompt\n")
        answer.show(TextDelta("word " * 14))
        answer._live.refresh()
        before = screen(file.getvalue(), 40)
        start = file.tell()
        console.width = 20
        answer._live.refresh()
    wrapped = "\r\n".join(before[: before.index("") if "" in before else None])
    after = screen(wrapped + file.getvalue()[start:], 20)

    assert after[:6] == ["> A prompt", *["word word word word"] * 3, "word word", ""]


def test_a_painting_that_is_gone_takes_no_lines_above_it_with_it() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=40, height=20)

    with LiveAnswer(console) as answer:
        answer.show(TextDelta("word " * 14))
        answer._live.refresh()
        answer.show(Rewritten(""))
        console.width = 20
        answer._live.refresh()
        start = file.tell()
        answer._live.refresh()
        painted = file.getvalue()[start:]

    assert "\x1b[1A" not in painted


def screen(written: str, width: int) -> list[str]:
    """Return the lines of a terminal of 20 lines."""
    shown = pyte.Screen(width, 20)
    pyte.Stream(shown).feed(written.replace("\r\n", "\n").replace("\n", "\r\n"))
    return [line.rstrip() for line in shown.display]


def test_a_finished_block_is_not_on_the_screen_twice() -> None:
    file = io.StringIO()

    with LiveAnswer(Console(file=file, force_terminal=True, width=40, height=20)) as answer:
        answer.show(TextDelta("First"))
        answer._live.refresh()
        answer.show(TextDelta(" block\n\nSecond\n"))
        written = file.getvalue()

    screen = pyte.Screen(40, 20)
    pyte.Stream(screen).feed(written.replace("\n", "\r\n"))
    assert "\n".join(screen.display).count("First") == 1


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b]0;x\x07y\r\x9b", "]0;xy"),
        ("a\u202eb\u2066c\u200f", "abc"),
        ("ä\u2028", "ä\u2028"),
    ],
)
def test_control_characters_do_not_reach_the_terminal(text: str, cleaned: str) -> None:
    assert strip_control_chars(text) == cleaned


@pytest.mark.parametrize(
    "hostile",
    [
        "&#27;[2J&#x1b;]0;title&#7;",
        "[link](http://x/&#27;[2J)",
        "[link](http://x/\x1b]8;;evil\x07)",
        "`\x1b[2J`",
        "```\n\x1b[2J\x9b2J\n```",
        "| a\x1b[1A |\n|---|\n| b\r |",
        "![p\x08\x08](http://x/\x9d0;t\x9c)",
        "<b\x1b[2J>",
    ],
)
def test_no_text_of_an_app_moves_the_terminal(hostile: str) -> None:
    file = io.StringIO()

    with LiveAnswer(Console(file=file, force_terminal=True, width=80)) as answer:
        answer.show(Notice(hostile, "info"))
        answer.show(ThinkingDelta(hostile))
        answer.show(TextDelta(f"{hostile}\n\nend"))
    shown = file.getvalue()

    # Left are colours, links, and the codes that paint the last block anew.
    rich = r"\x1b\[[\d;]*m|\x1b\]8;[^\x1b\x07]*\x1b\\|\x1b\[(?:\?(?:25|7)[hl]|1A|2K)|\r|\n"
    rest = re.sub(rich, "", shown)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", rest)
    assert "\x1b[2J" not in shown
    assert "\x1b]0;" not in shown
