"""Replies that a server turns into HTML, read back as the Markdown that they were made of.

    <p>Sure: x &lt; 3</p><pre><code class="language-py">x = 1</code></pre>
    <div class="chat"><div class="message-body"><p>Sure</p></div></div>

The first is in a gr.Chatbot whose texts the app converts before it shows them, the second in a
gr.HTML that shows the whole chat. Text is escaped in both, so that each `<` begins a tag.
"""

from __future__ import annotations

import html
import re

__all__ = ["is_html_of", "read_chat_page", "read_html", "read_message"]

_TOKEN = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]{0,30})([^<>]*)>")
_WITH_CLASS = re.compile(
    r"<([A-Za-z][A-Za-z0-9-]{0,30})\b[^<>]*?\bclass=[\"']([^\"'<>]{0,200})(?=[^<>]*>)"
)
_RAW = re.compile(r"<[a-z]{1,10}\b[^<>]*?\sdata-raw=\"([^\"<>]*)\"")
_LANGUAGE = re.compile(r"(?:language|lang)-([\w+#.-]{1,30})")
_MESSAGE = re.compile(
    r"(?:^|\s)(?:(?:chat-)?(?:message|msg|bubble|reply|response|answer)"
    r"(?:[-_](?:body|content|text|bubble))?"
    r"|(?:bot|assistant|ai)(?:[-_](?:message|msg|bubble|text|response))?)(?=\s|$)"
)
_RAW_CLASS = re.compile(r"(?:^|\s)raw[-_]?(?:message|text|content|markdown)(?=\s|$)")
_SPEAKER = re.compile(
    r"(?:\*\*)?(?:assistant|ai|bot|chatbot|model|助手|机器人|ассистент|бот)\s?[:\uff1a](?:\*\*)?\s*",
    re.IGNORECASE,
)

_SILENT = frozenset(
    {"button", "head", "noscript", "script", "select", "style", "svg", "template", "textarea"}
)
_PARAGRAPHS = frozenset(
    {
        *("article", "aside", "blockquote", "dl", "figure", "footer", "form"),
        *("header", "main", "nav", "p", "section", "table", "title"),
    }
)
_LINES = frozenset({"dd", "details", "div", "dt", "summary", "tr"})
_MARKS = {"b": "**", "strong": "**", "em": "*", "i": "*", "code": "`", "del": "~~", "s": "~~"}
# Reading takes up to 0.6 us a character, and others wait meanwhile.
_LONGEST = 65_536  # characters of a reply
_LONGEST_PAGE = 2**18  # of the end of a page

_DEEPEST = 10  # lists within each other, or marks
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}


def is_html_of(prompt: str, shown: str) -> bool:
    """Whether a user's message is shown as HTML that the app has made of the prompt."""
    start = shown.lstrip()[:5].lower()
    return start.startswith(("<p>", "<p ", "<div")) and not prompt.lstrip().startswith("<")


def read_html(page: str, *, is_final: bool = True) -> str:
    """Return the Markdown that HTML was made of.

    Args:
        page: The HTML. More than 65,536 characters are given as they stand.
        is_final: Whether nothing follows. Until then the marks at the end are left out, which
            close what may go on.
    """
    if len(page) > _LONGEST:
        return page
    writer = _MarkdownWriter()
    page = page if "<!--" not in page else _without_comments(page)
    at = 0
    for found in _TOKEN.finditer(page):
        writer.text(page[at : found.start()])
        at = found.end()
        if found[1]:
            writer.close(found[2].lower())
        else:
            writer.open(found[2].lower(), found[3])
    writer.text(page[at:])
    return writer.markdown(is_final=is_final)


def read_message(page: str, *, is_final: bool = True) -> str:
    """Return the Markdown of a message that is HTML: the text that it keeps, or its own."""
    raw = _raw(page[-_LONGEST_PAGE:])
    return read_html(page, is_final=is_final) if raw is None else raw


def read_chat_page(page: str, prompt: str, *, is_final: bool = True) -> str:
    """Return the Markdown of the last reply in HTML that shows a whole chat.

    It is the text that the page keeps to be copied, or that of the last element whose class
    names a message, or all text after the prompt. Empty as long as that is the prompt itself.
    """
    page = page[-_LONGEST_PAGE:]
    if (raw := _raw(page)) is not None:
        reply = raw
    elif (element := _last_element(page, _MESSAGE)) is not None:
        reply = read_html(element, is_final=is_final)
    else:
        reply = _after(prompt, read_html(page[-_LONGEST:], is_final=is_final))
    return "" if _bare(reply) == _bare(prompt) else reply


def _raw(page: str) -> str | None:
    """Return the last text that a page keeps as it was, to be copied; None without one."""
    last = None
    for found in _RAW.finditer(page):
        last = found
    if last is not None:
        return html.unescape(last[1])
    if (element := _last_element(page, _RAW_CLASS)) is None:
        return None
    lines = re.sub(r"<br ?/?>", "\n", element)
    return html.unescape(_TOKEN.sub("", lines)).replace("\xa0", " ")


def _without_comments(page: str) -> str:
    first, *others = page.split("<!--")
    return first + "".join(each.partition("-->")[2] for each in others)


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
    """Return the part of a text after the last place where it has the prompt."""
    wanted = _bare(prompt)
    at = _bare(text).rfind(wanted)
    if at < 0 or not wanted:
        return text
    missing = at + len(wanted)
    for word in re.finditer(r"\S+", text):
        size = word.end() - word.start()
        if size >= missing:
            reply = text[word.start() + missing :].strip()
            return _SPEAKER.sub("", reply, count=1) if _SPEAKER.match(reply) else reply
        missing -= size
    return ""


def _bare(text: str) -> str:
    return "".join(text.split())


class _MarkdownWriter:
    """Writes Markdown for the tags and the texts of HTML."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._kept = 0  # pieces up to the last text
        self._gap = 0  # line breaks before the next text
        self._space = False
        self._waiting: list[str] = []  # marks that open, before the text they are for
        self._silent: str | None = None
        self._silent_depth = 0
        self._lists: list[int | None] = []  # the number of the last item; None for a plain list
        self._code: str | None = None  # the language of the code block
        self._has_code = False

    def markdown(self, *, is_final: bool) -> str:
        """Return the text so far."""
        if is_final and self._code is not None:
            self.close("pre")
        return "".join(self._pieces if is_final else self._pieces[: self._kept]).strip("\n")

    def open(self, tag: str, attributes: str) -> None:
        """Take a start tag."""
        if self._silent is not None or tag in _SILENT:
            self._open_silent(tag)
        elif self._code is not None:
            self._open_in_code(tag, attributes)
        elif tag == "pre":
            self._break(2)
            self._code, self._has_code = _language(attributes), False
        elif tag == "br":
            self._gap = min(self._gap + 1, 2)
        elif tag in {"ul", "ol"}:
            self._break(1 if self._lists else 2)
            if len(self._lists) < _DEEPEST:
                self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._break(1)
            self._wait(self._bullet())
        elif tag in _HEADINGS:
            self._break(2)
            self._wait(_HEADINGS[tag])
        elif tag in {"td", "th"}:
            self._space = True
            self._wait("| " if self._pieces and not self._gap else "")
        elif tag in _MARKS:
            self._wait(_MARKS[tag])
        else:
            self._block(tag)
        if tag in {"details", "summary"} and self._silent is None:
            self._write(f"<{tag}>")

    def close(self, tag: str) -> None:
        """Take an end tag."""
        if self._silent is not None:
            if tag == self._silent:
                self._silent_depth -= 1
                self._silent = self._silent if self._silent_depth else None
            return
        if tag in {"details", "summary"}:
            self._write(f"</{tag}>")
        if tag == "pre" and self._code is not None:
            self._close_code()
        elif self._code is not None:
            return
        elif tag in {"ul", "ol"}:
            self._lists = self._lists[:-1]
            self._break(1 if self._lists else 2)
        elif tag in _MARKS:
            self._close_mark(_MARKS[tag])
        elif tag in _HEADINGS:
            self._break(2)
        else:
            self._block(tag)

    def text(self, escaped: str) -> None:
        """Take a text, in which signs are escaped."""
        if not escaped or self._silent is not None:
            return
        text = html.unescape(escaped).replace("\xa0", " ")
        if self._code is not None:
            self._write_code(text)
        elif stripped := re.sub(r"[ \t\r\f]+", " ", text).strip():
            self._space = self._space or text[0].isspace()
            self._write(stripped)
            self._space = text[-1].isspace()
        else:
            self._space = True

    def _write(self, text: str) -> None:
        """Write text, after all that waits for it."""
        if self._pieces:
            self._pieces.append("\n" * self._gap or " " * self._space)
        self._pieces += [*self._waiting, text]
        self._waiting, self._gap, self._space = [], 0, False
        self._kept = len(self._pieces)

    def _write_code(self, text: str) -> None:
        if not self._has_code:
            text = text.removeprefix("\n")
            if not text:
                return
            self._has_code = True
            self._write(f"```{self._code}\n")
        self._pieces.append(text)
        self._kept = len(self._pieces)

    def _open_in_code(self, tag: str, attributes: str) -> None:
        if tag == "br" and self._has_code:
            self._write_code("\n")
        elif tag == "code" and not self._has_code:
            self._code = _language(attributes) or self._code

    def _close_code(self) -> None:
        if self._has_code:
            self._pieces.append("```" if self._pieces[-1].endswith("\n") else "\n```")
        self._code = None
        self._break(2)

    def _close_mark(self, mark: str) -> None:
        if mark in self._waiting:  # it would have enclosed nothing
            self._waiting.remove(mark)
        else:
            self._pieces.append(mark)

    def _open_silent(self, tag: str) -> None:
        if self._silent is None:
            self._silent, self._silent_depth = tag, 1
        elif tag == self._silent:
            self._silent_depth += 1

    def _block(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._break(2)
        elif tag in _LINES:
            self._break(1)

    def _wait(self, mark: str) -> None:
        """Let a mark wait for the text that it begins."""
        if mark and len(self._waiting) < _DEEPEST:
            self._waiting.append(mark)

    def _break(self, lines: int) -> None:
        """Begin a line, unless a mark that begins it waits for its text."""
        if not self._waiting:
            self._gap = max(self._gap, lines)

    def _bullet(self) -> str:
        indent = "   " * (len(self._lists) - 1)
        if not self._lists or self._lists[-1] is None:
            return f"{indent}- "
        self._lists[-1] += 1
        return f"{indent}{self._lists[-1]}. "


def _language(attributes: str) -> str:
    found = _LANGUAGE.search(attributes)
    return "" if found is None else found[1]
