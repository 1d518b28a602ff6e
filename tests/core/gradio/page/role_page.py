"""A page with one function."""

from __future__ import annotations

from typing import Any

BOX: dict[str, Any] = {"type": "textbox"}
CHAT: dict[str, Any] = {"type": "chatbot", "value": []}


def page(
    *inputs: dict[str, Any],
    gives: tuple[int, ...] = (),
    submit: int | None = None,
    version: str = "5.0.0",
) -> dict[str, Any]:
    """Make the `/config` of a page with one function.

    Args:
        inputs: The function's inputs: each one's type, and its props.
        gives: The positions of the inputs that the function gives back.
        submit: The position of the box whose submit event starts it; None for a button's click.
        version: The release of Gradio.
    """
    components = [
        {"id": at, "type": each["type"], "props": {k: v for k, v in each.items() if k != "type"}}
        for at, each in enumerate(inputs)
    ]
    function = {
        "id": 0,
        "api_name": "answer",
        "inputs": list(range(len(inputs))),
        "outputs": [*gives, 99],
        "targets": [[98, "click"] if submit is None else [submit, "submit"]],
    }
    return {
        "version": version,
        "components": [*components, {"id": 99, "type": "chatbot", "props": {}}],
        "dependencies": [function],
    }
