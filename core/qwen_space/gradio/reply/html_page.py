"""Replies in HTML that a server has made: a message of a gr.Chatbot, or the whole chat.

    <p>Sure: x &lt; 3</p><pre><code class="language-py">x = 1</code></pre>
    <div class="chat"><div class="message-body"><p>Sure</p></div></div>

The first is in a gr.Chatbot whose texts the app converts before it shows them, the second in a
gr.HTML that shows all messages.
"""

from __future__ import annotations

import re

from qwen_space.gradio.reply.html_markdown import LONGEST, TAG, read_entities, read_html

__all__ = ["is_html_of", "read_chat_page", "read_message"]

_WITH_CLASS = re.compile(
    r"<([A-Za-z][A-Za-z0-9-]{0,30})\b[^<>]*?\bclass=[\"']([^\"'<>]{0,200})(?=[^<>]*>)"
)
_RAW = re.compile(r"<[a-z]{1,10}\b[^<>]*?\sdata-raw=\"([^\"<>]*)\"")
_MESSAGE = re.compile(
    r"(?:^|\s)(?:(?:chat-)?(?:message|msg|bubble|reply|response|answer)"
    r"(?:[-_](?:body|content|text|bubble))?"
    r"|(?:bot|assistant|ai)(?:[-_](?:message|msg|bubble|text|response))?)(?=\s|$)"
)
_RAW_CLASS = re.compile(r"(?:^|\s)raw[-_]?(?:message|text|content|markdown)(?=\s|$)")
_SPEAKER = re.compile(
    r"(?:\*\*)?(?:[^\w\s*]{1,3}\s?)?(?:assistant|ai|bot|chatbot|model|助手|机器人|ассистент|бот)\s?[:\uff1a](?:\*\*)?\s*",
    re.IGNORECASE,
)
_NAME = r"\*\*[^*\n]{1,40}\*\*[:\uff1a]?\s*"
_UNFINISHED_NAME = re.compile(r"\*\*[^*\n]{1,40}(?:\*\*)?[:\uff1a]?\s*$")

_LONGEST_PAGE = 2**18  # of the end of a page


def is_html_of(prompt: str, shown: str) -> bool:
    """Whether a user's message is shown as HTML that the app has made of the prompt."""
    start = shown.lstrip()[:5].lower()
    return start.startswith(("<p>", "<p ", "<div")) and not prompt.lstrip().startswith("<")


def read_message(page: str, *, is_final: bool = True) -> str:
    """Return the Markdown of a message that is HTML: the text that it keeps, or its own."""
    raw = _raw(page[-_LONGEST_PAGE:])
    return read_html(page, is_final=is_final) if raw is None else raw


def read_chat_page(page: str, prompt: str, *, is_final: bool = True) -> str:
    """Return the Markdown of the last reply in HTML that shows a whole chat.

    It is the text that the page keeps to be copied, or that of the last element whose class
    names a message, or all text after the prompt. Empty as long as that is the prompt itself,
    which is no reply unless it is the last text.
    """
    page = page[-_LONGEST_PAGE:]
    if (raw := _raw(page)) is not None:
        reply = raw
    elif (element := _last_element(page, _MESSAGE)) is not None:
        reply = _without_fence(element, read_html(element, is_final=is_final))
    else:
        reply = _after(prompt, read_html(page[-LONGEST:], is_final=is_final))
    if raw is None:
        reply = _without_name(reply, page, prompt, is_final=is_final)
    is_own = not is_final and _bare(reply) == _bare(prompt)
    return "" if is_own else reply


def _without_fence(element: str, text: str) -> str:
    """Return the text of an element, which is no code where one `<pre>` has all of it."""
    if element.count("<pre") != 1 or "<code" in element or not text.startswith("```\n"):
        return text
    return text[4:].removesuffix("\n```")


def _without_name(reply: str, page: str, prompt: str, *, is_final: bool) -> str:
    """Return a reply without a name in bold before it, if the prompt has one on the page, too."""
    if (known := _SPEAKER.match(reply)) is not None:
        return reply[known.end() :]
    named = re.match(_NAME, reply) or (None if is_final else _UNFINISHED_NAME.match(reply))
    first = next(iter(prompt.split()), "")[:20]
    if named is None or not first:
        return reply
    asked = re.search(_NAME + re.escape(first), read_html(page[-LONGEST:]))
    return reply if asked is None else reply[named.end() :]


def _raw(page: str) -> str | None:
    """Return the last text that a page keeps as it was, to be copied; None without one."""
    last = None
    for found in _RAW.finditer(page):
        last = found
    if last is not None:
        return read_entities(last[1])
    if (element := _last_element(page, _RAW_CLASS)) is None:
        return None
    lines = re.sub(r"<br ?/?>", "\n", element)
    return read_entities(TAG.sub("", lines)).replace("\xa0", " ")


def _last_element(page: str, names: re.Pattern[str]) -> str | None:
    """Return the content of the last element with a class of these names; None without one."""
    last = None
    for found in _WITH_CLASS.finditer(page):
        if names.search(found[2]):
            last = found
    return None if last is None else _within(page, page.index(">", last.end()) + 1, last[1])


def _within(page: str, start: int, tag: str) -> str:
    """Return the content of an element whose start tag ends at `start`."""
    depth = 1
    for found in re.finditer(rf"<(/?){tag}\b[^<>]*>", page[start:], re.IGNORECASE):
        depth += -1 if found[1] else 1
        if depth == 0:
            return page[start : start + found.start()]
    return page[start:]


def _after(prompt: str, text: str) -> str:
    """Return the part of a text after the last place where it has the prompt.

    A page that does not escape the prompt shows it as HTML.
    """
    wanted, bare = _bare(prompt), _bare(text)
    if wanted not in bare:
        wanted = _bare(read_html(prompt[:LONGEST]))
    at = bare.rfind(wanted)
    if at < 0 or not wanted:
        return text
    missing = at + len(wanted)
    for word in re.finditer(r"\S+", text):
        size = word.end() - word.start()
        if size >= missing:
            return text[word.start() + missing :].strip()
        missing -= size
    return ""


def _bare(text: str) -> str:
    return "".join(text.split())
