"""A chat component's text becomes thoughts and answer, while it grows and in the end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.events import Rewritten, TextDelta, ThinkingDelta
from qwen_space.gradio.reply.deltas import ChatValue, ValueEvent
from tests.growth import assert_linear
from tests.pieces import cut
from tests.queue_stream import read_text, take_edits

TAGS = ("<think>", "</think>")
PATH = [0, 1]
BAR = "<div>Working<i style='animation: bar 2s'></i></div>"


def rows(text: str, prompt: str = "u") -> list[Any]:
    return [[prompt, text]]


def replaced(
    *texts: str, prompt: str = "", row: str = "u", final: str | None = None
) -> tuple[ChatValue, list[ValueEvent]]:
    """Follow an app that yields whole texts."""
    value = ChatValue(prompt, [TAGS])
    events = [event for text in texts for event in value.replace(rows(text, row))]
    last = texts[-1] if final is None else final
    return value, events + value.replace(rows(last, row), is_final=True)


def append(value: ChatValue, piece: str) -> list[ValueEvent]:
    """Add a piece to the reply, as a job does."""
    return take_edits(value, ["append", PATH, piece])


def appended(
    *pieces: str, prompt: str = "", row: str = "u", final: bool = True
) -> tuple[ChatValue, list[ValueEvent]]:
    """Follow an app whose text only grows."""
    value = ChatValue(prompt, [TAGS])
    events = value.replace(rows(pieces[0], row))
    for piece in pieces[1:]:
        events += append(value, piece)
    if final:
        events += value.replace(rows("".join(pieces), row), is_final=True)
    return value, events


def deltas(events: list[ValueEvent], kind: type = TextDelta) -> list[str]:
    return [event.delta for event in events if isinstance(event, kind)]


def rewritings(events: list[ValueEvent]) -> list[ValueEvent]:
    return [event for event in events if isinstance(event, Rewritten)]


# Cursors


def test_a_fence_around_a_growing_reply_is_closed_once() -> None:
    texts = [f"```html\n{text}\n```" for text in ("<b>", "<b>On", "<b>One</b>")]

    value, events = replaced(*texts)

    assert "".join(deltas(events)) == value.text == texts[-1]
    assert not rewritings(events)


@pytest.mark.parametrize("cursor", ["▌", " █", "●", "...", "…", "<span class='c'></span>", " ⠋"])
def test_a_cursor_is_no_text_and_no_rewriting(cursor: str) -> None:
    texts = ["The", "The answer", "The answer is", "The answer is 42."]

    value, events = replaced(*[text + cursor for text in texts], final=texts[-1])

    # The first text with dots may as well stand in for the reply, as "Thinking ..." does.
    begin = ["The answer"] if cursor in {"...", "…"} else ["The", " answer"]
    assert deltas(events) == [*begin, " is", " 42."]
    assert not rewritings(events)
    assert value.text == texts[-1]


def test_an_unknown_cursor_is_known_from_the_second_text_on() -> None:
    texts = ["The", "The answer", "The answer is", "The answer is 42."]

    value, events = replaced(*[f"{text} [typing]" for text in texts], final=texts[-1])

    assert len(rewritings(events)) == 1
    assert value.text == texts[-1]
    assert deltas(events)[-2:] == [" is", " 42."]


@pytest.mark.parametrize("end", ["...", "▌", "…"])
def test_an_end_that_looks_like_a_cursor_and_stays_is_text(end: str) -> None:
    for value, events in (
        replaced("Well", f"Well{end}"),
        appended("Well", end),
        appended(f"Well{end}", " then", end),
    ):
        assert value.text.endswith(end)
        assert "".join(deltas(events)) == value.text
        assert not rewritings(events)


@pytest.mark.parametrize(
    "text", ["Well, etc...", "a ▌ b ●", "```\nx = 1\n```", "a <img src='x'>", "<i class='c'></i>"]
)
def test_such_an_end_that_came_sign_by_sign_is_given_once(text: str) -> None:
    value, events = replaced(*[text[:end] for end in range(1, len(text) + 1)])

    assert "".join(deltas(events)) == value.text == text
    assert not rewritings(events)


def test_an_end_that_was_given_in_part_is_no_cursor() -> None:
    pieces = ("Hi", " <i", " class='c'></i>")

    value, events = appended(*pieces, prompt="u")

    assert "".join(deltas(events)) == value.text == "".join(pieces)
    assert not rewritings(events)


def test_dots_within_a_text_that_grows_are_not_held_back() -> None:
    _, events = appended("Well", "...", " then", "...", " go")

    assert deltas(events) == ["Well", "...", " then", "...", " go"]


def test_a_placeholder_of_dots_is_replaced_by_the_reply() -> None:
    value, events = replaced("...", "The", "The answer")

    assert deltas(events) == ["The", " answer"]
    assert not rewritings(events)
    assert value.text == "The answer"


@pytest.mark.parametrize("placeholder", ["Thinking ...", "*Is typing...*", "⏳ Please wait", BAR])
def test_a_placeholder_is_no_text_and_no_rewriting(placeholder: str) -> None:
    value, events = replaced(placeholder, placeholder, "Search ...", "The", "The answer")

    assert deltas(events) == ["The", " answer"]
    assert not rewritings(events)
    assert value.text == "The answer"


@pytest.mark.parametrize("added", ["\n\n*Found 3 pages*", "\nReading them..."])
def test_a_line_below_a_placeholder_is_one_of_it(added: str) -> None:
    status = "\U0001f50d Searching..."
    value, events = appended(status, added, final=False)

    events += value.replace(rows("The answer"), is_final=True)

    assert deltas(events) == ["The answer"]
    _, events = replaced(status, status + added, "The", "The answer")
    assert deltas(events) == ["The", " answer"]


@pytest.mark.parametrize("note", ["\n\n*Two agents debate…*", "\n⏳ Searching..."])
def test_a_line_at_the_end_that_stands_in_is_no_text_and_no_rewriting(note: str) -> None:
    value, events = replaced(f"# So{note}", f"# So\n\nIt{note}", "# So\n\nIt is", "# So\n\nIt is.")

    assert deltas(events) == ["# So", "\n\nIt", " is", "."]
    assert not rewritings(events)
    assert value.text == "# So\n\nIt is."


def test_such_a_line_that_is_appended_is_none_either() -> None:
    value, events = appended("# So", "\n\n*Two agents debate…*", final=False)

    events += value.replace(rows("# So\n\nIt is."), is_final=True)

    assert deltas(events) == ["# So", "\n\nIt is."]


def test_such_a_line_that_stays_is_text() -> None:
    for value, events in (
        appended("# So", "\n\n*She waits…*", " Then"),
        replaced("# So\n\n*She waits…*"),
    ):
        assert "".join(deltas(events)) == value.text
        assert not rewritings(events)


def test_a_line_below_that_is_none_goes_on_with_the_reply() -> None:
    for value, events in (
        appended("Let me see...", "\n", "\nIt", " is 4."),
        replaced("Let me see...", "Let me see...\n\nIt", "Let me see...\n\nIt is 4."),
    ):
        assert "".join(deltas(events)) == value.text == "Let me see...\n\nIt is 4."
        assert not rewritings(events)


def test_lines_of_a_thought_that_may_end_with_a_sign_are_not_read_again() -> None:
    def think(pieces: list[str]) -> None:
        appended(*pieces, final=False)

    assert_linear(lambda lines: ["<think>a", *["b " * 99 + "●", "\n"] * lines], think, 250, 2_000)


def test_a_reply_that_looks_like_a_placeholder_is_the_reply() -> None:
    for value, events in (replaced("Well ..."), appended("Well ...", " then"), appended("Well...")):
        assert "".join(deltas(events)) == value.text != ""
        assert not rewritings(events)


# HTML


def test_markdown_that_an_app_makes_html_of_is_markdown_again() -> None:
    value, events = replaced(
        "<p>So</p>",
        "<p>So <strong>bo</strong></p>",
        "<p>So <strong>bold</strong> &lt;</p>",
        prompt="Hi",
        row="<p>Hi</p>",
    )

    assert deltas(events) == ["So", " **bo", "ld** <"]
    assert value.text == "So **bold** <"
    assert not rewritings(events)


@pytest.mark.parametrize("page", [str, lambda text: {"html": text, "last_message_only": False}])
def test_a_page_with_the_whole_chat_gives_its_last_message(page: Any) -> None:
    value = ChatValue("Hi", [TAGS], is_page=page is str)
    shown = '<div class="chat"><p class="message">Hi</p>{}</div>'
    reply = '<p class="message">{}</p>'

    events = value.replace(page(shown.format("")))
    for text in ("<em>Typing...</em>", "The", "The <b>answer</b>"):
        events += value.replace(page(shown.format(reply.format(text))))
    events += value.replace(page(shown.format(reply.format(text))), is_final=True)

    assert deltas(events) == ["The", " **answer", "**"]
    assert value.text == "The **answer**"
    assert not rewritings(events)


# Escapes


def test_a_reply_of_an_app_that_escapes_is_given_as_its_page_shows_it() -> None:
    value, events = appended("if x ", "&lt;", " 3 &am", "p;&amp; y", prompt="a < b", row="a &lt; b")

    assert value.text == "if x < 3 && y"
    assert "".join(deltas(events)) == value.text
    assert not rewritings(events)


def test_escapes_of_an_app_that_does_not_escape_stay() -> None:
    value, events = appended("Write ", "&lt;", " for <", prompt="a < b", row="a < b")

    assert value.text == "Write &lt; for <"
    assert "".join(deltas(events)) == value.text


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        pytest.param("if x &lt; 3 &amp;&amp; y", "if x < 3 && y", id="escape"),
        pytest.param("R&D `&amp;` &gt;", "R&D `&` >", id="code-before-it"),
        pytest.param("One.<br>Two.<br/>3 &lt; 4", "One.\nTwo.\n3 < 4", id="line-breaks"),
        pytest.param(
            'So:<br><pre><code class="language-py"><br>x &lt; 1<br></code></pre>',
            "So:\n```py\nx < 1\n```",
            id="code-block",
        ),
        pytest.param("Write `&lt;`, not <, &lt;", "Write `&lt;`, not <, &lt;", id="sign-first"),
        pytest.param("```\na &lt; b\n```\nend", "```\na &lt; b\n```\nend", id="fence"),
        pytest.param("```\na > b\n```\n&lt;", "```\na > b\n```\n&lt;", id="sign-in-a-fence"),
        pytest.param("`&lt;` is `<`", "`&lt;` is `<`", id="code-span"),
        pytest.param("|a|\n|b<br>c|\n|&gt;|", "|a|\n|b<br>c|\n|&gt;|", id="table"),
        pytest.param("&copy; a & b", "&copy; a & b", id="no-sign-s-escape"),
        pytest.param("a &l", "a &l", id="cut"),
    ],
)
def test_a_prompt_without_signs_leaves_it_to_the_reply(
    shown: str, expected: str, size: int
) -> None:
    pieces = cut(shown, size)

    for value, events in (
        appended(*pieces, prompt="Hi", row="Hi"),
        replaced(
            *["".join(pieces[: count + 1]) for count in range(len(pieces))],
            prompt="Hi",
            row="Hi",
        ),
    ):
        assert value.text == expected
        assert read_text(events) == expected


def test_an_escape_that_is_cut_is_held_back() -> None:
    _, events = appended("if x ", "&", "l", "t", "; 3", prompt="Hi", row="Hi")

    assert deltas(events) == ["if x ", "< 3"]
    assert not rewritings(events)


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("prompt", "shown", "expected"),
    [
        pytest.param("Hi", "It&#x27;s x &lt; 3", "It's x < 3", id="escape"),
        pytest.param("a < b?", "Yes: a &lt; b", "Yes: a < b", id="sign-in-the-prompt"),
        pytest.param("Hi", "x < 3, not x &lt; 3", "x < 3, not x &lt; 3", id="sign-first"),
        pytest.param("A page", "A<br>&lt; C", "A<br>&lt; C", id="a-line-break"),
        pytest.param("A page", "<pre><code>1</code></pre>", "<pre><code>1</code></pre>", id="code"),
        pytest.param("Find foo", r"grep '\<foo\>' f", r"grep '\<foo\>' f", id="a-pattern"),
        pytest.param("What is &lt;?", "&lt; is a sign", "&lt; is a sign", id="asked-for"),
        pytest.param("Escape A & B for XML", "A &amp; B", "A &amp; B", id="asked-for-in-words"),
        pytest.param("HTML-encode A & B", "A &amp; B", "A &amp; B", id="to-be-encoded"),
    ],
)
def test_an_escaped_response_of_a_chat_interface_is_given_as_its_page_shows_it(
    prompt: str, shown: str, expected: str, size: int
) -> None:
    value, events = ChatValue(prompt, [TAGS], is_response=True), []
    pieces = cut(shown, size)
    for count in range(len(pieces)):
        events += value.replace("".join(pieces[: count + 1]))
    events += value.replace(shown, is_final=True)

    assert value.text == read_text(events) == expected
    assert not rewritings(events)


def test_a_text_output_is_as_it_stands() -> None:
    value = ChatValue("Hi", [TAGS])

    value.replace("if x ")
    take_edits(value, ["append", [], "&lt; 3"])
    value.replace("if x &lt; 3", is_final=True)

    assert value.text == "if x &lt; 3"


@pytest.mark.parametrize("size", [1, 3, 100])
def test_an_escaped_tag_of_a_tool_call_shows_that_an_app_escapes(size: int) -> None:
    text = 'Yes.\n&lt;tool_call&gt;\n{"name": "f"}\n&lt;/tool_call&gt;'
    pieces = cut(text, size)

    value, events = appended(*pieces)

    assert value.text == 'Yes.\n<tool_call>\n{"name": "f"}\n</tool_call>'
    assert "".join(deltas(events)) == value.text
    assert not rewritings(events)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_escaped_thoughts_are_thoughts(size: int) -> None:
    text = "&lt;think&gt;a &lt; b&lt;/think&gt;42"
    pieces = cut(text, size)

    value, events = appended(*pieces)

    assert (value.thinking, value.text) == ("a < b", "42")
    assert "".join(deltas(events, ThinkingDelta)) == "a < b"
    assert not rewritings(events)


# Thoughts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_thoughts_between_tags_are_apart_from_the_answer(size: int) -> None:
    text = "<think>\nhm\n\nso\n</think>\n\nThe answer.\n"
    pieces = cut(text, size)

    for value, events in (
        appended(*pieces),
        replaced(*["".join(pieces[: count + 1]) for count in range(len(pieces))]),
    ):
        assert (value.thinking, value.text) == ("hm\n\nso", "The answer.\n")
        assert "".join(deltas(events, ThinkingDelta)) == value.thinking
        assert "".join(deltas(events)) == value.text
        assert not rewritings(events)


def test_a_piece_of_a_thought_is_a_delta_at_once() -> None:
    _, events = appended("<think>", "hm", " so", "</think>", "4", "2")

    assert deltas(events, ThinkingDelta) == ["hm", " so"]
    assert deltas(events) == ["4", "2"]


def test_thoughts_that_never_end_are_no_answer() -> None:
    value, events = appended("<think>", "hm", " so ")

    assert (value.thinking, value.text) == ("hm so", "")
    assert deltas(events, ThinkingDelta) == ["hm", " so"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_closing_tag_alone_ends_thoughts_that_the_template_has_opened(size: int) -> None:
    text = "hm\nso\n</think>\n\n42"
    pieces = cut(text, size)

    value, events = appended(*pieces)

    assert (value.thinking, value.text) == ("hm\nso", "42")
    assert len(rewritings(events)) == (size < len(text))
    assert read_text(events) == "42"


def test_thoughts_that_the_app_marks_come_before_those_between_tags() -> None:
    value = ChatValue("", [TAGS])
    thought = {"role": "assistant", "content": "first", "metadata": {"title": "T"}}
    user = {"role": "user", "content": "u"}

    events = value.replace([user, thought, {"role": "assistant", "content": "<think>se"}])
    events += take_edits(value, ["append", [2, "content"], "cond</think>42"])

    assert "".join(deltas(events, ThinkingDelta)) == value.thinking == "first\n\nsecond"
    assert value.text == "42"


def test_thoughts_that_an_app_folds_are_thoughts() -> None:
    fold = "<details open><summary>{}</summary>\n<div>\n{}\n</div>\n</details>{}".format

    value, events = replaced(
        fold("Thinking...", "a", ""),
        fold("Thinking...", "a &lt; b", ""),
        fold("Thought", "a &lt; b", "4"),
        fold("Thought", "a &lt; b", "42 &gt; 1"),
        prompt="Hi",
        row="Hi",
    )

    assert (value.thinking, value.text) == ("a < b", "42 > 1")
    assert deltas(events) == ["4", "2 > 1"]
    assert not rewritings(events)


def test_the_model_s_own_tag_after_folded_thoughts_is_no_answer() -> None:
    fold = "<details>\n  <summary>Thinking ...</summary>\n{}\n</details>\n{}".format

    value, events = replaced(
        fold("a", ""),
        fold("a b", ""),
        fold("a b", "</think>"),
        fold("a b", "</think>\n\n4"),
        fold("a b", "</think>\n\n42"),
    )

    assert (value.thinking, value.text) == ("a b", "42")
    assert deltas(events) == ["4", "2"]
    assert not rewritings(events)


def test_folded_thoughts_stay_as_they_are_where_none_are_wanted() -> None:
    text = "<details><summary>Thinking</summary>a</details>42"
    value = ChatValue("")

    value.replace(text, is_final=True)

    assert (value.thinking, value.text) == ("", text)


def test_an_answer_goes_on_piece_by_piece_after_folded_thoughts() -> None:
    _, before = replaced("<details><summary>Thinking</summary>a")
    value, events = appended("<details><summary>Thinking</summary>a</details>4", "2", "!")

    assert deltas(before, ThinkingDelta) == ["a"]
    assert (value.thinking, value.text) == ("a", "42!")
    assert deltas(events) == ["4", "2", "!"]


@pytest.mark.parametrize("size", [1, 5, 100])
def test_folded_thoughts_are_seen_however_they_are_cut(size: int) -> None:
    text = "<details open><summary>Thinking</summary>hm</details>\n</think>\n\n42 < 43"
    value = ChatValue("Is 1 < 2?", [TAGS])
    events = value.replace(rows("", "Is 1 < 2?"))

    for piece in cut(text, size):
        events += append(value, piece)
    events += value.replace(rows(text, "Is 1 < 2?"), is_final=True)

    assert (value.thinking, value.text) == ("hm", "42 < 43")
    assert "".join(deltas(events)) == value.text
    assert not rewritings(events)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_an_app_may_have_several_pairs_of_tags(size: int) -> None:
    for text, thinking, answer in (
        ("<r>a</r>42", "a", "42"),
        ("<think>b</think>42", "b", "42"),
        ("<q>42", "", "<q>42"),
    ):
        pieces = cut(text, size)
        value = ChatValue("", [("<r>", "</r>"), TAGS])
        value.replace(rows(pieces[0]))
        for piece in pieces[1:]:
            append(value, piece)
        value.replace(rows(text), is_final=True)

        assert (value.thinking, value.text) == (thinking, answer)


PIECES = st.lists(
    st.sampled_from([*TAGS, "▌", "...", "&lt;", "&", "<", "a", "b c", "\n", " "]),
    min_size=1,
    max_size=10,
)


@given(PIECES)
def test_appended_and_whole_texts_come_to_the_same(pieces: list[str]) -> None:
    grown, shown = appended(*pieces)
    whole, _ = replaced("".join(pieces))

    assert (grown.text, grown.thinking) == (whole.text, whole.thinking)
    assert "".join(read_text(shown).split()) == "".join(grown.text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("<br>One:<br>- a &lt; b", "\nOne:\n- a < b", id="line-breaks-as-html"),
        pytest.param("One:\n- a<br>b &lt; c", "One:\n- a<br>b &lt; c", id="the-model-s-own"),
        pytest.param("Use `<br>` there.", "Use `<br>` there.", id="code"),
    ],
)
def test_a_prompt_of_several_lines_that_is_put_back_tells_nothing_of_them(
    text: str, expected: str
) -> None:
    prompt = "User: a <b>\nAssistant:"

    value, _ = replaced(text, prompt=prompt, row=prompt)

    assert value.text == expected


def test_a_reply_about_line_breaks_of_html_keeps_them() -> None:
    text, prompt = "The <br> tag:\n\n```html\nA<br>B &lt; C\n```", "What does <br> do?"

    value, _ = replaced(text, prompt=prompt, row=prompt)

    assert value.text == text
