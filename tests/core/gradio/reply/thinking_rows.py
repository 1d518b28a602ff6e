"""Rows of a chat, with thoughts and without."""

from __future__ import annotations

from typing import Any

USER = {"role": "user", "content": "u"}


def bot(*parts: Any, title: str | None = None) -> dict[str, Any]:
    content = parts[0] if len(parts) == 1 and isinstance(parts[0], str) else list(parts)
    return {"role": "assistant", "content": content, "metadata": {"title": title}}


def nested(content: str, **metadata: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "metadata": metadata}


def text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def tool(content: str, title: str = "Thinking") -> dict[str, Any]:
    return {"type": "tool", "content": content, "options": {"title": title}, "copyable": False}


def said(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content, "options": None, "copyable": True}


FINAL = bot("**Final answer:** b")
