from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.gradio.reply.reasoning import ReasoningSplitter
from tests.pieces import cut

TAGS = ("<think>", "</think>")


def split(pieces: list[str], tags: Sequence[tuple[str, str]] = (TAGS,)) -> tuple[str, str]:
    """Return thoughts and answer of a reply that came in pieces."""
    splitter = ReasoningSplitter(tags)
    thoughts, answers, so_far = [], [], ""
    for piece in pieces:
        at_line_start = not (shown := "".join(answers)) or shown.endswith("\n")
        thought, answer = splitter.feed(piece, at_line_start=at_line_start)
        so_far += piece
        if splitter.must_restart:
            splitter = ReasoningSplitter(tags)
            thoughts, answers = [], []
            thought, answer = splitter.split(so_far)
        thoughts.append(thought)
        answers.append(answer)
    thought, answer = splitter.flush()
    return "".join([*thoughts, thought]), "".join([*answers, answer])


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        pytest.param("<think>hm</think>42", "hm", "42", id="tags"),
        pytest.param("<think>\nhm\n\nso\n</think>\n\n42\n", "hm\n\nso", "42\n", id="lines"),
        pytest.param("\n<think>hm</think>42", "hm", "42", id="after-white-space"),
        pytest.param("<think>\n\n</think>\n\n42", "", "42", id="no-thoughts"),
        pytest.param("<think>hm </th </think>42", "hm </th", "42", id="half-a-tag"),
        pytest.param("<think>hm", "hm", "", id="never-closed"),
        pytest.param("hm\nso\n</think>\n\n42", "hm\nso", "42", id="opened-by-the-template"),
        pytest.param("</think>\n42", "", "42", id="only-closed"),
        pytest.param("`</think>` ends it", "", "`</think>` ends it", id="a-tag-in-a-line"),
        pytest.param("The <think> tag", "", "The <think> tag", id="not-at-the-start"),
        pytest.param(
            "<think>a</think>b<think>c</think>", "a", "b<think>c</think>", id="only-the-first"
        ),
        pytest.param("<thin ice", "", "<thin ice", id="another-tag"),
        pytest.param("<thin", "", "<thin", id="half-a-tag-alone"),
        pytest.param("42\n</thi", "", "42\n</thi", id="half-a-closing-tag"),
        pytest.param("", "", "", id="empty"),
    ],
)
def test_thoughts_are_split_from_the_answer(text: str, thinking: str, answer: str) -> None:
    for pieces in ([text], list(text), cut(text, 3)):
        got = split(pieces)
        assert (got[0].strip(), got[1].lstrip()) == (thinking, answer)


def test_other_tags_can_be_asked_for_and_none() -> None:
    text = "[R]hm[/R]42"

    assert split([text], [("[R]", "[/R]")]) == ("hm", "42")
    assert split([text]) == ("", text)
    assert split(["<think>hm</think>42"], ()) == ("", "<think>hm</think>42")


@given(st.lists(st.sampled_from([*TAGS, "a", " ", "\n", "<", "/", "think>"]), max_size=12))
def test_however_a_reply_was_cut_all_of_it_is_there(parts: list[str]) -> None:
    text = "".join(parts)

    thinking, answer = split(list(text))

    def bare(text: str) -> str:
        for tag in TAGS:
            text = text.replace(tag, "")
        return "".join(text.split())

    assert bare(thinking) + bare(answer) == bare(text)


def test_thoughts_go_on_at_once() -> None:
    splitter = ReasoningSplitter([TAGS])

    assert [splitter.feed(each)[0] for each in ("<think>", "hm", " so", " ", "on")] == [
        "",
        "hm",
        " so",
        "",
        " on",
    ]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_a_page_s_own_tags_may_come_again(size: int) -> None:
    text = "<think>a</think>\n1 <think> b </think>2 <thin <think>c"
    splitter = ReasoningSplitter([TAGS], anywhere=True)
    parts = [splitter.feed(piece) for piece in cut(text, size)]
    parts.append(splitter.flush())

    assert "".join(thought for thought, _ in parts) == "a\n\nb\n\nc"
    assert "".join(answer for _, answer in parts) == "1 2 <thin "


def test_the_thoughts_of_a_reply_are_bounded_in_number() -> None:
    splitter = ReasoningSplitter([TAGS], anywhere=True)

    thought, answer = splitter.feed("<think>a</think>b" * 1_001)

    assert (thought.count("a"), answer) == (1_000, "b" * 1_000 + "<think>a</think>b")
