"""HTML that was made of Markdown is Markdown again."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.gradio.reply.html_markdown import read_html
from qwen_space.gradio.reply.html_page import read_chat_page


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param("<p>a &lt; b</p>\n<p>c</p>", "a < b\n\nc", id="paragraphs"),
        pytest.param("<p>one<br>two<br/>three</p>", "one\ntwo\nthree", id="line-breaks"),
        pytest.param(
            "<p>a <strong>b</strong>, <em>c</em> <code>d&lt;</code></p>",
            "a **b**, *c* `d<`",
            id="marks",
        ),
        pytest.param(
            '<p>So:</p><pre><code class="language-py">if x &lt; 1:\n    y()\n</code></pre>End',
            "So:\n\n```py\nif x < 1:\n    y()\n```\n\nEnd",
            id="code",
        ),
        pytest.param(
            '<p>So:<pre><code class="language-py"><br>x&nbsp;=&nbsp;1<br></code></pre><br>End</p>',
            "So:\n\n```py\nx = 1\n```\n\nEnd",
            id="code-with-line-breaks",
        ),
        pytest.param(
            "<p>a</p><details><summary>b</summary><p>c</p></details>d",
            "a\n\n<details>\n<summary>b</summary>\n\nc\n\n</details>\nd",
            id="a-fold-stays-html",
        ),
        pytest.param("<h2>A</h2><p>b</p>", "## A\n\nb", id="heading"),
        pytest.param(
            "<ul>\n<li>a</li>\n<li>b</li>\n</ul><ol><li>c</li><li>d</li></ol>",
            "- a\n- b\n\n1. c\n2. d",
            id="lists",
        ),
        pytest.param(
            "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>",
            "a | b\nc",
            id="table",
        ),
        pytest.param(
            "a<style>p { x: 1 }</style><button>Copy <svg><path/></svg></button> b<!-- c -->",
            "a b",
            id="no-text",
        ),
        pytest.param("<strong></strong><p>a</p><pre></pre>", "a", id="empty"),
        pytest.param("a < b <c", "a < b <c", id="no-tags"),
        pytest.param("<pre>a", "```\na\n```", id="cut"),
        pytest.param("<div>a</div><p>b</p><div>c</div>", "a\n\nb\n\nc", id="the-wider-gap"),
        pytest.param("a<p class='badge'>x</p>b", "a\n\nb", id="gap-of-a-part-beside-the-message"),
        pytest.param(
            "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>d",
            "- a\n   - b\n- c\n\nd",
            id="lists-within-lists",
        ),
        pytest.param(
            "<ol><li>a<pre>x</pre></li></ol>b", "1. a\n\n```\nx\n```\n\nb", id="code-in-list"
        ),
    ],
)
def test_html_becomes_the_markdown_that_it_was_made_of(page: str, expected: str) -> None:
    assert read_html(page) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p>Some <strong>bo</strong></p>", "Some **bo"),
        ("<pre><code>x</code></pre>", "```\nx"),
        ("<ul><li>a</li></ul>", "- a"),
    ],
)
def test_closing_marks_wait_while_the_text_may_go_on(page: str, expected: str) -> None:
    assert read_html(page, is_final=False) == expected


@given(st.text("ab <>&;\n/p-!\"'=", max_size=40))
def test_no_html_is_an_error(page: str) -> None:
    assert isinstance(read_html(page), str)
    assert isinstance(read_chat_page(page, "a"), str)


@given(st.text("ab<>&\"'", max_size=20))
def test_an_escaped_text_comes_back(text: str) -> None:
    assert read_html(f"<p>{html.escape(text)}</p>") == text


@pytest.mark.parametrize("digits", [1_000, 5_000])
def test_a_character_of_a_huge_number_is_none(digits: int) -> None:
    escape = f"&#{'1' * digits};"

    assert read_html(f"<p>a{escape}b</p>") == "a\ufffdb"
    assert read_chat_page(f'<p data-raw="a{escape}b">c</p>', "x") == "a\ufffdb"
