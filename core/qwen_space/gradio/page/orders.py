"""Tells a box with orders for the model, as "Instructions", from one with another text."""

from __future__ import annotations

import re

__all__ = ["find_order"]

_LABELS = re.compile(
    r"\b(?:instructions?|initial (?:prompt|message)|(?:base|main|role) prompt|context|behaviou?r"
    r"|rules|guidelines|personality|character)\b|指令|指示|上下文|角色|инструкц|контекст|правила"
    r"|anweisung|consignes|instrucciones|instruções|istruzioni|지침",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"\s{0,9}(?:your (?:task|role|job|goal|name|purpose) is|i want you to|imagine you"
    r"|as an? (?:\w{1,20} ){0,2}(?:ai|assistant|expert|agent|bot|model|tutor)\b"
    r"|(?:this|the following|below) is an? (?:chat|conversation|dialog|instruction)"
    r"|(?:(?:please|always|never|do not|don't) )?(?:answer|respond|reply|help|assist|act|speak)\b"
    r"|(?:please|always|never|be)\b|请|отвечай|antworte|réponds|responde)",
    re.IGNORECASE,
)


def find_order(label: str, value: str) -> re.Match[str] | None:
    """Find the words with which the value of a box so labelled begins to give orders.

    Args:
        label: The label.
        value: The value that the page has at first, or its start.
    """
    return _ORDER.match(value[:500]) if _LABELS.search(label[:500]) else None
