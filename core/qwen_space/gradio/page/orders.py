"""Tells a box with orders for the model, as "Instructions", from one with another text."""

from __future__ import annotations

import re

__all__ = ["find_order"]

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
