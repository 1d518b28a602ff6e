"""An app's `/config`, with components of each kind, for tests of its endpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qwen_space.gradio.page.endpoint import Endpoint

DATA = Path(__file__).parents[3] / "data"


def recorded(server: str) -> Any:
    return json.loads((DATA / server / "config.json").read_text())


def make_config(
    *functions: dict[str, Any], version: str = "5.0.0", **components: Any
) -> dict[str, Any]:
    """Make a `/config`: components are `name=(type, props)`, and their names their ids."""
    return {
        "version": version,
        "protocol": "sse_v3",
        "api_prefix": "/gradio_api",
        "components": [
            {"id": name, "type": kind, "props": props} for name, (kind, props) in components.items()
        ],
        "dependencies": [{"id": index, **each} for index, each in enumerate(functions)],
    }


def make_function(inputs: list[str], outputs: list[str], name: str = "chat", **more: Any) -> Any:
    return {
        "api_name": name,
        "inputs": inputs,
        "outputs": outputs,
        "targets": [["button", "click"]],
        "types": {"generator": True, "cancel": False},
        **more,
    }


PARTS: dict[str, Any] = {
    "box": ("textbox", {"label": "Message"}),
    "system": ("textbox", {"label": "System prompt", "value": "Be kind."}),
    "chat": ("chatbot", {"value": [], "type": "messages"}),
    "state": ("state", {"value": 0}),
    "out": ("textbox", {"label": "Reply"}),
    "slider": ("slider", {"label": "Max new tokens", "value": 512}),
    "size": ("radio", {"label": "Size", "choices": [["7B", "7B"], ["3B", "3B"]], "value": "7B"}),
    "image": ("image", {}),
}


def roles(endpoint: Endpoint) -> list[str | None]:
    return [each.role for each in endpoint.inputs]
