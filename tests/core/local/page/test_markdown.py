"""Texts as the page shows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.local.page.markdown import escape_html, to_display, unescape_html


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ("$x$ and ($y_1$), $n$th, $k$-means", r"\(x\) and (\(y_1\)), \(n\)th, \(k\)-means"),
        ("设$x$为实数、$O(n)$时间", r"设\(x\)为实数、\(O(n)\)时间"),
        (r"$\$5$", r"\(\$5\)"),
        ("$5 and $10, $5-$10, US$5 to US$6", None),
        ("$HOME, $PATH and $ 6 $", None),
        ("$$x$$ and `$x$`", None),
        ("A <b>, a vector<int>, a < b", "A &lt;b>, a vector&lt;int>, a < b"),
        ("|a<br>b|<BR/>|", None),
        ("<https://example.org>", None),
        ("&lt; &copy; AT&T", "&amp;lt; &amp;copy; AT&T"),
        ("![x](https://example.org/x.png)", "[x](https://example.org/x.png)"),
        ("```\n<b> $x$\n```\n<b>", "```\n<b> $x$\n```\n&lt;b>"),
        ("Code:\n\n    <b> $x$\n\n    <i>\nand <b>", "Code:\n\n    <b> $x$\n\n    <i>\nand &lt;b>"),
        ("- item\n\n    <b> $x$", "- item\n\n    &lt;b> " + r"\(x\)"),
        ("text\n    <b>", "text\n    &lt;b>"),
    ],
)
def test_a_reply_is_shown_as_it_is_meant(reply: str, shown: str | None) -> None:
    assert to_display(reply) == (reply if shown is None else shown)


_PIECES = ["<", "b>", "&", "lt;", "amp;", "#1;", "`", "```", "~~~", "\n", "    ", " - ", "1. ", "x"]


@given(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join))
def test_a_text_is_had_back_from_its_bubble(text: str) -> None:
    assert unescape_html(escape_html(text)) == text
