from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.gradio.reply.html_text import (
    HTMLText,
    escapes_html,
    has_escaped_prose,
    has_made_code,
)
from tests.pieces import cut


def shown(*pieces: str) -> str:
    """Return the text of some pieces."""
    text = HTMLText()
    return "".join([*map(text.feed, pieces), text.flush()])


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        pytest.param("if x &lt; 3 &amp;&amp; y &gt; 2", "if x < 3 && y > 2", id="signs"),
        pytest.param("&quot;a&quot; &#x27;b&#39;", "\"a\" 'b'", id="quotes"),
        pytest.param("&amp;lt;", "&lt;", id="only-once"),
        pytest.param("a<br>b<br/>\nc", "a\nb\nc", id="line-breaks"),
        pytest.param(
            'See<br><pre><code class="language-py"><br>x&nbsp;=&nbsp;1<br></code></pre><br>Done',
            "See\n```py\nx = 1\n```\nDone",
            id="code",
        ),
        pytest.param("a:<pre><code>x<br></code></pre>", "a:\n```x\n```", id="code-in-a-line"),
        pytest.param("<pre><code><br>x", "```\nx", id="code-first"),
        pytest.param(
            "A<br>break:\n```html\n<p>a<br>b</p>\n```\nand<br>so",
            "A\nbreak:\n```html\n<p>a<br>b</p>\n```\nand\nso",
            id="a-break-in-code-of-the-model-s",
        ),
        pytest.param(
            "```py\nx<br>\n```<br>Next<br>more",
            "```py\nx<br>\n```\nNext\nmore",
            id="a-break-behind-code",
        ),
        pytest.param(
            "Here:<br>```py\nx<br>y\n```<br>z",
            "Here:\n```py\nx<br>y\n```\nz",
            id="a-break-before-code",
        ),
        pytest.param(
            "```\n~~~\n<br>\n```\nNext<br>z",
            "```\n~~~\n<br>\n```\nNext\nz",
            id="another-mark-in-code",
        ),
        pytest.param(
            "````md\n```py\na<br>b\n```\n<br>\n````\nc<br>d",
            "````md\n```py\na<br>b\n```\n<br>\n````\nc\nd",
            id="code-in-code",
        ),
        pytest.param(
            "- ```py\n  a<br>b\n  ```\nc<br>d",
            "- ```py\n  a<br>b\n  ```\nc\nd",
            id="code-in-a-list",
        ),
        pytest.param(
            "```py<br>\nx<br>\n```\nc<br>d",
            "```py\nx\n```\nc\nd",
            id="text-behind-breaks-of-a-fence",
        ),
        pytest.param(
            "```c <stdio>\na<br>b\n```\nc<br>d",
            "```c <stdio>\na<br>b\n```\nc\nd",
            id="a-tag-beside-a-mark",
        ),
        pytest.param("```py<br>x = 1<br>```", "```py\nx = 1\n```", id="breaks-of-a-fence"),
        pytest.param("```py<br>\nx<br>\n```", "```py\nx\n```", id="breaks-at-the-ends-of-lines"),
        pytest.param("R&D & <b>x</b> &nonsense", "R&D & <b>x</b> &nonsense", id="others-stay"),
        pytest.param("a &", "a &", id="an-end-that-may-go-on"),
    ],
)
def test_a_text_is_given_as_the_page_shows_it(escaped: str, expected: str) -> None:
    assert shown(escaped) == expected
    assert shown(*escaped) == expected


@given(st.text("a <>&\"';#x27\n", max_size=20), st.integers(1, 5))
def test_an_escaped_text_comes_back_from_any_cuts(text: str, size: int) -> None:
    escaped = html.escape(text)

    pieces = cut(escaped, size)

    assert shown(*pieces) == text


@pytest.mark.parametrize(
    ("prompt", "row", "expected"),
    [
        pytest.param("x < 3", "x &lt; 3", True, id="escaped"),
        pytest.param("x < 3", "x < 3", False, id="as-it-was"),
        pytest.param("a && b", "a &amp;&amp; b", True, id="ampersand"),
        pytest.param("What is &lt;?", "What is &lt;?", None, id="the-prompt-s-own-escape"),
        pytest.param("a < &lt;", "a &lt; &lt;", True, id="one-more"),
        pytest.param("Hi", "Hi", None, id="nothing-to-escape"),
        pytest.param("a\nb", "a<br>b", True, id="line-breaks"),
        pytest.param("2 * 3", "2 &ast; 3", True, id="asterisk"),
        pytest.param("2 * 3", "2 * 3", None, id="asterisk-as-it-was"),
        pytest.param("x < 3", "", None, id="no-row"),
    ],
)
def test_the_user_s_row_shows_whether_an_app_escapes(
    prompt: str, row: str, expected: bool | None
) -> None:
    assert escapes_html(prompt, row) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a &lt; b", True, id="escape"),
        pytest.param("it&#x27;s", True, id="quote"),
        pytest.param("a<br>b", True, id="line-break"),
        pytest.param("a\nb<br>c &lt;", False, id="line-break-among-lines"),
        pytest.param("a<br><pre><code>", True, id="code-block"),
        pytest.param("<pre><code>", True, id="code-block-first"),
        pytest.param("a < b<pre><code>", True, id="code-block-after-a-sign"),
        pytest.param("a < b\nc<pre><code>", False, id="code-block-after-a-sign-and-a-line"),
        pytest.param("a < b", None, id="sign-in-the-first-line"),
        pytest.param("a < b\n", None, id="sign-in-the-first-line-of-two"),
        pytest.param("| a<br>b |", None, id="line-break-in-a-table-s-first-row"),
        pytest.param("so &ast;&ast;bold", True, id="asterisk"),
        pytest.param("a < b &lt; c", False, id="sign-first"),
        pytest.param("> quoted &gt;", False, id="quotation"),
        pytest.param("a\n> quoted", False, id="quotation-after-a-line"),
        pytest.param("`&lt;` and ``&gt;``", None, id="code-spans"),
        pytest.param("`&lt;` is &lt;", True, id="after-a-code-span"),
        pytest.param("a ` b &lt;\n&gt;", True, id="after-a-lone-tick"),
        pytest.param("```html\n&lt;b&gt;\n```\nend", None, id="fence"),
        pytest.param("~~~\n&lt;\n~~~\n&lt;", True, id="after-a-fence"),
        pytest.param("```\n&lt;", None, id="fence-without-end"),
        pytest.param("```\nx < 1\n```\n&lt;", False, id="sign-in-a-fence"),
        pytest.param("R&D, &copy; &nbsp; &madeup;", None, id="others"),
        pytest.param("", None, id="empty"),
    ],
)
def test_the_first_sign_of_a_reply_s_prose_shows_whether_its_app_escapes(
    text: str, expected: bool | None
) -> None:
    assert has_escaped_prose(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a < b &lt; c", None, id="a-line"),
        pytest.param("a < b<br><pre><code>x", True, id="code"),
        pytest.param("a\nb", False, id="a-line-break"),
        pytest.param("a\n<pre><code>", False, id="code-of-the-model-s"),
        pytest.param("One.<br>- two", True, id="a-line-break-of-html"),
        pytest.param("A row<br>of it\nand more", True, id="a-line-break-first"),
        pytest.param("A table\n| a<br>b |", False, id="a-line-break-in-a-table"),
        pytest.param("| a<br>b | c<br/>d |\n|---|", False, id="a-line-break-in-its-first-row"),
        pytest.param("| a |<br>|---|<br>", True, id="a-row-s-line-break"),
        pytest.param("Write `<br>` there", None, id="a-line-break-as-code"),
        pytest.param("If x < 3 &amp; y", None, id="a-sign-tells-nothing"),
    ],
)
def test_an_app_that_leaves_lines_as_they_are_may_make_code(
    text: str, expected: bool | None
) -> None:
    assert has_made_code(text) is expected
