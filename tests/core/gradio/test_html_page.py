"""HTML that a server has made of a reply is the reply again."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.gradio.html_page import is_html_of, read_chat_page, read_html, read_message


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
def test_marks_that_close_what_may_go_on_wait(page: str, expected: str) -> None:
    assert read_html(page, is_final=False) == expected


@given(st.text("ab <>&;\n/p-!\"'=", max_size=40))
def test_no_html_is_an_error(page: str) -> None:
    assert isinstance(read_html(page), str)
    assert isinstance(read_chat_page(page, "a"), str)


@given(st.text("ab<>&\"'", max_size=20))
def test_an_escaped_text_comes_back(text: str) -> None:
    assert read_html(f"<p>{html.escape(text)}</p>") == text


def rows(*texts: str, kept: bool = False) -> str:
    """Return a page with a message for each text."""
    shown = "".join(
        f'<div class="message"{f" data-raw={chr(34)}{text}{chr(34)}" if kept else ""}>'
        f'<div class="username">N</div><div class="message-body"><p>{text}</p></div>'
        f'<div class="message-actions"><button>Copy</button></div></div>'
        for text in texts
    )
    return f'<style>p {{}}</style><div class="chat"><div class="messages">{shown}</div></div>'


@pytest.mark.parametrize("kept", [True, False])
def test_the_last_message_of_a_page_is_the_reply(kept: bool) -> None:
    assert read_chat_page(rows("Hi", "a &lt; b", kept=kept), "Hi") == "a < b"
    assert read_chat_page(rows("x", "y", "Hi", kept=kept), "Hi") == ""


def test_a_text_that_is_kept_to_be_copied_is_the_reply_as_it_was() -> None:
    page = '<div data-raw="*a* &lt;b&gt;&#10;c"><p><em>a</em> &lt;b> c</p></div>'

    assert read_chat_page(page, "Hi") == "*a* <b>\nc"


def test_the_text_after_the_prompt_is_the_reply_where_no_class_tells() -> None:
    page = "<div><b>You</b><p>Hi  there</p></div><div><p>Yes</p><p>No</p></div>"

    assert read_chat_page(page, "Hi there") == "Yes\n\nNo"
    assert read_chat_page("<div><p>Yes</p></div>", "Hi there") == "Yes"


def test_who_speaks_is_no_part_of_the_reply() -> None:
    page = "<p><b>You:</b><br>Hi</p><p><b>Assistant:</b><br>Yes: no</p>"

    assert read_chat_page(page, "Hi") == "Yes: no"


def test_a_hidden_text_that_is_kept_raw_is_the_message() -> None:
    kept = '<div class="raw-message hide"><pre>*a* &#60;<br>&nbsp;b</pre></div>'

    assert read_message(f"{kept}<div class='md'>\n\n*a* &lt;\n</div>") == "*a* <\n b"
    assert read_message("<p><b>a</b></p>") == "**a**"


@pytest.mark.parametrize(
    ("prompt", "shown", "expected"),
    [
        ("Hi", "<p>Hi</p>", True),
        ("Hi", "<div class='x'>Hi</div>", True),
        ("Hi", "Hi", False),
        ("<p>Hi</p>", "<p>Hi</p>", False),
        ("Hi", "<pre>Hi</pre>", False),
        ("Hi", "", False),
    ],
)
def test_the_user_s_row_shows_whether_an_app_makes_html(
    prompt: str, shown: str, expected: bool
) -> None:
    assert is_html_of(prompt, shown) is expected
