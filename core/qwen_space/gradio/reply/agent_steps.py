"""Tells an agent's steps from its final answer, where its page writes headings over them.

smolagents' page writes `**Step 1**` and `**Final answer:**`, each in a message of its own. A model
that is asked for steps begins each with "Thought:".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

__all__ = ["Part", "asks_for_thoughts", "is_step", "mark_steps", "may_be_step", "titles_answer"]

# The headings that an agent's page writes over its steps, and over its answer.
_STEP_NAME = (
    r"\W{0,6}(?:planning step|(?:step|шаг|步骤|ステップ|단계|étape|paso|passo|schritt)\s?\d{1,4})"
)
_STEP = re.compile(_STEP_NAME + r"\W{0,6}", re.IGNORECASE)
_LONGEST_STEP = 40  # characters
# What is written below a step: its name, and figures after a bar, as one short line.
_STEP_FOOT = re.compile(
    rf"\s{{0,9}}(?:<span\b[^<>]{{0,200}}>)?{_STEP_NAME}[*_ ]{{0,6}}\|[^\n]{{0,200}}\s{{0,9}}",
    re.IGNORECASE,
)
_LONGEST_FOOT = 500  # characters
# How a model that acts in steps begins each: an answer that begins so waits for what follows,
# unless the prompt asks for it, as those of agents on our side do.
_THOUGHT = "thought:"
_FINAL = re.compile(
    r"\s{0,9}[*#]{0,4}\s?(?:final answer|最终答案|最终回答|итоговый ответ|окончательный ответ"
    r"|最終回答|최종 답변|réponse finale|respuesta final|resposta final|endgültige antwort)"
    r"\s?(?:[*:\uff1a]{1,4}\s*|$)",
    re.IGNORECASE,
)

# Titles of the message that is the answer, where all others have one, too. A tool's output and
# thoughts about the answer have others.
_ANSWER_TITLE = re.compile(
    r"(?P<error>[❌💥]|\W{0,8}(?:(?:error|ошибка|erreur|fehler)\b|错误|錯誤|エラー|오류))"
    r"|\W{0,8}(?:(?:the |my )?(?:final|answer|response)\b|最终|答案|回答|최종|답변"
    r"|(?:ответ|итог|итоговый ответ|r[ée]ponse|resposta|respuesta|antwort)\b)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]")
_NO_ANSWER_TITLE = re.compile(
    r"tool|think|thought|reason|search|prepar|generat|工具|思考|推理|搜索|инструмент|поиск|мысл",
    re.IGNORECASE,
)


class Part(msgspec.Struct, frozen=True):
    """A text in the value, and the path to its string; None if the string ends otherwise."""

    path: list[Any] | None
    text: str
    thought: bool
    title: str = ""


def mark_steps(parts: list[Part], *, is_final: bool) -> Iterator[Part]:
    """Yield the parts with an agent's steps as thoughts, and its final answer without a heading.

    Where no heading tells an answer, the last text in the steps is one if nothing follows it but
    signs, as a line. As long as something may follow it is left out, as a thought that was given
    cannot be taken back.

    Args:
        parts: The parts of a reply.
        is_final: Whether nothing follows them.
    """
    has_feet = within = any(map(_is_foot, parts[1:]))
    end = len(parts) if has_feet or len(parts) == 1 else _find_end(parts)
    for place, part in enumerate(parts):
        within = within or (part is not parts[-1] and is_step(part))
        heading = _FINAL.match(part.text) if within and not part.thought else None
        if heading is not None:
            within = False
            yield replace(part, text=part.text[heading.end() :])
        elif within and place >= end:
            if is_final:
                yield part
        else:
            yield replace(part, thought=True) if within else part


def _find_end(parts: list[Part]) -> int:
    """Return where the steps end: at the last text with words, if it is no step's heading."""
    for place in range(len(parts) - 1, -1, -1):
        part = parts[place]
        if part.thought or is_step(part):
            break
        if _WORD.search(part.text):
            return place
    return len(parts)


def titles_answer(titles: list[str]) -> bool:
    """Whether messages all have titles, and the last of them that of an answer or of an error.

    An error may be alone.
    """
    if not titles or not all(titles) or _NO_ANSWER_TITLE.search(titles[-1]):
        return False
    found = _ANSWER_TITLE.match(titles[-1])
    return found is not None and (len(titles) > 1 or bool(found["error"]))


def is_step(part: Part) -> bool:
    """Whether all of a text is the heading of a step."""
    is_short = len(part.text) <= _LONGEST_STEP
    return is_short and not part.thought and _STEP.fullmatch(part.text) is not None


def _is_foot(part: Part) -> bool:
    """Whether all of a text is what is written below a step."""
    is_short = len(part.text) <= _LONGEST_FOOT
    return is_short and not part.thought and _STEP_FOOT.fullmatch(part.text) is not None


def may_be_step(part: Part, last: Part) -> bool:
    """Whether a text is, or may go on as, a step: tools may have been used since, if it thinks."""
    start = part.text[:_LONGEST_STEP].lstrip("*_# \n").lower()[: len(_THOUGHT)]
    return start == _THOUGHT or (part is last and start != "" and _THOUGHT.startswith(start))


def asks_for_thoughts(arguments: Iterable[Any]) -> bool:
    """Whether a prompt asks for texts that begin with "Thought:", as that of a ReAct agent does.

    Args:
        arguments: Those of the app's function, with the prompt and the system prompt.
    """
    texts = (each.get("text") if isinstance(each, dict) else each for each in arguments)
    return any(_THOUGHT in each.lower() for each in texts if isinstance(each, str))
