"""Replies in a text that shows the whole chat, as a box or a Markdown of some pages does.

User: Hi               **You:** Hi
AI: Hello              **Lumora:** Hello
"""

from __future__ import annotations

import re

__all__ = ["read_transcript"]

# A speaker at the start of a line: a sign, a name that may be bold, and a colon.
_USER = re.compile(
    r"[^\w\n]{0,8}(?:you|user|human|me|q|question|customer|student|guest"
    r"|用户|用戶|你|我|问|提问|пользователь|вы|вопрос|ユーザー|あなた|質問|사용자|질문"
    r"|usuari[oa]|tú|pergunta|você|utilisateur|vous|moi|benutzer|du|frage|utente|tu|kullan\u0131c\u0131|sen)"
    r"[^\w\n]{0,4}[:\uff1a][^\w\n]{0,4}",
    re.IGNORECASE,
)
_SPEAKER = r"[^\w\n]{0,8}\w[^\n:\uff1a]{0,38}[:\uff1a](?:\*\*|__|</b>)?[ \t]*\n?"
_NEXT = re.compile(rf"[ \t]*\n\s{{0,9}}{_SPEAKER}")
_UNFINISHED = re.compile(r"\s{0,9}[^\n]{0,60}")
_MOST_QUOTED = 20
_MARKS = frozenset({"*", "**", "_", "__", "<", "</", "</b"})  # may still be the name's


def read_transcript(text: str, prompt: str, *, is_final: bool = True) -> str:
    """Return the reply to the prompt in a text that shows it behind the user's name.

    The text itself where it does not. Empty as long as no reply follows the prompt.

    Args:
        text: The text.
        prompt: The prompt.
        is_final: Whether nothing follows.
    """
    asked = prompt.strip()
    at = text.rfind(asked) if asked else -1
    for _ in range(_MOST_QUOTED):  # as the reply may quote the prompt
        if at <= 0 or _USER.fullmatch(text, text.rfind("\n", 0, at) + 1, at):
            break
        at = text.rfind(asked, 0, at)
    else:
        return text
    if at <= 0:
        return text
    rest = text[at + len(asked) :]
    if (speaker := _NEXT.match(rest)) is not None:
        reply = rest[speaker.end() :].rstrip()
        return "" if not is_final and reply in _MARKS else reply
    return "" if not is_final and _UNFINISHED.fullmatch(rest) else text
