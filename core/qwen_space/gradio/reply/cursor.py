"""Cursors and spinners that an app shows at the end of a text while it is written."""

from __future__ import annotations

import re

__all__ = ["CURSORS", "ends_waiting", "is_placeholder", "shared_tail", "split_cursor"]

# A page may show all of a reply as code: the fence is closed behind each text, however short.
_FENCED = re.compile(r"\s{0,9}```[^`\n]{0,40}\n")
_FENCE_END = "\n```"

_SPINNERS = "".join(map(chr, range(0x2800, 0x2900)))  # in Braille
CURSORS = frozenset("▌▍▎▏▋▊▉█▐▮■●⬤⏳⌛" + _SPINNERS)

_LONGEST = 64  # characters
_LONGEST_LINE = 128  # characters, with the white space around it
_CURSOR = re.compile(
    rf"\s*(?:[{''.join(sorted(CURSORS))}]|\.\.\.|…"
    r"|<(?:span|div|i|img|svg) [^<>\n]{1,60}>(?:</(?:span|div|i|svg)>)?"
    r")+\s*$"
)

# How far the app is, as "(3s)", "45%" and "12 tokens".
_COUNT = r"[ \t]?[(\[\uff08]?\d{1,6}(?:[.,:/]\d{1,6})?[ \t]?(?:%|[^\W\d_]{0,12})[)\]\uff09]?"
_SIGNS = "⏳⌛⏱🤔💭🧠🔄⚙️🔍🔎🔧🛠✍"
_PLACEHOLDER = re.compile(
    r"\s{0,9}[*_~<>\w/]{0,9}"
    rf"(?:[^\n]{{1,60}}(?:\.\.\.|…|。。。|\.{{2,6}})(?:{_COUNT})?|[{_SIGNS}][^\n]{{0,80}})"
    r"[*_~<>/\w]{0,9}\s*"
)
_WORKING = re.compile(
    r"\s{0,9}(?:#{1,6} )?[*_]{0,3}"
    r"(?:search|think|load|process|analy[sz]|generat|retriev|fetch)ing\b[^\n.<>]{0,60}\s*",
    re.IGNORECASE,
)
# Such a line below what is written already.
_LAST_LINE = re.compile(
    r"\s{0,9}\n[ \t]{0,9}(?:([*_]{1,3})[^\n*_]{1,80}(?:\.{2,3}|…)\1"
    rf"|[{_SIGNS}][^\n]{{0,80}}(?:\.{{3}}|…))\s{{0,9}}$"
)
_NOTE = re.compile(r"\s{0,9}([*_]{1,3})[^\n]{1,80}\1\s{0,9}")
_MOST_LINES = 3  # of a placeholder
_LONGEST_PLACEHOLDER = 90  # characters
_LONGEST_MARKUP = 2_000  # characters, of a placeholder that moves
_NO_TEXT = re.compile(r"<style\b[^<]*</style>|<[^<>]*>")
_MOVING = re.compile(
    r"""animation(?:-name)?\s?:|@keyframes|<progress\b"""
    r"""|\bclass=["'][^"'<>]{0,60}(?:load|spin|typing)"""
)
_DOTS = re.compile(r"\s?(?:\.\s?){2,9}$")


def is_placeholder(text: str) -> bool:
    """Whether a first text may only stand in for the reply, as "Thinking ..." does."""
    if text.lstrip().startswith("<") and len(text) <= _LONGEST_MARKUP:
        shown = " ".join(_NO_TEXT.sub(" ", text).split())
        if _MOVING.search(text):  # a bar or a spinner, with a label
            return len(shown) <= _LONGEST_PLACEHOLDER
        text = _DOTS.sub("...", shown)
    elif _WORKING.fullmatch(text):
        return True
    if len(text) > _MOST_LINES * _LONGEST_PLACEHOLDER:
        return False
    lines = [line for line in text.splitlines() if line.strip()]
    if not 1 <= len(lines) <= _MOST_LINES:
        return False
    return _waits(lines[0]) and all(_waits(each) or _NOTE.fullmatch(each) for each in lines[1:])


def _waits(line: str) -> bool:
    return len(line) <= _LONGEST_PLACEHOLDER and _PLACEHOLDER.fullmatch(line) is not None


def ends_waiting(text: str) -> int:
    """Return where a line begins, with those above it that are empty, that may only stand in.

    It is the last one, below others. The text's length where there is none.
    """
    found = _LAST_LINE.search(text, max(len(text) - _LONGEST_LINE, 0))
    return len(text) if found is None else found.start()


def split_cursor(text: str, known: str = "") -> tuple[str, str]:
    """Return a text that is being written without the cursor at its end, and the cursor.

    The end of a fence that the text begins with may move on as a cursor does.

    Args:
        text: The text.
        known: The cursor that the app is known to show, of any characters.
    """
    if known and text.endswith(known):
        return text[: len(text) - len(known)], known
    if text.endswith(_FENCE_END) and _ends_first_fence(text):
        return text[: -len(_FENCE_END)], _FENCE_END
    if (at := ends_waiting(text)) == len(text):
        found = _CURSOR.search(text, max(len(text) - _LONGEST, 0))
        at = len(text) if found is None else found.start()
    return text[:at], text[at:]


def _ends_first_fence(text: str) -> bool:
    """Whether a text is all in a fence that its end closes."""
    fence = _FENCED.match(text)
    end = len(text) - len(_FENCE_END)
    return fence is not None and text.find(_FENCE_END, fence.end() - 1) == end


def shared_tail(old: str, new: str) -> str:
    """Return the end that two successive texts share though the second only goes on before it.

    An app that shows a cursor yields "The▌", then "The answer▌". Empty where there is none, or
    where it may as well be text: a cursor does not begin within a word.
    """
    size = 0
    most = min(len(old), len(new) - 1, _LONGEST)
    while size < most and old[-size - 1] == new[-size - 1]:
        size += 1
    while size and (old[-size].isalnum() or not new.startswith(old[: len(old) - size])):
        size -= 1
    return new[len(new) - size :]
