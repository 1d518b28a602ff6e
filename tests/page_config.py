"""The `/config` of a page with a few components, for tests of the functions that it runs."""

from __future__ import annotations

from typing import Any

__all__ = ["CLICK", "LOAD", "STREAMS", "app", "step"]

PARTS = {
    "box": ("textbox", {}),
    "other": ("textbox", {"placeholder": "System Prompt"}),
    "chat": ("chatbot", {"value": []}),
    "copy": ("chatbot", {"value": []}),
    "saved": ("state", {}),
    "turns": ("state", {"value": []}),
    "size": ("state", {"value": 7}),
    "heat": ("slider", {"label": "Temperature"}),
    "memory": ("slider", {"label": "History turns", "value": 0}),
    "page": ("html", {}),
    "picture": ("image", {}),
    "hint": ("textbox", {"visible": False}),
    "rooms": ("radio", {"visible": False, "choices": ["a", "b"]}),
}

STREAMS = {"types": {"generator": True}}
LOAD = {"targets": [["page", "load"]]}
CLICK = {"targets": [["button", "click"]]}


def step(inputs: str, outputs: str, **more: Any) -> dict[str, Any]:
    return {"inputs": inputs.split(), "outputs": outputs.split(), **more}


def app(*steps: dict[str, Any]) -> dict[str, Any]:
    """Make a `/config`; a step is started by the box unless it comes after another."""
    return {
        "version": "5.0.0",
        "components": [
            {"id": name, "type": kind, "props": props} for name, (kind, props) in PARTS.items()
        ],
        "dependencies": [
            {
                "id": at,
                "api_name": f"f{at}",
                "targets": [[None, "then"] if "trigger_after" in each else ["box", "submit"]],
                **each,
            }
            for at, each in enumerate(steps)
        ],
    }
