"""An app's `/config`, read: its functions and the components that they take and give.

Source: `Blocks.get_config_file` in `gradio/blocks.py`, which every Gradio from 4.0 on serves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qwen_space.errors import ProtocolError

__all__ = ["CHATS", "TEXTS", "AppComponent", "AppConfig", "AppFunction"]

CHATS = frozenset({"chatbot", "modelscopechatbot", "modelscopelegacychatbot"})
TEXTS = frozenset({"textbox", "multimodaltextbox"})


@dataclass(frozen=True, slots=True)
class AppComponent:
    """A component of an app's page.

    Attributes:
        id: Its number.
        kind: Its type, such as "textbox"; "unknown" where the app does not tell.
        props: How it was made: its label, its value, and more.
    """

    id: Any
    kind: str
    props: Mapping[str, Any]

    @property
    def label(self) -> str | None:
        """What the page calls it."""
        label = self.props.get("label")
        return str(label) if label else None

    @property
    def value(self) -> Any:
        """The value that it has on the page at first."""
        return self.props.get("value")

    @property
    def choices(self) -> list[Any] | None:
        """The values that it offers; None when it takes any."""
        choices = self.props.get("choices")
        if not isinstance(choices, list):
            return None
        # A value each, or its name on the page and its value.
        return [each[-1] if isinstance(each, list) and each else each for each in choices]


@dataclass(frozen=True, slots=True)
class AppFunction:
    """A function of an app.

    Attributes:
        id: Its number in the queue.
        api_name: Its name, without a slash; None if it has none.
        inputs: What it takes, in order.
        outputs: What it gives, in order.
        trigger: The component that starts it on the page; None if a function before it does.
        after: The number of the function after which the page runs it; None if it is the first.
        public: Whether it is part of the app's documented API (`show_api` until Gradio 5).
        streams: Whether it gives its results piece by piece.
        queued: Whether it goes by the queue.
        runs: Whether it runs on the server, and not in the page alone.
    """

    id: int
    api_name: str | None
    inputs: tuple[AppComponent, ...]
    outputs: tuple[AppComponent, ...]
    trigger: Any
    after: int | None
    public: bool
    streams: bool
    queued: bool
    runs: bool


class AppConfig:
    """What an app says of itself.

    Args:
        config: The JSON of the app's `/config`.

    Attributes:
        version: The version of Gradio.
        protocol: The name of the queue's protocol, or None.
        prefix: What stands before the queue's paths: "" or "/gradio_api".
        functions: The app's functions, in order.

    Raises:
        ProtocolError: `config` is not what Gradio sends, or of a Gradio that is too old.
    """

    def __init__(self, config: Any) -> None:
        if not isinstance(config, dict) or not isinstance(config.get("dependencies"), list):
            raise ProtocolError("The answer to /config is not that of a Gradio app.")
        self.version = str(config.get("version", "unknown"))
        if self.version.startswith("3."):
            raise ProtocolError(
                f"The app runs Gradio {self.version}, which speaks over a websocket; "
                "this client needs Gradio 4 or newer."
            )
        self.protocol = config.get("protocol")
        self.prefix = str(config.get("api_prefix") or "").rstrip("/")
        if not re.match(r"/[^/]|$", self.prefix):  # "@elsewhere" would be another host
            raise ProtocolError(f"The app's api_prefix is no path: {self.prefix!r:.200}")
        try:
            components = config.get("components") or []
            self._components = {each["id"]: each for each in components if "id" in each}
            self.functions = [
                self._function(index, each) for index, each in enumerate(config["dependencies"])
            ]
        except (AttributeError, IndexError, KeyError, TypeError) as exc:
            raise ProtocolError(f"The answer to /config is malformed: {exc!r}") from exc

    def _function(self, index: int, function: Mapping[str, Any]) -> AppFunction:
        name = function.get("api_name")
        targets = function.get("targets") or [[None]]
        visible = function.get("api_visibility", "public") == "public"
        return AppFunction(
            function.get("id", index),
            name if isinstance(name, str) else None,
            tuple(map(self._component, function.get("inputs") or [])),
            tuple(map(self._component, function.get("outputs") or [])),
            targets[0][0],
            function.get("trigger_after"),
            visible and function.get("show_api") is not False,
            bool((function.get("types") or {}).get("generator")),
            function.get("queue") is not False,
            function.get("backend_fn") is not False,
        )

    def _component(self, number: Any) -> AppComponent:
        component = self._components.get(number, {})
        props = component.get("props")
        kind = str(component.get("type") or "unknown")
        return AppComponent(number, kind, props if isinstance(props, dict) else {})
