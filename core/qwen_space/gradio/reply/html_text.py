"""Texts that an app escapes for its page, which shows them as HTML.

    if x &lt; 3                                       html.escape, and every other way
    <pre><code class="language-python"><br>x = 1<br></code></pre>   the `parse_text` of many demos

The app's code is not known, but the user's own message comes back in the chat. Where it has more
escapes than the prompt, the app escapes; where it has the prompt's signs as they were, it does not.
Where the prompt has no such signs, the first sign or escape in the reply tells. A model that
writes `&lt;` itself does so in code, nearly always, and elsewhere the page shows a `<` for it, too.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from itertools import islice

__all__ = [
    "MADE",
    "HTMLText",
    "asks_for_escapes",
    "escapes_html",
    "find_unfinished_sign",
    "has_escaped_prose",
    "has_made_code",
    "may_tell",
]

_SIGNS = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "*": "&ast;"}

_MARKUP = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
    r'|<pre><code(?: class="(?:language-)?([^"<>\n]{0,40})")?>'
    r"|(?:<br ?/?>)?</code></pre>"
    r"|<br ?/?>\n?"
)
MADE = re.compile(r"<br ?/?>|<pre><code")  # an app makes these of line breaks and fences
_UNFINISHED = re.compile(
    r"(?:&[#\w]{0,32}|(?:<br ?/?>)?(?:</code>)?(?:<pre>)?(?:<[^<>\n]{0,70})?)$", re.ASCII
)
_FENCE_LINE = re.compile(
    r"(?:^|(?<=<br>)|(?<=<br/>)|(?<=<br />))[ \t]{0,12}(?:(?:[-*+>]|\d{1,3}[.)])[ \t]{1,4})?"
    r"(`{3,}|~{3,})(?![`~])((?:(?!<br ?/?>)[^`\n]){0,60})(\n|<br ?/?>)",
    re.MULTILINE,
)
_LINE_ENDS = ("\n", "<br>", "<br/>", "<br />")
_LONGEST = 80  # characters of an unfinished entity or tag

# Those of html.escape, and of the many that escape Markdown, too. No model writes them itself.
_ESCAPE = r"&(?:lt|gt|amp|quot|ast|lowbar|grave|#x27|#3[346-9]|#4[0-6]|#9[56]);"
_SIGN = re.compile(
    r"(?P<fence>^[ \t]{0,3}(?:```|~~~))|(?P<span>`+[^`\n]*`*)"
    rf"|(?P<made>{MADE.pattern})|(?P<escape>{_ESCAPE})|(?P<raw>[<>])",
    re.MULTILINE,
)
_TELLING = re.compile(rf"[<>]|{_ESCAPE}")
_ASKING = re.compile(
    rf"{_ESCAPE}|escap|\bentit(?:y|ies)\b|html[-_ ]?encod|sanitiz|转义|轉義|实体|エスケープ|экранир"
    r"|сущност|échapp",
    re.IGNORECASE,
)
_SIGN_STARTS = re.compile(
    r"(?:\\|&(?:[a-z]{0,4}|#[x\d]{0,3})|<(?:br? ?/?|p(?:r|re|re><?c?o?d?)?)?)$", re.ASCII
)
_LONGEST_SIGN = 12  # characters
_MOST_SIGNS = 65_536  # that are read in one text, at up to 0.8 us each, while others wait
_MOST_TELLING = 16_384  # that are looked at to see whether an app escapes


def escapes_html(prompt: str, shown: str) -> bool | None:
    """Return whether an app escapes, by the user's message as it shows it.

    Returns:
        None where the prompt has nothing that would be escaped.
    """
    if shown.count("<br>") > prompt.count("<br>"):
        return True
    for sign, escape in _SIGNS.items():
        if sign in prompt:
            if shown.count(escape) > prompt.count(escape):
                return True
            if sign in shown and sign in "<>":  # some apps leave the others alone
                return False
    return None


def has_made_code(text: str) -> bool | None:
    """Return whether an app that leaves a line as it is makes HTML of code and of line breaks.

    Returns:
        None as long as the text has neither.
    """
    line_end = text.find("\n")
    first = text if line_end < 0 else text[:line_end]
    signs = islice(_SIGN.finditer(first), _MOST_TELLING)
    if any(each.lastgroup == "made" and not _is_in_cell(first, each) for each in signs):
        return True
    return None if line_end < 0 else False


def has_escaped_prose(text: str, *, may_be_made: bool = True) -> bool | None:
    """Return whether an app escapes, by the first sign or escape in the text of its reply.

    An escape in a code span or fence tells nothing, as a model may write one there. An app that
    makes HTML of the line breaks may escape in code alone.

    Args:
        text: The reply, or its start.
        may_be_made: Whether the app may have made line breaks, too; else they are the model's.

    Returns:
        None where the text has neither, so far.
    """
    if not any(sign in text for sign in "<>&"):
        return None
    first_break = text.find("\n") if "\n" in text else len(text)
    has_raw, at = False, 0
    for _ in range(_MOST_TELLING):
        if (found := _SIGN.search(text, at)) is None:
            break
        start, at = found.span()
        kind = found.lastgroup
        if kind == "made" and not may_be_made:
            kind = "raw"
        if kind == "escape":
            return not has_raw
        if kind == "made":  # a model may write some into a table, which has lines of its own
            if _is_in_cell(text, found):
                continue
            return start <= first_break
        if kind == "fence":
            at = _end_of_fence(text, at)
        has_raw = has_raw or kind == "raw" or "<" in (code := text[start:at]) or ">" in code
        if has_raw and at > first_break:
            return False
    return None


def _is_in_cell(text: str, sign: re.Match[str]) -> bool:
    """Whether a sign is within the first row of a table, and not at its end."""
    row = text[: sign.start()].lstrip()
    return row.startswith("|") and "\n" not in row and not row.rstrip().endswith("|")


def _end_of_fence(text: str, start: int) -> int:
    """Return where the code ends whose fence is before `start`."""
    end = text.find("\n" + text[start - 3 : start], start)
    return len(text) if end < 0 else end + 4


def asks_for_escapes(prompt: str) -> bool:
    """Whether a prompt has an escape of a sign, or speaks of escapes: the reply may have some."""
    return _ASKING.search(prompt) is not None


def may_tell(piece: str) -> bool:
    """Whether a piece has a sign or an escape, by which its app may show whether it escapes."""
    return _TELLING.search(piece) is not None


def find_unfinished_sign(text: str) -> int:
    """Return where a sign or an escape begins that the end of a text cuts; its length if none."""
    found = _SIGN_STARTS.search(text, max(len(text) - _LONGEST_SIGN, 0))
    return len(text) if found is None else found.start()


class HTMLText:
    """Turns pieces of a text that is escaped into the text that the page shows.

    A piece of more than 65,536 signs is given as it stands.
    """

    def __init__(self) -> None:
        self._held = ""  # may be the start of an escape
        self._ends_line = True
        self._line = ""  # the start of the line so far
        self._fence = ""  # the mark that begins the code here
        self._is_code = False  # in a fence whose lines end as the model ended them

    def feed(self, piece: str) -> str:
        """Take the next piece; return the text that is free to go."""
        text = self._held + piece
        start = max(len(text) - _LONGEST, 0)
        found = _UNFINISHED.search(text, start)
        end = found.start() if found is not None else len(text)
        self._held = text[end:]
        return self._shown(text[:end])

    def flush(self) -> str:
        """Return the text that was held back, as nothing follows."""
        held, self._held = self._held, ""
        return self._shown(held)

    def _shown(self, text: str) -> str:
        if text.count("&") + text.count("<") > _MOST_SIGNS:
            return text

        was_code, fences = self._is_code, self._find_fences(text)

        def begin_line(markup: re.Match[str]) -> str:
            if not markup[0].startswith("<pre>"):
                passed = bisect_right(fences, markup.start())
                is_code = was_code ^ (passed % 2 == 1)
                # An app that makes line breaks leaves none in a fence: it is the model's code.
                return markup[0] if is_code and markup[0][:3] == "<br" else _shown(markup)
            at = markup.start()
            ends = text.endswith(_LINE_ENDS, 0, at) if at else self._ends_line
            return _shown(markup) if ends else f"\n{_shown(markup)}"

        shown = _MARKUP.sub(begin_line, text)
        self._ends_line = shown.endswith("\n") if shown else self._ends_line
        return shown

    def _find_fences(self, text: str) -> list[int]:
        """Return where the model's code begins and ends in the next text; remember its last line.

        An app that makes line breaks elsewhere alone makes them before a fence, and behind it.
        """
        before = len(self._line)
        lines = self._line + text
        found: list[int] = []
        for each in _FENCE_LINE.finditer(lines):
            mark, info, end = each.groups()
            if not self._fence:
                self._fence, self._is_code = mark, end == "\n"
                found += [each.end() - before] if self._is_code else []
            elif mark.startswith(self._fence) and not info.strip():
                if self._is_code:
                    if each.start() and lines[each.start() - 1] != "\n":
                        continue
                    found.append(each.start(3) - before)
                self._fence, self._is_code = "", False
        ends = _LINE_ENDS[:1] if self._is_code else _LINE_ENDS
        start = max(at + len(end) for end in ends if (at := lines.rfind(end)) >= 0 or end == "\n")
        self._line = lines[max(start, 0) :][:_LONGEST]
        return found


def _shown(markup: re.Match[str]) -> str:
    found = markup[0]
    if found.startswith("&"):
        return html.unescape(found).replace("\xa0", " ")
    if found.startswith("<pre>"):
        return f"```{markup[1] or ''}"
    return "\n```" if found.endswith("</pre>") else "\n"
