"""An app's `/info` beside its `/config`, and Spaces that are known by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from qwen_space import ProtocolError, SpaceClient
from qwen_space.gradio.page.discovery import find_endpoint, is_unclear
from qwen_space.gradio.page.known_spaces import QWEN_2_5
from tests import gradio_app

TEXT, CHAT, CHOICE, STATE = "textbox", "chatbot", "radio", "state"


def config(*inputs: tuple[str, str | None]) -> dict[str, Any]:
    """Make a `/config` of a function with these inputs, each a kind and a label."""
    components = [
        {"id": at, "type": kind, "props": {"label": label}}
        for at, (kind, label) in enumerate(inputs)
    ]
    out = {"id": 99, "type": "chatbot", "props": {}}
    function = {
        "id": 0,
        "api_name": "chat",
        "inputs": list(range(len(inputs))),
        "outputs": [99],
        "targets": [[50, "click"]],
    }
    return {
        "version": "5.0.0",
        "components": [*components, out],
        "dependencies": [function],
    }


def info(*names: str, api_name: str = "chat") -> dict[str, Any]:
    parameters = [{"parameter_name": name} for name in names]
    return {"named_endpoints": {f"/{api_name}": {"parameters": parameters}}}


@pytest.mark.parametrize(
    ("inputs", "names", "roles"),
    [
        pytest.param(
            [(TEXT, "A"), (TEXT, "B")], ["query", "system"], ["prompt", "system"], id="system"
        ),
        pytest.param(
            [(TEXT, "A"), (TEXT, "B")],
            ["system_message", "message"],
            ["system", "prompt"],
            id="the-prompt-is-the-second",
        ),
        pytest.param(
            [(TEXT, "A"), (CHOICE, "B"), (CHOICE, "C")],
            ["message", "style", "model"],
            ["prompt", None, "model"],
            id="model",
        ),
        pytest.param(
            [(TEXT, "A"), (CHOICE, "Qwen")],
            ["message", "language"],
            ["prompt", "model"],
            id="a-label-counts-too",
        ),
        pytest.param(
            [(TEXT, "A"), (STATE, None), (TEXT, "B")],
            ["message", "system_prompt"],
            ["prompt", None, "system"],
            id="states-have-no-parameter",
        ),
        pytest.param(
            [(TEXT, "A"), (TEXT, "System")],
            ["x", "y"],
            ["prompt", "system"],
            id="names-that-say-nothing",
        ),
        pytest.param(
            [(TEXT, "A"), (CHAT, "H")],
            ["message", "system"],
            ["prompt", "history"],
            id="a-chat-is-no-system-prompt",
        ),
        pytest.param(
            [(TEXT, "A"), ("slider", "B"), ("slider", "B"), ("slider", "B")],
            ["message", "top_p", "max_new_tokens", "temperature"],
            ["prompt", "top_p", "max_tokens", "temperature"],
            id="sampling-under-one-label",
        ),
    ],
)
def test_the_parameters_names_tell_the_roles(
    inputs: list[tuple[str, str | None]], names: list[str], roles: list[str | None]
) -> None:
    found = find_endpoint(config(*inputs), info=info(*names))

    assert [each.role for each in found.inputs] == roles
    assert [each.parameter for each in found.inputs if each.kind != "state"] == names


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="empty"),
        pytest.param(None, id="null"),
        pytest.param(info("message"), id="too-few"),
        pytest.param(info("a", "b", api_name="other"), id="of-another"),
        pytest.param({"named_endpoints": {"/chat": {"parameters": [{}, {}]}}}, id="no-names"),
    ],
)
def test_an_info_that_does_not_fit_changes_nothing(answer: Any) -> None:
    answered = config((TEXT, "A"), (TEXT, "B"))

    assert find_endpoint(answered, info=answer) == find_endpoint(answered)


def test_a_text_without_a_meaning_is_unclear() -> None:
    assert is_unclear(find_endpoint(config((TEXT, "A"), (TEXT, "B"))))
    assert not is_unclear(find_endpoint(config((TEXT, "A"), (TEXT, "System"))))
    assert not is_unclear(find_endpoint(config((TEXT, "A"), ("slider", "Heat"))))


def test_further_inputs_are_known_by_label_and_by_parameter() -> None:
    answered = config((TEXT, "A"), ("slider", "Heat"))
    free = find_endpoint(answered)
    named = find_endpoint(answered, info=info("message", "temperature"))

    assert free.knows(["heat"])
    assert not free.knows(["temperature"])
    for placed in (
        named.place_inputs({"temperature": 0.1}),
        named.place_inputs({"Heat": 0.1}),
        named.place_sampling({"temperature": 0.1}),
    ):
        assert named.data("Hi", values=placed) == ["Hi", 0.1]
    with pytest.raises(ValueError, match=r"no such input.*temperature"):
        named.place_inputs({"warmth": 1})


def test_a_value_goes_to_no_other_input_of_the_same_label() -> None:
    answered = config((TEXT, "A"), ("slider", "B"), ("slider", "B"))
    unnamed = find_endpoint(answered)
    named = find_endpoint(answered, info=info("message", "one", "two"))

    with pytest.raises(ValueError, match="has 2 inputs named 'B'"):
        unnamed.place_inputs({"B": 1})
    assert named.data("Hi", values=named.place_inputs({"two": 7})) == ["Hi", 0, 7]


# A real app


def answer(query: str, second: str, temperature: float, style: str) -> Iterator[str]:
    yield f"{query}|{second}|{temperature}|{style}"


def build() -> gr.Blocks:
    """An app whose labels say nothing, and whose parameters say it all."""
    with gr.Blocks(analytics_enabled=False) as app:
        boxes = [gr.Textbox(label="one"), gr.Textbox(label="two")]
        heat = gr.Slider(0, 2, value=0.7, label="Heat")
        style = gr.Dropdown(["terse", "long"], value="long", label="How")
        reply = gr.Textbox(label="out")

        def respond(message: str, system_prompt: str, temperature: float, style: str) -> Any:
            yield from answer(message, system_prompt, temperature, style)

        gr.Button().click(respond, [*boxes, heat, style], reply, api_name="ask")
    return app


@pytest.fixture(scope="module")
def unlabelled() -> Iterator[str]:
    with gradio_app.running(build) as url:
        yield url


@pytest.mark.parametrize(
    ("arguments", "reply"),
    [
        pytest.param({}, "Hi|S|0.7|long", id="defaults"),
        pytest.param({"inputs": {"style": "terse"}}, "Hi|S|0.7|terse", id="input-by-parameter"),
        pytest.param({"inputs": {"How": "terse"}}, "Hi|S|0.7|terse", id="input-by-label"),
        pytest.param({"sampling": {"temperature": 0.2}}, "Hi|S|0.2|long", id="sampling"),
    ],
)
async def test_an_app_is_understood_by_its_parameters(
    unlabelled: str, arguments: Any, reply: str
) -> None:
    async with SpaceClient(unlabelled) as client:
        done = await client.complete("Hi", system="S", **arguments)

    assert done.text == reply


def test_the_public_space_needs_no_info() -> None:
    assert QWEN_2_5.knows([])
    assert not is_unclear(QWEN_2_5)


def beside(kind: str, chat: int) -> dict[str, Any]:
    """Make a `/config` of a chat that takes text, and of a function that takes more than text.

    Args:
        kind: The other function's input.
        chat: The chat of that function: 1 is that of the first, 2 another.
    """
    app = config((TEXT, "Message"), (CHAT, None))
    first = {**app["dependencies"][0], "outputs": [1], "targets": [[0, "submit"]]}
    other = {**first, "id": 1, "inputs": [3, chat], "outputs": [chat], "targets": [[3, "submit"]]}
    app["components"] += [
        {"id": 2, "type": CHAT, "props": {}},
        {"id": 3, "type": kind, "props": {"label": "Message and files"}},
    ]
    app["dependencies"] = [{**first, "api_name": "chat"}, {**other, "api_name": "files"}]
    return app


@pytest.mark.parametrize(
    ("kind", "chat", "found"),
    [
        pytest.param("multimodaltextbox", 1, 1, id="of-the-same-chat"),
        pytest.param("multimodaltextbox", 2, None, id="of-another-chat"),
        pytest.param(TEXT, 1, None, id="that-takes-text-alone"),
    ],
)
def test_files_go_to_the_function_of_the_same_chat_that_takes_them(
    kind: str, chat: int, found: int | None
) -> None:
    endpoint = find_endpoint(beside(kind, chat))

    assert endpoint.fn_index == 0
    assert (endpoint.with_media and endpoint.with_media.fn_index) == found


def test_an_app_with_too_many_functions_is_an_error() -> None:
    app = config((TEXT, None))
    app["dependencies"] *= 10_001

    with pytest.raises(ProtocolError, match="more than 10000 functions"):
        find_endpoint(app)
