"""Tells a box with orders for the model, or with material, from one with another text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from qwen_space.gradio.page.app import AppComponent

__all__ = [
    "MATERIAL",
    "MATERIAL_TEXT",
    "ROLE_ORDER",
    "find_order",
    "follows_up",
    "is_instructed",
    "offers_orders",
]

ROLE_ORDER = re.compile(
    r"\s{0,9}(?:you are|you're|act as|你是|您是|ты\s|вы\s"
    r"|du bist|tu es|vous êtes|eres\s|あなたは|당신은)",
    re.IGNORECASE,
)
"""The words with which most system prompts begin."""

MATERIAL = re.compile(
    r"\b(?:contexte?|contexto|kontext|background|hintergrund|references?|r[eé]f[eé]r[eê]n\w{1,4}"
    r"|sources?|quellen|fuentes|evidence|knowledge)\b"
    r"|参考|資料|资料|上下文|背景|知识|文脈|참고|문맥|контекст|справочн|источник",
    re.IGNORECASE,
)
"""The labels of texts that a question is about, where the question has a box of its own."""

MATERIAL_TEXT = re.compile(
    r"\W*(?:reference|ref|context|background|knowledge|evidence)\W+(?:text|transcript(?:ion)?)s?\b",
    re.IGNORECASE,
)
"""A label of such a text which is no order to write one."""

# What a page asks for once it has answered: more words on the question, or on the answer.
_FOLLOW_UP = re.compile(
    r"\W*(?:(?:your|my|user|human) )?(?:answers?\b(?! (?:my|me)\b)|feedback|clarif\w*|refine\b"
    r"|refinements?\b|revis(?:e|ions?)\b|follow-?\s?ups?\b|additional (?:info|details?)\w*)"
    r"|\W*(?:уточн|доработ|правк|обратная связь|ваши ответы|ответы на)"
    r"|请?(?:输入)?(?:您的|你的)?(?:反馈|回饋|修改意见|修改意見|澄清|追问|追問|回答$|答案$)"
    r"|フィードバック|修正指示|追加の質問|あなたの回答|피드백|추가 질문|수정 요청"
    r"|\W*(?:rückmeldung|rückfrage|nachfrage|vos réponses|précisions|tus respuestas|aclaraci)",
    re.IGNORECASE,
)

# The two boxes of models that were tuned as Alpaca was.
_INSTRUCTION = re.compile(r"\s{0,9}(?:instruction|指令|指示|инструкция)\W{0,9}$", re.IGNORECASE)
_INPUT = re.compile(r"\s{0,9}(?:input|输入|輸入|入力|ввод)\W{0,9}$", re.IGNORECASE)

_LABELS = re.compile(
    r"\b(?:instructions?|initial (?:prompt|message)|(?:base|main|role) prompt|behaviou?r"
    r"|rules|guidelines|personality|character)\b|指令|指示|角色|инструкц|правила"
    r"|anweisung|consignes|instrucciones|instruções|istruzioni|지침",
    re.IGNORECASE,
)
# It may be a document that the questions are about, which may begin with "Please note".
_CONTEXT = re.compile(r"\bcontext\b|上下文|контекст", re.IGNORECASE)
_ORDER = re.compile(
    r"\s{0,9}(?:your (?:task|role|job|goal|name|purpose) is|i want you to|imagine you"
    r"|as an? (?:\w{1,20} ){0,2}(?:ai|assistant|expert|agent|bot|model|tutor)\b"
    r"|(?:this|the following|below) is an? (?:chat|conversation|dialog|instruction)"
    r"|(?:(?:please|always|never|do not|don't) )?(?:answer|respond|reply|help|assist|act|speak)\b"
    r"|отвечай|antworte|réponds|responde)",
    re.IGNORECASE,
)
_OPEN_ORDER = re.compile(r"\s{0,9}(?:(?:please|always|never|be)\b|请)", re.IGNORECASE)


def find_order(label: str, value: str) -> re.Match[str] | None:
    """Find the words with which the value of a box so labelled begins to give orders.

    Args:
        label: The label.
        value: The value that the page has at first, or its start.
    """
    label, value = label[:500], value[:500]
    if _LABELS.search(label):
        return _ORDER.match(value) or _OPEN_ORDER.match(value)
    return _ORDER.match(value) if _CONTEXT.search(label) else None


def offers_orders(component: AppComponent) -> bool:
    """Whether a choice offers orders for the model, or nothing, and not just the names of some."""
    offered = [str(each).strip() for each in (component.value, *(component.choices or ())) if each]
    are_orders = any(ROLE_ORDER.match(each) or each.endswith((".", "。")) for each in offered)
    return are_orders or not offered


def follows_up(label: str) -> bool:
    """Whether a box so labelled is for words on a question or an answer that came before."""
    return _FOLLOW_UP.match(label[:200]) is not None


def is_instructed(label: str, labels: Iterable[str]) -> bool:
    """Whether a box so labelled holds the input of the instruction in another of these boxes."""
    return _INPUT.match(label) is not None and any(map(_INSTRUCTION.match, labels))
