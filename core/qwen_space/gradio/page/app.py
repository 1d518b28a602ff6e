"""Parses an app's `/config`: its functions and the components that they take and give.

Source: `Blocks.get_config_file` in `gradio/blocks.py`, which every Gradio from 4.0 on serves.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from qwen_space.errors import ProtocolError
from qwen_space.gradio.page.api_parameters import API, api_output_kind, read_parameter
from qwen_space.gradio.page.layout import Layout

__all__ = [
    "CHATS",
    "CHOICES",
    "KEEPING",
    "NUMBERS",
    "TEXTS",
    "TEXTS_WITH_FILES",
    "AppComponent",
    "AppConfig",
    "AppFunction",
    "api_prefix",
    "with_rendered",
]

CHATS = frozenset(
    {
        "chatbot",
        "agentchatbot",  # of gradio_agentchatbot, as MindSearch has it
        "modelscopechatbot",
        "modelscopelegacychatbot",
        "modelscopeprochatbot",
        "antdxbubblelist",  # its messages are in `items`, which updates alone have
    }
)
KEEPING = frozenset({"json", "dataframe"})
"""Components that may keep turns, wherever they are on the page."""

TEXTS_WITH_FILES = frozenset(
    {
        "multimodaltextbox",
        "modelscopemultimodalinput",
        "modelscopelegacymultimodalinput",
        "modelscopepromultimodalinput",
    }
)
TEXTS = frozenset(
    {
        "textbox",
        "simpletextbox",
        "antdinput",
        "antdinputsearch",
        "antdinputtextarea",
        "antdmentions",
        "antdxsender",
        *TEXTS_WITH_FILES,
    }
)
CHOICES = frozenset({"radio", "dropdown", "simpledropdown", "antdradiogroup", "antdselect"})
NUMBERS = frozenset({"slider", "number", "antdslider", "antdinputnumber"})


class AppComponent(msgspec.Struct, frozen=True):
    """A component of an app's page.

    Attributes:
        id: Its number.
        kind: Its type, such as "textbox"; "unknown" where the app does not tell.
        props: The arguments that it was made with: its label, its value, and more.
        value: The value that the page sends for it when nobody has touched it.
    """

    id: Any
    kind: str
    props: Mapping[str, Any]
    value: Any = None

    @property
    def label(self) -> str | None:
        """The label on the page."""
        label = self.props.get("label")
        return str(label) if label else None

    @property
    def placeholder(self) -> str:
        """The text that the page shows in it while it is empty."""
        return str(self.props.get("placeholder") or "")

    @property
    def is_password(self) -> bool:
        """Whether the page hides the typed text."""
        return self.kind == "antdinputpassword" or self.props.get("type") == "password"

    @property
    def is_parameter(self) -> bool:
        """Whether no page shows it, as it is a parameter, or the result, of `gr.api`."""
        return "_api_info" in self.props

    @property
    def is_locked(self) -> bool:
        """Whether a visitor cannot change it on the page."""
        return self.props.get("interactive") is False

    @property
    def choices(self) -> list[Any] | None:
        """The values that it offers; None when it takes any."""
        choices = self.props.get("choices", self.props.get("options"))
        if not isinstance(choices, list):
            return None
        return [_choice_value(each) for each in choices]

    @property
    def is_open_choice(self) -> bool:
        """Whether it offers texts, and takes any other one, too."""
        takes_any = self.props.get("allow_custom_value") is True
        return self.kind == "dropdown" and takes_any and not self.props.get("multiselect")


def _choice_value(choice: Any) -> Any:
    """Return the value of a choice: the value itself, a label with it, or a dict of both."""
    if isinstance(choice, list) and choice:
        return choice[-1]
    return choice.get("value") if isinstance(choice, dict) else choice


_MOST_TAGS = 20  # pairs that a chat may have
_MOST_FUNCTIONS = 10_000  # of an app; the largest that are known have some 2,000

# The values of components that `/config` tells none of, as Gradio's front end sets them when it
# draws them, and the releases in which it does so (with the first, without the last):
# `export let value = ...` in `js/*/Index.svelte` of Gradio 4 and 5, `gradio.props.value ??= ...`
# there in Gradio 6. `tests/matrix/test_untouched.py` compares them with a browser.
_FIRST, _LAST = (0, 0), (10_000, 0)
_MULTIMODAL: Mapping[str, Any] = {"text": "", "files": []}
_WHEN_DRAWN: Sequence[tuple[str, tuple[int, int], tuple[int, int], Any]] = [
    ("textbox simpletextbox code", _FIRST, _LAST, ""),
    ("datetime markdown html", _FIRST, (6, 0), ""),
    ("number", _FIRST, _LAST, 0),
    ("dropdown fileexplorer", _FIRST, (4, 26), []),
    ("fileexplorer", (6, 0), (6, 6), []),
    ("colorpicker", _FIRST, (4, 26), "#000000"),
    ("colorpicker", (6, 0), (6, 1), "#000000"),
    ("multimodaltextbox", _FIRST, (6, 0), _MULTIMODAL),
    ("multimodaltextbox", (6, 5), _LAST, _MULTIMODAL),
    ("imageeditor", (5, 0), _LAST, {"background": None, "layers": [], "composite": None}),
    ("imageslider", _FIRST, _LAST, [None, None]),
    ("dialogue", _FIRST, (6, 0), []),
]
# Those of components that have them without being drawn, and of other libraries'.
_ALWAYS: Mapping[str, Any] = {
    "slider": 0,
    "checkbox": False,
    "checkboxgroup": [],
    **{kind: [] for kind in CHATS},
    **dict.fromkeys(TEXTS_WITH_FILES - {"multimodaltextbox"}, _MULTIMODAL),
}


def _untouched_value(
    kind: str, props: Mapping[str, Any], release: tuple[int, int], *, is_drawn: bool
) -> Any:
    """Return the value that the page of this release of Gradio sends for a component."""
    if (value := props.get("value")) is not None:
        return _first_choice(props, value) if _takes_first(kind, value, release) else value
    is_5 = (5, 0) <= release < (6, 0)
    if kind == "antdselect" or (kind == "dropdown" and is_drawn and is_5):
        return [] if props.get("multiselect") else None
    if not is_drawn or (kind == "number" and is_5 and props.get("placeholder")):
        return copy.deepcopy(_ALWAYS.get(kind))
    if kind == "browserstate":
        return props.get("default_value")
    for kinds, first, last, value in _WHEN_DRAWN:
        if kind in kinds.split() and first <= release < last:
            return copy.deepcopy(value)
    return copy.deepcopy(_ALWAYS.get(kind))


def _takes_first(kind: str, value: Any, release: tuple[int, int]) -> bool:
    """Whether the page of this release takes the first choice of a menu for such a value."""
    return kind == "dropdown" and release < (4, 26) and value in ("", 0)


def _first_choice(props: Mapping[str, Any], value: Any) -> Any:
    choices = props.get("choices")
    if props.get("multiselect") or not isinstance(choices, list) or not choices:
        return value
    return _choice_value(choices[0])


_LONGEST_VERSION = 100  # characters
_LONGEST_SCRIPT = 100_000  # characters
_CONTEXT_LABEL = "Context window in tokens"  # of a component that a local Space has for it


class AppFunction(msgspec.Struct, frozen=True):
    """A function of an app.

    Attributes:
        id: Its number in the queue.
        api_name: Its name, without a slash; None if it has none.
        inputs: The components that it takes, in order.
        outputs: The components that it gives, in order.
        targets: The components that start it on the page, each with the event's name.
        after: The number of the function after which the page runs it; None if it is the first.
        public: Whether it is part of the app's documented API (`show_api` until Gradio 5).
        streams: Whether it gives its results piece by piece.
        repeats: Whether the page runs it again and again (`every=` of Gradio 4).
        queued: Whether it goes by the queue.
        runs: Whether it runs on the server, and not in the page alone.
        renders: The number by which it makes components and functions while the page is open
            (`gr.render`); None if it does not.
        rendered_in: The number by which it was made so; None for a function of `/config`.
        script: The script that the page runs for it, or its start; "" without one.
    """

    id: int
    api_name: str | None
    inputs: tuple[AppComponent, ...]
    outputs: tuple[AppComponent, ...]
    targets: tuple[tuple[Any, str], ...]
    after: int | None
    public: bool
    streams: bool
    queued: bool
    runs: bool
    repeats: bool = False
    renders: Any = None
    rendered_in: Any = None
    script: str = ""

    @property
    def trigger(self) -> Any:
        """The component that starts it on the page; None if a function before it does."""
        return self.targets[0][0] if self.targets else None

    @property
    def events(self) -> frozenset[str]:
        """The names of the events that start it; none for a function of the API alone."""
        return frozenset(event for _, event in self.targets if event)

    @property
    def has_page(self) -> bool:
        """Whether a page shows its inputs, which it does not for `gr.api`."""
        return not any(each.is_parameter for each in self.inputs)

    @property
    def changing(self) -> tuple[Any, ...]:
        """The components that start it on the page when they get another value."""
        return tuple(part for part, event in self.targets if event == "change")


class AppConfig:
    """The content of an app's `/config`.

    Args:
        config: The JSON of the app's `/config`.

    Attributes:
        version: The version of Gradio.
        protocol: The name of the queue's protocol, or None.
        prefix: The part of a path before the queue's: "" or "/gradio_api".
        app_id: A number that the app draws when it starts, or None.
        release: The first two numbers of the version.
        is_deaf: Whether the server may not see that a stream is left (4.0, and 4.19 to 4.23).
        functions: The app's functions, in order.
        reasoning_tags: The tags between which the page's chats show thoughts.
        layout: The layout of the page.
        hidden: The numbers of the components that the page does not show at first.
        in_closed_parts: The numbers of those in a part of the page that is not open at first.
        context_window: How many tokens its model takes, prompt and reply together; None where it
            does not say so, as a local Space does.

    Raises:
        ProtocolError: `config` is not Gradio's, or of a Gradio that is too old.
    """

    def __init__(self, config: Any) -> None:
        if not isinstance(config, dict) or not isinstance(config.get("dependencies"), list):
            raise ProtocolError("The answer to /config is not that of a Gradio app.")
        if len(config["dependencies"]) > _MOST_FUNCTIONS:
            raise ProtocolError(f"The answer to /config has more than {_MOST_FUNCTIONS} functions.")
        self.version = str(config.get("version", "unknown"))[:_LONGEST_VERSION]
        if self.version.startswith("3."):
            raise ProtocolError(
                f"The app runs Gradio {self.version}, which speaks over a websocket; "
                "this client needs Gradio 4 or newer. Its owner can run it with a newer one, as by "
                "pip install --upgrade gradio."
            )
        self.protocol = config.get("protocol")
        self.app_id = config.get("app_id")
        self.prefix = api_prefix(config)
        try:
            self.release = _release(self.version)
            self.is_deaf = self.release < (4, 24)
            self._read: dict[Any, AppComponent] = {}
            self._words = _translations(config.get("i18n_translations"))
            components = config.get("components") or []
            self._components = {each["id"]: each for each in components if "id" in each}
            layout = Layout(config.get("layout"), self._components, self.release)
            self.layout = layout
            self.hidden, self.in_closed_parts = layout.hidden, layout.in_closed_parts
            self._undrawn = layout.undrawn
            self.functions = _distinct(
                self._function(index, each) for index, each in enumerate(config["dependencies"])
            )
            self.reasoning_tags = tuple(_tags(self._components.values()))
            self.context_window = next(_context_windows(self._components.values()), None)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
            raise ProtocolError(f"The answer to /config is malformed: {exc!r}") from exc

    def _function(self, index: int, function: Mapping[str, Any]) -> AppFunction:
        name = function.get("api_name")
        after, made, made_by = map(function.get, ("trigger_after", "render_id", "rendered_in"))
        hash((function.get("id"), after, made, made_by))  # a list is a number of no function
        visible = function.get("api_visibility", "public") == "public"
        types = function.get("types") or {}
        inputs = tuple(map(self.component, function.get("inputs") or []))
        if _reads_query(function.get("js"), inputs):
            inputs = (replace(inputs[0], value={}),)
        return AppFunction(
            function.get("id", index),
            name if isinstance(name, str) else None,
            inputs,
            tuple(map(self._output, function.get("outputs") or [])),
            tuple(_target(each) for each in function.get("targets") or []),
            after,
            visible and function.get("show_api") is not False,
            bool(types.get("generator")),
            function.get("queue") is not False,
            function.get("backend_fn") is not False,
            bool(types.get("continuous")),
            made,
            made_by,
            script[:_LONGEST_SCRIPT] if isinstance(script := function.get("js"), str) else "",
        )

    def component(self, number: Any) -> AppComponent:
        """Return a component of the app's page, by its number."""
        if (known := self._read.get(number)) is not None:
            return known
        props = dict(self._props(number))
        for name in ("label", "placeholder", "value"):
            if isinstance(text := props.get(name), str) and _TRANSLATED in text:
                props[name] = _translate(text, self._words)
        kind = str(self._components.get(number, {}).get("type") or "unknown")
        if kind == API:
            kind, value = read_parameter(props)
            props["label"] = None  # its ordinal number, which is no name
        else:
            is_drawn = number not in self._undrawn
            value = _untouched_value(kind, props, self.release, is_drawn=is_drawn)
        return self._read.setdefault(number, AppComponent(number, kind, props, value))

    def _output(self, number: Any) -> AppComponent:
        shown = self.component(number)
        return replace(shown, kind=api_output_kind(shown.props)) if shown.is_parameter else shown

    def _props(self, number: Any) -> Mapping[str, Any]:
        props = self._components.get(number, {}).get("props")
        return props if isinstance(props, dict) else {}


def _distinct(functions: Iterable[AppFunction]) -> list[AppFunction]:
    """Return the first function of each number: a second one could come after itself."""
    found: dict[Any, AppFunction] = {}
    for each in functions:
        found.setdefault(each.id, each)
    return [*found.values()]


_TRANSLATED = "__i18n__"  # begins a text of `gr.I18n`, whose key follows in JSON
_KEY = re.compile(
    _TRANSLATED + r'\{[^{}]{0,200}?"key": ?("(?:[^"\\]|\\u[0-9a-f]{4}){0,200}")[^{}]{0,200}\}'
)


def _translations(tables: Any) -> dict[str, str]:
    """Return the texts of an app's page by their keys: in English, else in its first language."""
    languages = tables if isinstance(tables, dict) else {}
    words: dict[str, str] = {}
    for table in (*reversed(languages.values()), languages.get("en")):
        if isinstance(table, dict):
            words.update({key: text for key, text in table.items() if isinstance(text, str)})
    return words


def _translate(text: str, words: Mapping[str, str]) -> str:
    """Return a text as the page shows it; a key stands for itself if it has no translation."""

    def translated(found: re.Match[str]) -> str:
        key = json.loads(found[1], strict=False)
        return words.get(key, key)

    return _KEY.sub(translated, text)


def with_rendered(config: Mapping[str, Any], rendered: Any) -> dict[str, Any]:
    """Return the content of a `/config` with the parts that a function of it has made.

    Raises:
        ProtocolError: They are not those of Gradio.
    """
    merged = dict(config)
    for name in ("components", "dependencies"):
        made = rendered.get(name) if isinstance(rendered, dict) else None
        if not isinstance(made, list):
            raise ProtocolError(f"The app rendered parts without {name}.")
        merged[name] = [*(config.get(name) or []), *made]
    return merged


def api_prefix(config: Mapping[str, Any]) -> str:
    """Return the part of a path before the queue's in an app's `/config`.

    Raises:
        ProtocolError: It is no path.
    """
    prefix = str(config.get("api_prefix") or "").rstrip("/")
    if not re.match(r"/[^/]|$", prefix):  # "@elsewhere" would be another host
        raise ProtocolError(f"The app's api_prefix is no path: {prefix!r:.200}")
    return prefix


def _tags(components: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of tags that chats have (`gr.Chatbot(reasoning_tags=...)` of Gradio 6)."""
    for each in components:
        props = each.get("props") if each.get("type") in CHATS else None
        tags = props.get("reasoning_tags") if isinstance(props, dict) else None
        for pair in tags[:_MOST_TAGS] if isinstance(tags, list) else ():
            if len(pair) == 2 and all(isinstance(tag, str) and tag.strip() for tag in pair):
                yield pair[0], pair[1]


def _context_windows(components: Iterable[Mapping[str, Any]]) -> Iterator[int]:
    for each in components:
        props = each.get("props") if each.get("type") == "number" else None
        if isinstance(props, dict) and props.get("label") == _CONTEXT_LABEL:
            value = props.get("value")
            if isinstance(value, int) and value > 0:
                yield value


def _reads_query(script: Any, inputs: Sequence[AppComponent]) -> bool:
    """Whether a page's script gives a function the parameters of its address, as FastChat's does.

    Without any, that is an empty object.
    """
    is_query = isinstance(script, str) and "location.search" in script[:_LONGEST_SCRIPT]
    return is_query and [(each.kind, each.value) for each in inputs] == [("json", None)]


def _target(target: Any) -> tuple[Any, str]:
    component, *event = target
    hash(component)  # a TypeError here is a malformed `/config`, as for the other numbers
    return component, str(event[0] or "") if event else ""


def _release(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version; those of the newest where it has none."""
    found = re.match(r"(\d{1,9})(?:\.(\d{1,9}))?", version)
    return (int(found[1]), int(found[2] or 0)) if found else (9999, 0)
