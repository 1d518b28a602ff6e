"""The look of the page: its theme, its style sheet, its script, and the signs of formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

__all__ = ["LATEX", "LOOK"]

_HERE = Path(__file__).parent

_ICON = quote((_HERE / "page.svg").read_text("utf-8"))

# How mount_gradio_app is to make the page look. No font comes from another host.
LOOK: dict[str, Any] = {
    "theme": gr.themes.Default(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(body_text_color_subdued="*neutral_600"),
    "css_paths": [_HERE / "page.css"],
    "head": f'<link rel="icon" type="image/svg+xml" href="data:image/svg+xml,{_ICON}">'
    f"<style media='print'>{(_HERE / 'print.css').read_text('utf-8')}</style>"
    + "".join(
        f"<script>{(_HERE / name).read_text('utf-8')}</script>"
        for name in ("connection.js", "rows.js", "chats.js", "question.js", "names.js")
    ),
}

_DISPLAYED = ("equation", "align", "align*", "gather")
LATEX: list[dict[str, str | bool]] = [
    {"left": left, "right": right, "display": left != "\\("}
    for left, right in (
        ("$$", "$$"),
        ("\\[", "\\]"),
        ("\\(", "\\)"),
        *((f"\\begin{{{name}}}", f"\\end{{{name}}}") for name in _DISPLAYED),
    )
]
