from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.chat.stop import StopScanner


def scan(stop: list[str], pieces: list[str]) -> tuple[list[str], bool]:
    scanner = StopScanner(stop)
    out = []
    for piece in pieces:
        out.append(scanner.feed(piece))
        if scanner.hit:
            return out, True
    return [*out, scanner.flush()], False


@pytest.mark.parametrize(
    ("stop", "pieces", "expected", "hit"),
    [
        pytest.param([], ["a", "b"], ["a", "b", ""], False, id="none"),
        pytest.param(["X"], ["a", "b"], ["a", "b", ""], False, id="never"),
        pytest.param(["X"], ["aXb"], ["a"], True, id="inside"),
        pytest.param(["X"], ["Xb"], [""], True, id="at-once"),
        pytest.param(["XY"], ["aX", "Yb"], ["a", ""], True, id="over-a-border"),
        pytest.param(["XYZ"], ["aX", "Y", "Zb"], ["a", "", ""], True, id="over-two-borders"),
        pytest.param(["XY"], ["aX", "b"], ["a", "Xb", ""], False, id="only-the-start"),
        pytest.param(["XY"], ["aX"], ["a", "X"], False, id="only-the-start-at-the-end"),
        pytest.param(["XXY"], ["XX", "XY"], ["", "X"], True, id="repeated-start"),
        pytest.param(["\n\n"], ["a\n", "b\n", "\nc"], ["a", "\nb", ""], True, id="newlines"),
        pytest.param(["long", "lo"], ["a lo", "ng"], ["a "], True, id="the-shorter-first"),
        pytest.param(["bc", "b"], ["abc"], ["a"], True, id="the-first-in-the-text"),
        pytest.param(["c", "b"], ["abc"], ["a"], True, id="whatever-their-order"),
        pytest.param(["b", "abaa"], ["aba", "a"], ["a"], True, id="the-first-complete"),
        pytest.param(["b", "abaa"], ["abaa"], ["a"], True, id="the-first-complete-in-one-piece"),
        pytest.param(["🙂"], ["a", "🙂"], ["a", ""], True, id="emoji"),
    ],
)
def test_text_goes_through_up_to_the_first_stop(
    stop: list[str], pieces: list[str], expected: list[str], hit: bool
) -> None:
    assert scan(stop, pieces) == (expected, hit)


def test_a_new_text_is_looked_through_from_its_start() -> None:
    scanner = StopScanner(["XY"])
    scanner.feed("aX")

    assert scanner.restart("Y") == "Y"
    assert not scanner.hit
    assert scanner.restart("bXYc") == "b"
    assert scanner.hit


@pytest.mark.parametrize("stop", [[""], ["a", ""]])
def test_an_empty_stop_is_a_misuse(stop: list[str]) -> None:
    with pytest.raises(ValueError, match="empty"):
        StopScanner(stop)


TEXTS = st.text("ab", max_size=6)


@given(st.lists(TEXTS.filter(bool), max_size=3), st.lists(TEXTS, max_size=10))
def test_the_borders_of_the_pieces_do_not_matter(stop: list[str], pieces: list[str]) -> None:
    out, hit = scan(stop, pieces)

    text = "".join(pieces)
    found = [(text.find(each) + len(each), text.find(each)) for each in stop if each in text]
    assert hit is bool(found)
    assert "".join(out) == (text[: min(found)[1]] if found else text)


def test_a_string_is_one_sequence() -> None:
    scanner = StopScanner("END.")

    assert scanner.feed("HELLO THE END of it END. more") == "HELLO THE END of it "
    assert scanner.hit
