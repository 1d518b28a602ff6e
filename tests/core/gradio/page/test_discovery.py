"""The endpoint of a chat is found in an app's `/config`."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_space.client.client import SpaceClient
from qwen_space.errors import EndpointError, ProtocolError, QwenSpaceError
from qwen_space.gradio.page.discovery import find_endpoint
from qwen_space.gradio.page.endpoint import Endpoint, Input
from tests import gradio_app
from tests.core.gradio.page.app_config import PARTS, make_config, make_function, recorded, roles

SIZES = ("72B", "32B", "14B", "7B", "3B", "1.5B", "0.5B")
SYSTEM = "You are a helpful assistant."


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (
            "4.44.1-ms",
            Endpoint(
                "model_chat_1",
                3,
                25,
                (
                    Input("prompt", "Input", ""),
                    Input("history", "Qwen", [], kind="modelscopechatbot"),
                    Input("system", "textbox", SYSTEM),
                    Input("model", "Qwen2.5", "72B", SIZES, kind="radio"),
                ),
                1,
                "sse_v3",
                "",
            ),
        ),
        (
            "5.50.0-msg",
            Endpoint(
                "model_chat_1",
                1,
                13,
                (
                    Input("prompt", "Input", ""),
                    Input("history", "Qwen", [], shape="messages", kind="chatbot"),
                    Input("system", "textbox", SYSTEM),
                ),
                1,
                "sse_v3",
                "/gradio_api",
            ),
        ),
        (
            "6.31.0-msg",
            Endpoint(
                "model_chat_1",
                1,
                13,
                (
                    Input("prompt", "Input", ""),
                    Input("history", "Qwen", [], shape="parts", kind="chatbot"),
                    Input("system", "textbox", SYSTEM),
                ),
                1,
                "sse_v3",
                "/gradio_api",
            ),
        ),
    ],
)
def test_the_chat_is_found_in_a_recorded_app(server: str, expected: Endpoint) -> None:
    assert find_endpoint(recorded(server)) == expected


@pytest.mark.parametrize("server", ["4.44.1-ms", "5.50.0-msg", "6.31.0-msg"])
@pytest.mark.parametrize("name", ["model_chat", "/model_chat", "model_chat_async", "plain"])
def test_a_named_endpoint_is_taken(server: str, name: str) -> None:
    assert find_endpoint(recorded(server), name).api_name == name.strip("/")


@pytest.mark.parametrize("server", ["4.44.1-ms", "5.50.0-msg", "6.31.0-msg"])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nope", "no endpoint /nope"),
        ("clear_session", "/clear_session takes no text"),
    ],
)
def test_an_endpoint_that_cannot_be_is_an_error_that_lists_the_others(
    server: str, name: str, says: str
) -> None:
    with pytest.raises(EndpointError, match=says) as caught:
        find_endpoint(recorded(server), name)

    assert "/model_chat, /model_chat_1, /clear_session" in str(caught.value)


FOUND = [
    pytest.param([make_function(["box"], ["out"])], 0, ["prompt"], 0, id="text-to-text"),
    pytest.param(
        [make_function(["box", "chat"], ["chat"])], 0, ["prompt", "history"], 0, id="chat"
    ),
    pytest.param(
        [make_function(["box", "chat"], ["box", "state", "chat"])],
        0,
        ["prompt", "history"],
        2,
        id="the-chat-among-the-outputs",
    ),
    pytest.param(
        [make_function(["system", "size", "slider", "chat", "state", "box"], ["chat"])],
        0,
        ["system", "model", "max_tokens", "history", None, "prompt"],
        0,
        id="any-order",
    ),
    pytest.param(
        [make_function(["box"], ["out"], "a"), make_function(["box", "chat"], ["chat"], "b")],
        1,
        ["prompt", "history"],
        0,
        id="a-chat-rather-than-a-text",
    ),
    pytest.param(
        [
            make_function(["box", "chat"], ["chat"], "a", types={"generator": False}),
            make_function(["box", "chat"], ["chat"], "b"),
        ],
        1,
        ["prompt", "history"],
        0,
        id="one-that-streams",
    ),
    pytest.param(
        [
            make_function(["box"], ["chat"], "other"),
            make_function(["box", "chat"], ["chat"], "respond"),
        ],
        1,
        ["prompt", "history"],
        0,
        id="one-with-a-known-name",
    ),
    pytest.param(
        [
            make_function(["box", "chat"], ["chat"], "_submit", api_visibility="undocumented"),
            make_function(["box", "state"], ["out", "state"], "fn", api_visibility="public"),
        ],
        1,
        ["prompt", None],
        0,
        id="one-of-the-api-6",
    ),
    pytest.param(
        [
            make_function(["box", "chat"], ["chat"], "_submit", show_api=False),
            make_function(["box", "state"], ["out", "state"], "fn", show_api=True),
        ],
        1,
        ["prompt", None],
        0,
        id="one-of-the-api-5",
    ),
    pytest.param(
        [
            make_function(["other"], ["out"], "submit_feedback"),
            make_function(["box", "chat"], ["chat"], show_api=False),
        ],
        1,
        ["prompt", "history"],
        0,
        id="a-hidden-chat-rather-than-a-text-from-another-box",
    ),
    pytest.param(
        [make_function(["box", "chat"], ["chat"], "_submit", show_api=False)],
        0,
        ["prompt", "history"],
        0,
        id="hidden-rather-than-none",
    ),
    pytest.param(
        [make_function(["box"], ["chat"], "a"), make_function(["box"], ["chat"], "b")],
        0,
        ["prompt"],
        0,
        id="two-that-are-the-same",
    ),
    pytest.param(
        [
            make_function(["image"], ["chat"]),
            make_function([], ["chat"]),
            make_function(["box"], ["out"]),
        ],
        2,
        ["prompt"],
        0,
        id="the-only-one-with-text",
    ),
]


@pytest.mark.parametrize(("functions", "index", "expected", "output"), FOUND)
def test_the_best_function_is_chosen(
    functions: list[Any], index: int, expected: list[str | None], output: int
) -> None:
    endpoint = find_endpoint(make_config(*functions, **PARTS))

    assert (endpoint.fn_index, roles(endpoint), endpoint.output) == (index, expected, output)


def test_several_that_fit_are_an_error_that_names_them() -> None:
    config = make_config(
        make_function(["box", "size"], ["chat"], "one"),
        make_function(["box", "system"], ["chat"], "two"),
        **PARTS,
    )

    with pytest.raises(EndpointError) as caught:
        find_endpoint(config)

    assert str(caught.value) == (
        "Several endpoints of the app fit a chat: /one (#0 Message as prompt, Size as model); "
        "/two (#1 Message as prompt, System prompt as system). "
        'Name one, as with endpoint="one".'
    )


def test_a_chat_interface_whose_api_cannot_answer_is_asked_by_the_steps_of_its_page() -> None:
    # gr.ChatInterface(multimodal=True) of Gradio 4.22 to 4.37: `/chat` puts its text into the
    # MultimodalTextbox, which takes none, and so fails.
    parts = {**PARTS, "box": ("multimodaltextbox", {}), "saved": ("state", {})}
    hidden = {"show_api": False, "queue": False, "types": {"generator": False}}
    config = make_config(
        make_function(["box"], ["box", "saved"], "_clear_and_save_textbox", **hidden),
        make_function(["saved", "state"], ["chat", "state"], "_display", trigger_after=0, **hidden),
        make_function(
            ["saved", "state", "system"],
            ["chat", "state"],
            "_stream_fn",
            trigger_after=1,
            show_api=False,
        ),
        make_function(["box", "state", "system"], ["box", "state"]),
        version="4.26.0",
        **parts,
    )

    endpoint = find_endpoint(config)

    assert [each.api_name for each in (*endpoint.before, endpoint)] == [
        "_clear_and_save_textbox",
        "_display",
        "_stream_fn",
    ]
    assert endpoint.output == 0
    assert endpoint.takes("system")


def test_a_text_that_may_come_with_files_can_be_the_reply() -> None:
    parts = {**PARTS, "box": ("multimodaltextbox", {})}

    endpoint = find_endpoint(make_config(make_function(["box"], ["box"]), **parts))

    assert endpoint.output == 0


@pytest.mark.parametrize(
    "functions",
    [
        pytest.param([], id="none"),
        pytest.param([make_function(["image"], ["chat"])], id="no-text-in"),
        pytest.param([make_function(["box"], ["image"])], id="no-text-out"),
        pytest.param([make_function(["gone"], ["gone"])], id="unknown-components"),
        pytest.param([make_function(["system"], ["chat"])], id="a-system-prompt-and-no-prompt"),
    ],
)
def test_an_app_without_a_chat_is_an_error(functions: list[Any]) -> None:
    with pytest.raises(EndpointError, match="no endpoint that fits a chat"):
        find_endpoint(make_config(*functions, **PARTS))


@pytest.mark.parametrize(
    ("function_", "expected"),
    [
        pytest.param({}, (0, "button"), id="as-it-says"),
        pytest.param({"id": 17}, (17, "button"), id="its-own-number"),
        pytest.param({"targets": [[None, "then"]]}, (0, None), id="chained"),
        pytest.param({"targets": []}, (0, None), id="no-targets"),
        pytest.param({"targets": [["box", "submit"], ["button", "click"]]}, (0, "box"), id="two"),
    ],
)
def test_numbers_are_the_app_s(function_: dict[str, Any], expected: tuple[int, Any]) -> None:
    endpoint = find_endpoint(make_config(make_function(["box"], ["out"], **function_), **PARTS))

    assert (endpoint.fn_index, endpoint.trigger_id) == expected


def test_a_function_without_a_number_has_that_of_its_place() -> None:
    config = make_config(make_function([], []), make_function(["box"], ["out"]), **PARTS)
    for each in config["dependencies"]:
        del each["id"]

    assert find_endpoint(config).fn_index == 1


@pytest.mark.parametrize("name", [False, None])
def test_a_function_without_a_name_is_found_too(name: Any) -> None:
    endpoint = find_endpoint(make_config(make_function(["box"], ["out"], name), **PARTS))

    assert endpoint.api_name is None


@pytest.mark.parametrize(
    ("version", "kind", "props", "shape"),
    [
        ("4.0.0", "chatbot", {}, "pairs"),
        ("4.44.1", "chatbot", {"type": "tuples"}, "pairs"),
        ("4.44.1", "chatbot", {"type": "messages"}, "messages"),
        ("5.50.0", "chatbot", {"type": "messages"}, "messages"),
        ("6.31.0", "chatbot", {}, "parts"),
        ("7.0.0", "chatbot", {}, "parts"),
        ("4.44.1", "modelscopechatbot", {}, "pairs"),
        ("5.50.0", "modelscopelegacychatbot", {}, "pairs"),
    ],
)
def test_a_history_has_the_shape_of_its_component(
    version: str, kind: str, props: Any, shape: str
) -> None:
    parts = {**PARTS, "chat": (kind, props)}

    endpoint = find_endpoint(
        make_config(make_function(["box", "chat"], ["chat"]), version=version, **parts)
    )

    assert [each.shape for each in endpoint.inputs if each.role == "history"] == [shape]


@pytest.mark.parametrize("version", ["3.50.2", "3.0"])
def test_gradio_3_is_an_error_that_says_so(version: str) -> None:
    with pytest.raises(ProtocolError, match=f"Gradio {version}.*needs Gradio 4"):
        find_endpoint(make_config(make_function(["box"], ["out"]), version=version, **PARTS))


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param("config", id="text"),
        pytest.param({}, id="empty"),
        pytest.param({"detail": "Not Found"}, id="another-api"),
        pytest.param({"dependencies": {}}, id="dependencies-no-list"),
        pytest.param({"dependencies": [1]}, id="dependency-no-dict"),
        pytest.param({"dependencies": [], "components": [1]}, id="component-no-dict"),
        pytest.param({"dependencies": [{"inputs": 1, "outputs": [1]}]}, id="inputs-no-list"),
        pytest.param(
            make_config(make_function(["box"], ["out"], targets=[[]]), **PARTS),
            id="target-without-component",
        ),
    ],
)
def test_any_other_json_is_no_config(config: Any) -> None:
    with pytest.raises(ProtocolError, match="/config"):
        find_endpoint(config)


JSON = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x", [], [1], {}, [[]]])


@given(st.data())
def test_a_config_with_anything_in_it_gives_nothing_worse_than_our_errors(
    data: st.DataObject,
) -> None:
    config = make_config(
        make_function(["box", "chat", "system", "size", "slider"], ["chat", "out"]),
        **copy.deepcopy(PARTS),
    )
    spots: list[tuple[Any, Any]] = []
    todo: list[Any] = [config]
    while todo:
        node = todo.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node))
        spots += [(node, key) for key in keys]
        todo += [node[key] for key in keys if isinstance(node[key], (dict, list))]
    node, key = data.draw(st.sampled_from(spots))
    node[key] = data.draw(JSON)

    try:
        endpoint = find_endpoint(config)
    except QwenSpaceError:
        return

    assert endpoint.takes("prompt")


def tell(message: Any, history: Any, system: str = "", temperature: float = 0.0) -> Iterator[str]:
    said = message if isinstance(message, str) else message["text"]
    for piece in ("1", "2"):
        yield f"{said}|{system}|{temperature}|{piece}"[: None if piece == "2" else 2]


def additional() -> list[Any]:
    return [
        gr.Textbox("You are kind.", label="System prompt"),
        gr.Slider(0, 2, value=0.7, label="Heat"),
    ]


@pytest.mark.parametrize(
    ("options", "system", "reply"),
    [
        pytest.param(dict, None, "Hi||0.0|2", id="plain"),
        pytest.param(lambda: {"multimodal": True}, None, "Hi||0.0|2", id="multimodal"),
        pytest.param(
            lambda: {"additional_inputs": additional()},
            "Be brief.",
            "Hi|Be brief.|0.7|2",
            id="with-system-prompt",
        ),
    ],
)
async def test_a_real_chat_interface_answers(options: Any, system: str | None, reply: str) -> None:
    def build() -> gr.ChatInterface:
        return gr.ChatInterface(tell, analytics_enabled=False, **options())

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            done = await client.complete("Hi", system=system)

    assert done.text == reply
