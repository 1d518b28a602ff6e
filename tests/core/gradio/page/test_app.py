"""An app's `/config`: its components, and the values of those that nobody touches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_space.gradio.page.discovery import find_endpoint
from tests.core.gradio.page.app_config import roles
from tests.core.gradio.page.role_page import BOX, page


# As Gradio's front end has it: js/*/Index.svelte
@pytest.mark.parametrize(
    ("kind", "props", "version", "value"),
    [
        ("textbox", {}, "4.44.1", ""),
        ("textbox", {}, "6.31.0", ""),
        ("textbox", {"visible": False}, "5.35.0", ""),
        ("textbox", {"visible": False}, "5.36.0", None),  # not drawn, and so not set
        ("textbox", {"visible": "hidden"}, "6.31.0", ""),
        ("textbox", {"value": "x"}, "6.31.0", "x"),
        ("markdown", {}, "5.50.0", ""),
        ("markdown", {}, "6.31.0", None),
        ("number", {}, "5.50.0", 0),
        ("number", {"placeholder": "any"}, "5.50.0", None),
        ("number", {"placeholder": "any"}, "6.0.0", 0),
        ("number", {"visible": False}, "5.50.0", None),
        ("colorpicker", {}, "4.20.1", "#000000"),
        ("colorpicker", {}, "4.44.1", None),
        ("colorpicker", {}, "6.0.2", "#000000"),
        ("colorpicker", {}, "6.31.0", None),
        ("multimodaltextbox", {}, "6.0.2", None),
        ("multimodaltextbox", {}, "6.31.0", {"text": "", "files": []}),
        ("browserstate", {"default_value": {"a": 1}}, "5.50.0", {"a": 1}),
        ("imageslider", {}, "6.31.0", [None, None]),
        ("slider", {"value": 3}, "4.0.0", 3),
        ("checkbox", {}, "4.0.0", False),
        ("checkboxgroup", {}, "4.0.0", []),
        ("radio", {"choices": [["a", "a"]]}, "5.0.0", None),
        ("dropdown", {"choices": [["a", "a"]]}, "4.25.0", []),
        ("dropdown", {"choices": [["a", "a"]]}, "4.26.0", None),
        ("dropdown", {"choices": [["a", "a"]], "multiselect": True}, "4.44.1", None),
        ("dropdown", {"choices": [["a", "a"]], "multiselect": True}, "5.0.2", []),
        ("dropdown", {"choices": [["a", "a"]], "multiselect": True}, "6.31.0", None),
        ("dropdown", {"choices": [["A", "a"]], "value": ""}, "4.25.0", "a"),
        ("dropdown", {"choices": [["A", 1], ["B", 0]], "value": 0}, "4.0.2", 1),
        ("dropdown", {"choices": [], "value": ""}, "4.0.2", ""),
        ("dropdown", {"choices": [["A", "a"]], "value": ""}, "4.26.0", ""),
        ("fileexplorer", {}, "4.23.0", []),
        ("fileexplorer", {}, "4.26.0", None),
        ("fileexplorer", {}, "6.0.2", []),
        ("fileexplorer", {}, "6.6.0", None),
        ("multimodaltextbox", {}, "5.0.0", {"text": "", "files": []}),
        ("state", {"value": [1]}, "5.0.0", [1]),
        ("image", {}, "5.0.0", None),
    ],
)
def test_an_untouched_input_is_sent_as_the_page_sends_it(
    kind: str, props: dict[str, Any], version: str, value: Any
) -> None:
    config = page(BOX, {"type": kind, "label": "Extra", **props}, submit=0, version=version)

    assert find_endpoint(config).data("Hi")[1] == value


def test_labels_in_several_languages_are_read_in_english() -> None:
    def text(key: str) -> str:
        return "__i18n__" + json.dumps({"__type__": "translation_metadata", "key": key})

    config = page(
        {**BOX, "label": text("s"), "value": text("v")},
        {**BOX, "label": text("m"), "placeholder": f"{text('m')} ..."},
        {"type": "slider", "label": text("t")},
        {**BOX, "label": text("unknown")},
    )
    config["i18n_translations"] = {
        "ja": {"s": "システム", "m": "メッセージ", "v": "短く。", "t": "温度"},
        "en": {"s": "System prompt", "m": "Message", "v": "Be brief."},
    }

    endpoint = find_endpoint(config)

    assert [each.name for each in endpoint.inputs] == [
        "System prompt",
        "Message",
        "温度",
        "unknown",
    ]
    assert roles(endpoint) == ["system", "prompt", "temperature", None]
    assert endpoint.inputs[0].default == "Be brief."


@pytest.mark.parametrize("words", [[], {"en": []}, {"en": {"s": 7}}, {"en": None}])
def test_translations_that_are_none_are_left(words: Any) -> None:
    label = '__i18n__{"key": "s"} __i18n__{"key": [} __i18n__{} __i18n__{"key": "\\x"}'
    config = page({**BOX, "label": label})
    config["i18n_translations"] = words

    assert find_endpoint(config).inputs[0].name.startswith("s __i18n__")
