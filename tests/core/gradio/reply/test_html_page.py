"""A reply is found in HTML that a server has made."""

from __future__ import annotations

import pytest

from qwen_space.gradio.reply.html_page import is_html_of, read_chat_page, read_message


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
    asked = rows("x", "y", "Hi", kept=kept)
    assert read_chat_page(asked, "Hi", is_final=False) == ""
    assert read_chat_page(asked, "Hi") == "Hi", "an app may answer with the prompt"


def test_a_text_that_is_kept_to_be_copied_is_the_reply_as_it_was() -> None:
    page = '<div data-raw="*a* &lt;b&gt;&#10;c"><p><em>a</em> &lt;b> c</p></div>'

    assert read_chat_page(page, "Hi") == "*a* <b>\nc"


def test_the_text_after_the_prompt_is_the_reply_where_no_class_tells() -> None:
    page = "<div><b>You</b><p>Hi  there</p></div><div><p>Yes</p><p>No</p></div>"

    assert read_chat_page(page, "Hi there") == "Yes\n\nNo"
    assert read_chat_page("<div><p>Yes</p></div>", "Hi there") == "Yes"


@pytest.mark.parametrize("prompt", ["Hi <there> & you", "Is <b>this</b> bold?", "a < b"])
def test_the_prompt_is_found_where_the_page_takes_it_for_html(prompt: str) -> None:
    assert read_chat_page(f"<div>{prompt}</div><div>Yes</div>", prompt) == "Yes"


def test_who_speaks_is_no_part_of_the_reply() -> None:
    page = "<p><b>You:</b><br>Hi</p><p><b>Assistant:</b><br>Yes: no</p>"

    assert read_chat_page(page, "Hi") == "Yes: no"


@pytest.mark.parametrize(
    ("bubble", "name", "own"),
    [
        ("<div style='x'><b>{}</b> {}</div>", "\U0001f916 AI:", "You:"),
        ("<div class='chat-bubble'><strong>{}</strong><br>{}</div>", "HALO", "You"),
        ("<div><b>{}</b><p>{}</p></div>", "Ada", "Me"),
    ],
)
def test_a_name_that_both_have_is_no_part_of_the_reply(bubble: str, name: str, own: str) -> None:
    page = bubble.format(own, "Hi there") + bubble.format(name, "Yes <b>now</b>")

    assert read_chat_page(page, "Hi there") == "Yes **now**"
    waiting = bubble.format(own, "Hi there") + bubble.format(name, "")
    assert read_chat_page(waiting, "Hi there", is_final=False) == ""


def test_bold_words_of_the_reply_are_no_name() -> None:
    page = "<div>Hi</div><div><b>No</b> way</div>"

    assert read_chat_page(page, "Hi") == "**No** way"


CODE = "So:\n\ndef f(x):\n    if x:\n        return 1\n"


@pytest.mark.parametrize(
    "shown",
    [
        CODE,
        CODE.replace("\n", "<br>"),
        CODE.replace("\n", "<br />").replace("  ", "&nbsp;&nbsp;"),
        "\n        " + CODE.replace("\n", "\n        "),
        f"<pre>{CODE}</pre>",
    ],
    ids=["as-it-is", "br", "nbsp", "in-an-indented-template", "pre"],
)
@pytest.mark.parametrize("bubble", ["<div style='x'>{}</div>", "<div class='bot-msg'>{}</div>"])
def test_code_in_a_bubble_keeps_its_lines_and_their_indentation(bubble: str, shown: str) -> None:
    page = bubble.format("Hi") + "\n" + bubble.format(shown)

    assert read_chat_page(page, "Hi").strip("`\n") == CODE.strip()


def test_the_head_of_a_message_is_no_part_of_it() -> None:
    head = "<div class='msg-meta'><span class='badge'>Final</span> <b>Step 2</b></div>"
    page = (
        f"<div class='user-msg'>Hi</div><div class='assistant-msg final'>{head}<pre>Yes</pre></div>"
    )

    assert read_chat_page(page, "Hi") == "Yes"
    assert read_chat_page(f"<p>Hi</p><img class='avatar'><p>{head}Yes</p>", "Hi") == "Yes"


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
