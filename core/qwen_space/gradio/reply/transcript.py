"""Replies in a text that shows the whole chat, as a box or a Markdown of some pages does.

User: Hi               **You:** Hi               ### User
AI: Hello              **Lumora:** Hello         Hi
                                                 ### Assistant
                                                 Hello

Models write "Question:" and "Answer:" themselves, so these are no names.

A page that completes a text shows the prompt before what it adds. Some pages correct or continue
the user's own words, so the prompt is left out only where it is a rendered chat.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

__all__ = ["Transcript"]

_NAMES = (
    *("you", "user", "human", "me", "customer", "student", "guest"),
    *("用户", "用戶", "你", "我", "пользователь", "вы", "ユーザー", "あなた", "사용자"),
    *("usuario", "usuaria", "tú", "você", "utilisateur", "vous", "moi", "benutzer", "du"),
    *("utente", "tu", "kullan\u0131c\u0131", "sen"),
)
_MARK = r"(?:[ \t]{0,3}#{1,6}[ \t]{1,4}|[^\w\n]{0,4}(?:\*\*|__))[^\w\n]{0,8}"
_LINE_END = r"[^\w\n]{0,6}\n\s{0,9}"
_TIME = r"(?:[^\w\n]{0,4}[ \t][\[(]\d{1,2}:\d\d(?::\d\d)?[\])])?"
# A speaker at the start of a line: a sign, a name that may be bold, and a colon; or a heading.
_USER = re.compile(
    rf"^(?:[^\w\n]{{0,8}}(?:{'|'.join(_NAMES)}){_TIME}[^\w\n:\uff1a]{{0,4}}[:\uff1a]"
    rf"|(?P<heading>{_MARK})(?:{'|'.join(_NAMES)})(?={_LINE_END}))",
    re.IGNORECASE | re.MULTILINE,
)
_USER_START = re.compile(r"[^\w\n]{0,8}(\w{0,20})([^\w\n:\uff1a]{0,4})")
_WORD = r"[^\s:\uff1a]{1,24}"
# A name of several words has capitals, or says what it names: "Here are three:" is no name.
_MORE = (
    r"[ \t](?:assistant|(?:chat)?bot|model|agent"
    rf"|(?![a-z\u00df-\u00ff\u0430-\u044f]|[\[(]\d{{1,2}}:){_WORD})"
)
_CUE = "\nAssistant:"  # the end of a rendered chat (qwen_space.chat.prompt)
# A reply may begin with these itself, behind an echo of the prompt.
_OPENINGS = (
    *("sure", "yes", "no", "ok", "okay", "certainly", "absolutely", "hello", "hi", "well", "here"),
    *("note", "example", "summary", "warning", "tip", "hint", "好的", "是的", "当然", "注意"),
    *(
        "конечно",
        "да",
        "нет",
        "хорошо",
        "привет",
        "はい",
        "네",
        "ja",
        "nein",
        "natürlich",
        "hinweis",
    ),
    *("oui", "non", "bonjour", "remarque", "sí", "claro", "hola", "nota", "sim", "olá", "certo"),
)
_NEXT = re.compile(
    rf"[ \t]*\n\s{{0,9}}(?P<signs>[^\w\n]{{0,8}})"
    rf"(?!(?i:{'|'.join(_OPENINGS)})[*_]{{0,2}}[ \t]?[:\uff1a])\w(?:{_WORD})?(?:{_MORE}){{0,2}}"
    rf"{_TIME}[ \t]?[:\uff1a](?!/)(?:\*\*|__|</b>)?\s{{0,9}}"
)
_NEXT_HEADING = re.compile(rf"[ \t]*\n\s{{0,9}}{_MARK}\w(?:{_WORD})?(?:{_MORE}){{0,2}}{_LINE_END}")
_NEXT_LINE = re.compile(_LINE_END)
# In a chat a reply may have no name, and begin with "Step 1:" itself.
_MODEL = re.compile(
    r"\b(?:ai|ia|ki|llm|gpt|qwen|(?:chat|ro)?bot|model|agent|assist\w{0,9}|asist\w{0,9})(?![a-z])"
    r"|助手|助理|机器人|機器人|模型|ассистент|бот|модель|アシスタント|ボット|봇|어시스턴트",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*|__|<b>")
_UNFINISHED = re.compile(r"[ \t]*(?:\n\s{0,9}[^\n]{0,60})?")
_LONGEST_NEXT = 200  # characters
_MOST_LINES = 20  # of the user's, the last ones
_MOST_SIGNS = 4  # between the colon and the prompt
_MARKS = frozenset({"", "*", "**", "_", "__", "<", "</", "</b"})  # may still be the name's


class Transcript:
    """Finds the reply to the prompt in a text that begins with a line of the user's.

    Once text was given as it stands, it stays so: what was given cannot be taken back.

    Args:
        prompt: The prompt.

    Attributes:
        waits: Whether the last text may still become a transcript, or its reply may begin.
    """

    def __init__(self, prompt: str) -> None:
        self._asked = prompt.strip()
        self._lead: str | None = None  # all before the reply; empty where the text is the reply
        self.waits = False

    def read(self, text: str, *, is_final: bool = True, user: str | None = None) -> str:
        """Return the reply in the text so far; all of the text where it is none, or waits.

        Args:
            text: The text.
            is_final: Whether nothing follows.
            user: The user's message before it, in a chat; None where the text shows the chat.
        """
        if self._lead is None or not text.startswith(self._lead):
            self._lead = self._find_lead(text, is_final=is_final, user=user)
        self.waits = self._lead is None
        return text[len(self._lead) :].rstrip() if self._lead else text

    def _find_lead(self, text: str, *, is_final: bool, user: str | None) -> str | None:
        """Return all before the reply; None as long as that cannot be said."""
        if self._asked.endswith(_CUE):
            if text.startswith(self._asked):
                completed = text[len(self._asked) :]
                reply = completed.lstrip()
                if not reply:
                    return "" if is_final else None
                return text[: len(text) - len(reply)]
            if not is_final and self._asked.startswith(text):
                return None
        if user is None:
            return self._find_turn(text, is_final=is_final)
        if not _USER.match(user):
            return ""
        lead = self._find_turn(f"{user}\n{text}", len(user), is_final=is_final)
        return lead and lead[len(user) + 1 :]

    def _find_turn(self, text: str, within: int | None = None, *, is_final: bool) -> str | None:
        """Return all up to the name of the model in a text that shows a chat, as `_find_lead`.

        Args:
            text: The text.
            within: Where the user's message ends, if that is known: a reply may quote it.
            is_final: Whether nothing follows.
        """
        first = _USER.search(text) if self._asked else None
        if first is None or text[: first.start()].strip():
            return None if self._asked and not is_final and _may_be_name(text.lstrip()) else ""
        names = _USER.finditer(text, 0, len(text) if within is None else within)
        ends = (self._find_end(text, each.end()) for each in deque(names, _MOST_LINES))
        end = max((each for each in ends if each is not None), default=None)
        if end is None:
            places = _places(text, first.end())
            may_be_asked = any(self._asked.startswith(text[at:]) for at in places)
            return None if not is_final and may_be_asked else ""
        rest = text[end : end + _LONGEST_NEXT]
        if (speaker := _find_speaker(first, rest)) is None:
            return None if not is_final and _UNFINISHED.fullmatch(rest) else ""
        if within is not None and not _MODEL.search(speaker[0]):
            return ""
        end += speaker.end()
        return None if not is_final and text[end:].rstrip() in _MARKS else text[:end]

    def _find_end(self, text: str, start: int) -> int | None:
        """Return where the prompt ends that begins here, or behind some signs."""
        for at in _places(text, start):
            if text.startswith(self._asked, at):
                return at + len(self._asked)
        return None


def _find_speaker(user: re.Match[str], rest: str) -> re.Match[str] | None:
    """Find the name of the model behind the prompt, in the form of the user's."""
    if user["heading"] is not None:
        return _NEXT_HEADING.match(rest)
    found = _NEXT.match(rest)
    is_plain = found is not None and _BOLD.search(found["signs"]) is None
    return None if is_plain and _BOLD.search(user[0]) else found


def _places(text: str, start: int) -> Iterator[int]:
    """Yield where the user's words may begin: behind up to four signs, or on the next line."""
    if (found := _NEXT_LINE.match(text, start)) is not None:
        yield found.end()
    for at in range(start, min(start + _MOST_SIGNS, len(text)) + 1):
        yield at
        if text[at : at + 1].isalnum() or text[at : at + 1] == "\n":
            return


def _may_be_name(text: str) -> bool:
    """Whether a text may go on as the user's name."""
    found = _USER_START.fullmatch(text)
    if found is None:
        return False
    name, signs = found[1].lower(), found[2]
    return name in _NAMES if signs else any(each.startswith(name) for each in _NAMES)
