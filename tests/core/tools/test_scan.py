from __future__ import annotations

import pytest

from qwen_space.tools.scan import Scan, may_become


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", True), ("<tool", True), ("<tool_call>", False), ("<toot", False), ("<func", True)],
)
def test_the_start_of_a_tag_may_become_one(text: str, expected: bool) -> None:
    assert may_become(text, "<tool_call>", "<function=") is expected


def marks(scan: Scan, text: str) -> str:
    """Return the characters that a scan stops for."""
    found, at = "", 0
    while at < len(text):
        at, mark = scan.step(text, at)
        found += mark
        if mark == "<":
            scan.pass_over()
            at += 1
    return found


@pytest.mark.parametrize(
    ("text", "found", "depth"),
    [
        pytest.param('{"a": {"b": "}"}}', "{{}}", 0, id="braces-in-strings-do-not-count"),
        pytest.param('{"a": "\\"}"', "{", 1, id="an-escaped-quote-ends-no-string"),
        pytest.param('{"a": "x<y"}', "{}", 0, id="a-sign-in-a-string"),
        pytest.param('{"a": "x\n<y"}', "{<}", 0, id="a-sign-at-the-start-of-a-line"),
        pytest.param("{<", "{<", 1, id="a-sign-outside-of-strings"),
    ],
)
def test_a_scan_stops_for_braces_and_possible_tags(text: str, found: str, depth: int) -> None:
    whole, by_one = Scan(), Scan()

    assert marks(whole, text) == found
    assert "".join(marks(by_one, character) for character in text) == found
    assert (whole.depth, by_one.depth) == (depth, depth)
