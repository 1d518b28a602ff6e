"""HTML that was made of Markdown, as Markdown again.

    <p>Sure: x &lt; 3</p><pre><code class="language-py">x = 1</code></pre>

A page that streams is cut at its last word, whose marks are not closed yet, and may mean harm. The
libraries for this give whole documents, and take no care of time; so it is written here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping

__all__ = ["LONGEST", "TAG", "read_entities", "read_html"]

TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]{0,30})([^<>]*)>")
"""A tag; text is escaped in such a page, so that each `<` begins one."""

LONGEST = 65_536
"""The most characters that are read, at up to 0.6 us each, while others wait."""

_LANGUAGE = re.compile(r"(?:language|lang)-([\w+#.-]{1,30})")

_SILENT = frozenset(
    {"button", "head", "noscript", "script", "select", "style", "svg", "template", "textarea"}
)
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})  # that have no end tag
# What a page writes beside a message: who wrote it, and when.
_ASIDE = re.compile(
    r"\bclass=[\"'](?:[^\"'<>]*\s)?(?:[\w-]{0,30}-(?:meta|avatar|badge|timestamp)"
    r"|meta|avatar|badge|timestamp|username"
    r"|(?:message|msg|chat|bubble|code)[-_](?:header|name|label|role|time|info))(?=[\s\"'])"
)
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_MARKS = {
    "b": "**",
    "strong": "**",
    "em": "*",
    "i": "*",
    "code": "`",
    "del": "~~",
    "s": "~~",
    **_HEADINGS,
}
_PARAGRAPHS = (
    *("article", "aside", "blockquote", "dl", "figure", "footer", "form", "header", "main"),
    *("nav", "p", "section", "table", "title", *_HEADINGS),
)
_LINES = ("dd", "details", "div", "dt", "li", "summary", "tr")
# The line breaks before and after a tag's text.
_GAPS: Mapping[str, int] = {**dict.fromkeys(_PARAGRAPHS, 2), **dict.fromkeys(_LINES, 1)}

_SPACES = re.compile(r"(?<=\S)[ \t\r\f]+")  # within a line

_DEEPEST = 10  # lists within each other, or marks


def read_html(page: str, *, is_final: bool = True) -> str:
    """Return the Markdown that HTML was made of.

    Args:
        page: The HTML. More than 65,536 characters are given as they stand.
        is_final: Whether nothing follows. Until then the marks at the end are left out, which
            close what may go on.
    """
    if len(page) > LONGEST:
        return page
    writer = _MarkdownWriter()
    page = page if "<!--" not in page else _without_comments(page)
    at = 0
    for found in TAG.finditer(page):
        writer.text(page[at : found.start()])
        at = found.end()
        if found[1]:
            writer.close(found[2].lower())
        else:
            writer.open(found[2].lower(), found[3])
    writer.text(page[at:])
    return writer.markdown(is_final=is_final)


_HUGE_NUMBER = re.compile(r"&#\d{1000,};?")  # of more than 4,300 digits Python makes no number


def read_entities(text: str) -> str:
    """Return a text with its entities as characters."""
    return html.unescape(_HUGE_NUMBER.sub("\ufffd", text))


def _without_comments(page: str) -> str:
    first, *others = page.split("<!--")
    return first + "".join(each.partition("-->")[2] for each in others)


class _MarkdownWriter:
    """Writes Markdown for the tags and the texts of HTML."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._kept = 0  # pieces up to the last text
        self._gap = 0  # line breaks before the next text
        self._space = False
        self._begins_line = False  # after a <br>
        self._waiting: list[str] = []  # marks that open, before the text they are for
        self._silent: str | None = None
        self._silent_depth = 0
        self._lists: list[int | None] = []  # the number of the last item; None for a plain list
        self._code: str | None = None  # the language of the code block
        self._has_code = False
        self._opened: Mapping[str, Callable[[str], None]] = {
            **dict.fromkeys(_MARKS, self._open_mark),
            **dict.fromkeys(("ul", "ol"), self._open_list),
            **dict.fromkeys(("td", "th"), self._open_cell),
            **dict.fromkeys(("details", "summary"), self._open_fold),
            "br": self._open_line,
            "li": self._open_item,
        }
        self._closed: Mapping[str, Callable[[str], None]] = {
            **dict.fromkeys(_MARKS.keys() - _HEADINGS.keys(), self._close_mark),
            **dict.fromkeys(("ul", "ol"), self._close_list),
            **dict.fromkeys(("details", "summary"), self._close_fold),
        }

    def markdown(self, *, is_final: bool) -> str:
        """Return the text so far."""
        if is_final and self._code is not None:
            self.close("pre")
        return "".join(self._pieces if is_final else self._pieces[: self._kept]).strip("\n")

    def open(self, tag: str, attributes: str) -> None:
        """Take a start tag."""
        if self._silent is not None or tag in _SILENT:
            self._open_silent(tag)
        elif tag not in _VOID and _ASIDE.search(attributes):
            self._break(_GAPS.get(tag, 0))
            self._open_silent(tag)
        elif self._code is not None:
            self._open_in_code(tag, attributes)
        elif tag == "pre":
            self._break(2)
            self._code, self._has_code = _language(attributes), False
        else:
            self._break(_GAPS.get(tag, 0))
            if (opened := self._opened.get(tag)) is not None:
                opened(tag)

    def close(self, tag: str) -> None:
        """Take an end tag."""
        if self._silent is not None:
            self._close_silent(tag)
        elif self._code is not None:
            if tag == "pre":
                self._close_code()
        else:
            if (closed := self._closed.get(tag)) is not None:
                closed(tag)
            self._break(_GAPS.get(tag, 0))

    def text(self, escaped: str) -> None:
        """Take a text, in which signs are escaped."""
        if not escaped or self._silent is not None:
            return
        text = read_entities(escaped).replace("\xa0", " ")
        if self._code is not None:
            self._write_code(text)
        elif stripped := _clean_lines(text, begins=self._begins_line):
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
        self._begins_line = False
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

    def _open_mark(self, tag: str) -> None:
        self._wait(_MARKS[tag])

    def _close_mark(self, tag: str) -> None:
        if (mark := _MARKS[tag]) in self._waiting:  # it would have enclosed nothing
            self._waiting.remove(mark)
        else:
            self._pieces.append(mark)

    def _open_line(self, tag: str) -> None:
        self._gap = min(self._gap + 1, 2)
        self._begins_line = True

    def _open_list(self, tag: str) -> None:
        self._break(1 if self._lists else 2)
        if len(self._lists) < _DEEPEST:
            self._lists.append(0 if tag == "ol" else None)

    def _close_list(self, tag: str) -> None:
        self._lists = self._lists[:-1]
        self._break(1 if self._lists else 2)

    def _open_item(self, tag: str) -> None:
        self._wait(self._bullet())

    def _open_cell(self, tag: str) -> None:
        self._space = True
        self._wait("| " if self._pieces and not self._gap else "")

    def _open_fold(self, tag: str) -> None:
        self._write(f"<{tag}>")

    def _close_fold(self, tag: str) -> None:
        self._write(f"</{tag}>")

    def _open_silent(self, tag: str) -> None:
        if self._silent is None:
            self._silent, self._silent_depth = tag, 1
        elif tag == self._silent:
            self._silent_depth += 1

    def _close_silent(self, tag: str) -> None:
        if tag == self._silent:
            self._silent_depth -= 1
            self._silent = self._silent if self._silent_depth else None

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


def _clean_lines(text: str, *, begins: bool) -> str:
    """Return the lines of a text, indented as in the source; a page would show them as one.

    The template's own indentation is that of the first line, if the text begins before it.

    Args:
        text: The text between two tags.
        begins: Whether a line begins with it, so that white space there is indentation.
    """
    body = text.strip()
    _, broken, indent = text[: len(text) - len(text.lstrip())].rpartition("\n")
    if broken:
        body = body.replace(f"\n{indent}", "\n")
    elif begins and len(indent) > 1 and body:
        return indent + _SPACES.sub(" ", body)
    return _SPACES.sub(" ", body)


def _language(attributes: str) -> str:
    found = _LANGUAGE.search(attributes)
    return "" if found is None else found[1]
