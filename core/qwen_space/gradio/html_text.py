"""Texts that an app escapes for its page, which shows them as HTML.

    if x &lt; 3                                       html.escape, and every other way
    <pre><code class="language-python"><br>x = 1<br></code></pre>   the `parse_text` of many demos

The app's code is not known, but the user's own message comes back in the chat. Where it has more
escapes than the prompt, the app escapes; where it has the prompt's signs as they were, it does not.
"""

from __future__ import annotations

import html
import re

__all__ = ["HTMLText", "escapes_html"]

_SIGNS = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}

_MARKUP = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
    r'|<pre><code(?: class="(?:language-)?([^"<>\n]{0,40})")?>'
    r"|(?:<br ?/?>)?</code></pre>"
    r"|<br ?/?>\n?"
)
_UNFINISHED = re.compile(
    r"(?:&[#\w]{0,32}|(?:<br ?/?>)?(?:</code>)?(?:<pre>)?(?:<[^<>\n]{0,70})?)$", re.ASCII
)
_LONGEST = 80  # characters of an unfinished entity or tag


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
            if sign in shown and sign != "&":  # some apps leave that one alone
                return False
    return None


class HTMLText:
    """Turns pieces of a text that is escaped into the text that the page shows."""

    def __init__(self) -> None:
        self._held = ""  # may be the start of an escape

    def feed(self, piece: str) -> str:
        """Take the next piece; return the text that is free to go."""
        text = self._held + piece
        start = max(len(text) - _LONGEST, 0)
        found = _UNFINISHED.search(text, start)
        end = found.start() if found is not None else len(text)
        self._held = text[end:]
        return _MARKUP.sub(_shown, text[:end])

    def flush(self) -> str:
        """Return the text that was held back, as nothing follows."""
        held, self._held = self._held, ""
        return _MARKUP.sub(_shown, held)


def _shown(markup: re.Match[str]) -> str:
    found = markup[0]
    if found.startswith("&"):
        return html.unescape(found).replace("\xa0", " ")
    if found.startswith("<pre>"):
        return f"```{markup[1] or ''}"
    return "\n```" if found.endswith("</pre>") else "\n"
