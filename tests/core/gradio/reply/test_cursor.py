from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.gradio.reply.cursor import is_placeholder, shared_tail, split_cursor


@pytest.mark.parametrize(
    ("text", "body"),
    [
        pytest.param("The▌", "The", id="fastchat"),
        pytest.param("The ▌", "The", id="after-a-space"),
        pytest.param("The █\n", "The", id="before-a-newline"),
        pytest.param("The▍", "The", id="thin"),
        pytest.param("The ●", "The", id="dot"),
        pytest.param("The ⠹", "The", id="braille"),
        pytest.param("The...", "The", id="dots"),
        pytest.param("The…", "The", id="ellipsis"),
        pytest.param('The <span class="cursor"></span>', "The", id="html"),
        pytest.param("▌", "", id="alone"),
        pytest.param("...", "", id="dots-alone"),
        pytest.param("The", "The", id="none"),
        pytest.param("The.", "The.", id="a-full-stop"),
        pytest.param("The ▌ end", "The ▌ end", id="within"),
        pytest.param("```py\nx = 1\n```", "```py\nx = 1", id="fence-around-it-all"),
        pytest.param("```\n\n```", "```\n", id="fence-around-nothing"),
        pytest.param("```\na\n```\nb\n```", "```\na\n```\nb\n```", id="fence-before"),
        pytest.param("So:\n```\na\n```", "So:\n```\na\n```", id="fence-within"),
        pytest.param("", "", id="empty"),
    ],
)
def test_a_cursor_is_split_off_the_end(text: str, body: str) -> None:
    assert split_cursor(text) == (body, text[len(body) :])


def test_a_known_cursor_may_be_anything() -> None:
    assert split_cursor("The [typing]", " [typing]") == ("The", " [typing]")


@pytest.mark.parametrize(
    ("old", "new", "tail"),
    [
        pytest.param("The▌", "The answer▌", "▌", id="one-character"),
        pytest.param("The [typing]", "The answer [typing]", " [typing]", id="words"),
        pytest.param("The_", "The answer_", "_", id="underscore"),
        pytest.param("one▌", "one done▌", "▌", id="the-same-end-of-a-word"),
        pytest.param("The", "The answer", "", id="none"),
        pytest.param("Hello wrld", "Hello world", "", id="a-word-mended"),
        pytest.param("a!", "b!", "", id="another-text"),
        pytest.param("", "a", "", id="the-first"),
    ],
)
def test_two_texts_that_end_alike_have_a_cursor(old: str, new: str, tail: str) -> None:
    assert shared_tail(old, new) == tail


@given(st.text("ab ▌._", max_size=8), st.text("ab ▌._", max_size=8))
def test_a_shared_tail_ends_both_and_the_rest_only_grows(old: str, new: str) -> None:
    tail = shared_tail(old, new)

    before = old.removesuffix(tail) if tail else ""
    assert old.endswith(tail)
    assert new.endswith(tail)
    assert new.startswith(before)


@given(
    st.text("ab ▌._", max_size=8),
    st.text("ab ▌._", min_size=1, max_size=8),
    st.text(" ▌._", min_size=1, max_size=3),
)
def test_a_text_that_goes_on_before_its_cursor_shares_it(text: str, more: str, cursor: str) -> None:
    old, new = text + cursor, text + more + cursor

    tail = shared_tail(old, new)

    assert tail.endswith(cursor)
    assert new.startswith(old.removesuffix(tail))


@pytest.mark.parametrize(
    "text",
    [
        "Thinking ...",
        "*Is typing...*",
        "Generating…",
        "思考中...",
        "⏳ Please wait",
        "<i>Loading..</i>",
        pytest.param("Thinking... (3s)", id="seconds"),
        pytest.param("_Thinking… (12 tokens)_", id="tokens"),
        pytest.param("Generating... 45%", id="percent"),
        pytest.param("正在思考…\uff083秒\uff09", id="seconds-in-chinese"),
        pytest.param("⏱️ 3.2 s", id="a-stop-watch"),
        pytest.param("### Searching job postings from Singapore", id="a-heading"),
        pytest.param("🔍 Searching the web", id="a-sign-of-work"),
        pytest.param("Step 1/3: Reading...\nStep 2/3: Ranking...", id="steps"),
        pytest.param("⚙️ **Phase 1/10: Facts**\n\nReading them...", id="a-heading-and-a-step"),
        pytest.param("⏳ Working...\n\n*This may take a minute.*", id="a-note-below"),
    ],
)
def test_a_short_text_that_waits_may_stand_in_for_the_reply(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "Sure.",
            "Well... then",
            "Searching is hard. Try it.",
            "Well...\n3 s",
            "a\nb...",
            "x" * 100 + "...",
        ),
        *("a...\nb", "a...\n*b", "a...\nb...\nc...\nd..."),
    ],
)
def test_other_texts_do_not(text: str) -> None:
    assert not is_placeholder(text)


def test_a_placeholder_that_moves_is_one() -> None:
    dot = "<span class='dot' style='animation: blink 1s infinite'>.</span>"
    style = "<style>\n@keyframes blink { 50% { opacity: 1; } }\n</style>"

    assert is_placeholder(f"\n<span style='color: gray'>\n  Working\n  {dot}\n {dot}</span>{style}")
    assert not is_placeholder("<b>Yes</b>, so it is.")
    assert not is_placeholder("<div>" * 2_000)


@pytest.mark.parametrize(
    "text",
    [
        "<div>Working<i style='animation: bar 2s'></i></div>\n<style>\n@keyframes bar {}</style>\n",
        '<div class="small spinner"></div>',
        "<p>Reading <progress></progress></p>",
    ],
)
def test_a_bar_or_a_spinner_is_a_placeholder(text: str) -> None:
    assert is_placeholder(text)
    assert not is_placeholder(f"{text} {'word ' * 20}")
