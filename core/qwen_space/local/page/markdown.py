"""Texts as the page shows them: Markdown whose tags, formulas and pictures are made safe."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["escape_html", "to_display", "unescape_html"]

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_SPAN = re.compile(r"((?<!`)(`{1,3})[^`]+\2(?!`))")
# Only where Markdown would take them for a tag or an entity: a copied text is as it
# stands in the row.
_TAG = re.compile(r"<(?=[A-Za-z/!?])(?!https?:)")
_BREAK = re.compile(r"&lt;(?=br ?/?>)", re.IGNORECASE)  # as models write it in tables
_ENTITY = re.compile(r"&(?=#?\w{1,32};)")
# As Pandoc reads dollars: "$5 and then $10" is no formula. Chinese needs no space beside one.
_DOLLARS = re.compile(
    r"(?<![\\$\w])\$(?=[^\s$])((?:\\.|[^$\\\n]){1,500}?)(?<!\s)\$(?!\$|(?!th\b|s\b)\w)", re.ASCII
)
_INDENTED = re.compile(r" {4}|\t")
_ITEM = re.compile(r" {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)")
# The page shows no picture of another host: see the headers in `access`.
_PICTURE = re.compile(r"!(?=\[[^\]\n]{0,500}\]\(https?:)")


def escape_html(text: str) -> str:
    """Write a text so that Markdown shows its tags rather than obeying them."""
    return _outside_code(text, lambda part: _TAG.sub("&lt;", _ENTITY.sub("&amp;", part)))


def unescape_html(text: str) -> str:
    """Undo `escape_html`."""
    return _outside_code(text, lambda part: part.replace("&lt;", "<").replace("&amp;", "&"))


def to_display(text: str) -> str:
    r"""Write a reply for the page: tags as text, pictures as links, `$...$` as `\(...\)`."""
    formulas = _outside_code(text, lambda part: _DOLLARS.sub(r"\\(\1\\)", part))
    escaped = escape_html(_outside_code(formulas, lambda part: _PICTURE.sub("", part)))
    return _outside_code(escaped, lambda part: _BREAK.sub("<", part))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change a Markdown text, but for blocks and spans of code: these are shown as they are."""
    lines, fence = text.split("\n"), ""
    in_list, may_begin = False, True  # an indented block begins below a blank line, in no list
    for number, line in enumerate(lines):
        found = _FENCE.match(line)
        if not fence and not in_list and may_begin and _INDENTED.match(line):
            continue
        may_begin = not line.strip()
        if line.strip() and not _INDENTED.match(line):
            in_list = bool(_ITEM.match(line)) or (in_list and line.startswith(" "))
        if not fence:
            fence = found[1] if found else ""
            if not fence:
                lines[number] = _outside_spans(line, change)
        elif found and found[1].startswith(fence) and not line[found.end() :].strip():
            fence = ""
    return "\n".join(lines)


def _outside_spans(line: str, change: Callable[[str], str]) -> str:
    parts, end = [], 0
    for span in _SPAN.finditer(line):
        parts += [change(line[end : span.start()]), span[0]]
        end = span.end()
    return "".join([*parts, change(line[end:])])
