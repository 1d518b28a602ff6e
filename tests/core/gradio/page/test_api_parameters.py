"""Functions without a page (`gr.api`, `gr.Server`): types, names of parameters, real Gradio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import EndpointError, Space, SpaceClient
from qwen_space.gradio.page.api_parameters import read_parameter
from qwen_space.gradio.page.discovery import find_endpoint, is_unclear
from tests.core.gradio.page.app_config import PARTS, make_config, make_function, roles
from tests.gradio_app import running

TEXT: dict[str, Any] = {"type": "string"}
LIST: dict[str, Any] = {"type": "array", "items": {}}
MESSAGES = {"type": "array", "items": {"type": "object", "additionalProperties": {}}}
PAIRS = {"type": "array", "items": {"type": "array", "prefixItems": [TEXT, TEXT]}}
FILE = {
    "type": "object",
    "properties": {
        "path": TEXT,
        "meta": {"type": "object", "properties": {"_type": {"const": "gradio.FileData"}}},
    },
}


def optional(schema: Any) -> dict[str, Any]:
    return {"oneOf": [{"type": "null"}, schema]}


def parameter(schema: Any, **props: Any) -> tuple[str, dict[str, Any]]:
    return "api", {"_api_info": schema, "label": "1st", **props}


def info(name: str, *parameters: str) -> dict[str, Any]:
    named = [{"parameter_name": each} for each in parameters]
    return {"named_endpoints": {f"/{name}": {"parameters": named}}}


def chat(*schemas: Any, reply: Any = TEXT, **more: Any) -> dict[str, Any]:
    """Make a `/config` of one function, with parameters of these types."""
    names = [f"p{at}" for at, _ in enumerate(schemas)]
    parts = dict(zip(names, map(parameter, schemas), strict=True))
    function = make_function(names, ["out"], targets=[], **more)
    return make_config(function, **parts, out=parameter(reply), version="6.0.0")


VALUES = [
    pytest.param(TEXT, {}, ("textbox", ""), id="text"),
    pytest.param(TEXT, {"value": "Be kind."}, ("textbox", "Be kind."), id="text-with-default"),
    pytest.param(optional(TEXT), {}, ("textbox", None), id="text-or-none"),
    pytest.param({"type": "integer"}, {"value": 3}, ("number", 3), id="whole-number"),
    pytest.param({"type": "number"}, {}, ("number", 0), id="number"),
    pytest.param({"type": "boolean"}, {"value": True}, ("checkbox", True), id="flag"),
    pytest.param(LIST, {}, ("api", []), id="list"),
    pytest.param(optional(MESSAGES), {}, ("api", None), id="list-or-none"),
    pytest.param(optional(FILE), {}, ("file", None), id="file"),
    pytest.param({"type": "object"}, {"value": {"a": 1}}, ("api", {"a": 1}), id="object"),
    pytest.param({}, {}, ("api", None), id="any"),
    pytest.param(None, {}, ("api", None), id="no-schema"),
    pytest.param({"oneOf": [TEXT, LIST]}, {}, ("api", None), id="one-of-two"),
]


@pytest.mark.parametrize(("schema", "props", "expected"), VALUES)
def test_a_type_tells_the_kind_and_the_untouched_value(
    schema: Any, props: dict[str, Any], expected: tuple[str, Any]
) -> None:
    assert read_parameter({"_api_info": schema, **props}) == expected


@pytest.mark.parametrize("reply", [TEXT, {"type": "object"}, {}])
def test_a_text_an_object_and_an_untold_type_can_be_a_reply(reply: Any) -> None:
    endpoint = find_endpoint(chat(TEXT, reply=reply))

    assert (endpoint.api_name, roles(endpoint), endpoint.output) == ("chat", ["prompt"], 0)


def test_the_names_of_the_parameters_tell_the_roles() -> None:
    config = chat(TEXT, TEXT, MESSAGES, {"type": "number"}, {"type": "integer"}, {"type": "number"})
    names = info(
        "chat", "system_prompt", "message", "history", "temperature", "max_new_tokens", "top_k"
    )

    unnamed = find_endpoint(config)
    endpoint = find_endpoint(config, info=names)

    assert is_unclear(unnamed)
    expected = ["system", "prompt", "history", "temperature", "max_tokens", None]
    assert roles(endpoint) == expected
    assert [each.name for each in endpoint.inputs][:2] == ["system_prompt", "message"]


@pytest.mark.parametrize(
    ("schema", "name", "role", "shape"),
    [
        pytest.param(LIST, "history", "history", "messages", id="any"),
        pytest.param(optional(LIST), "chat_history", "history", "messages", id="or-none"),
        pytest.param(PAIRS, "history", "history", "pairs", id="pairs"),
        pytest.param({"type": "array", "items": TEXT}, "history", None, "messages", id="texts"),
        pytest.param(LIST, "documents", None, "messages", id="other-name"),
        pytest.param({"type": "object"}, "history", None, "messages", id="object"),
    ],
)
def test_turns_go_into_a_list_of_that_name_alone(
    schema: Any, name: str, role: str | None, shape: str
) -> None:
    endpoint = find_endpoint(chat(TEXT, schema), info=info("chat", "message", name))

    assert (endpoint.inputs[1].role, endpoint.inputs[1].shape) == (role, shape)


def test_what_the_page_shows_comes_before_a_function_without_a_page() -> None:
    config = make_config(
        make_function(["p"], ["out2"], targets=[], name="chat"),
        make_function(["box"], ["out"], api_name="answer", api_visibility="private"),
        p=parameter(TEXT),
        out2=parameter(TEXT),
        **PARTS,
    )

    assert find_endpoint(config).api_name == "answer"
    assert find_endpoint(config, "chat").fn_index == 0


def build() -> Any:
    """Make an app as a page in JavaScript has it: `gr.api` alone, beside HTML."""
    import gradio as gr

    def chat(
        message: str,
        history: list[dict[str, Any]] | None = None,
        system_prompt: str = "Be kind.",
        temperature: float = 0.5,
        tags: list[str] | None = None,
    ) -> Iterator[Any]:
        said = f"{system_prompt} {[each['content'] for each in history or []]} {message}"
        for end in (3, len(said)):
            yield {"text": f"{said[:end]}", "done": end > 3}
        yield {"text": f"{said} {temperature} {tags}", "done": True}

    def add(first: int, second: int) -> int:
        return first + second

    with gr.Blocks(analytics_enabled=False) as app:
        gr.HTML('<div id="root"></div>')
        gr.api(chat, api_name="chat")
        gr.api(add, api_name="add")
    return app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(build) as url:
        yield url


TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "I am Ann"},
    {"role": "assistant", "content": "Hello Ann"},
    {"role": "user", "content": "Who?"},
]


async def test_turns_system_prompt_and_figures_reach_a_real_function(url: str) -> None:
    async with SpaceClient(url) as client:
        done = await client.chat(TURNS, sampling={"temperature": 0.2})
        plain = await client.complete("Hi", inputs={"tags": ["a"]})

    assert done.text == "Be brief. ['I am Ann', 'Hello Ann'] Who? 0.2 None"
    assert plain.text == "Be kind. [] Hi 0.5 ['a']"


def test_both_adapters_and_blocking_callers_use_it(url: str) -> None:
    pieces = [each.text for each in ChatQwenSpace(space=url).stream("Hi")]

    expected = "Be kind. [] Hi 0.5 None"
    assert "".join(pieces) == expected
    assert QwenSpace(space=url).complete("Hi").text == expected
    assert Space(url).complete("Hi").text == expected


# Functions whose prompt is the last of a list of messages


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({"messages": MESSAGES}, ["prompt"], id="messages"),
        pytest.param({"messages": LIST}, ["prompt"], id="any-list"),
        pytest.param({"history": MESSAGES}, ["prompt"], id="a-history-alone"),
        pytest.param({"messages": PAIRS}, None, id="pairs"),
        pytest.param({"documents": MESSAGES}, None, id="another-list"),
        pytest.param({"documents": MESSAGES, "q": TEXT}, [None, "prompt"], id="beside-a-text"),
        pytest.param(
            {"system_prompt": TEXT, "messages": MESSAGES, "temperature": {"type": "number"}},
            ["system", "prompt", "temperature"],
            id="with-a-system-prompt",
        ),
        pytest.param({"messages": LIST, "session_id": TEXT}, ["prompt", None], id="with-an-id"),
        pytest.param({"messages": LIST, "context": TEXT}, ["prompt", None], id="with-a-context"),
        pytest.param({"message": TEXT, "messages": LIST}, ["prompt", "history"], id="a-message"),
        pytest.param({"user_query": TEXT, "messages": LIST}, ["prompt", "history"], id="a-query"),
        pytest.param({"q": TEXT, "history": LIST}, ["prompt", "history"], id="a-text-and-history"),
    ],
)
def test_the_prompt_is_the_last_message_where_no_text_can_be(
    parameters: dict[str, Any], expected: list[str | None] | None
) -> None:
    config, names = chat(*parameters.values()), info("chat", *parameters)

    if expected is None:
        with pytest.raises(EndpointError):
            find_endpoint(config, info=names)
    else:
        assert is_unclear(find_endpoint(config))
        assert roles(find_endpoint(config, info=names)) == expected


def test_of_two_functions_the_one_with_a_text_is_taken() -> None:
    config = make_config(
        make_function(["list"], ["out"], targets=[], name="rank"),
        make_function(["text"], ["out"], targets=[], name="ask"),
        list=parameter(MESSAGES),
        text=parameter(TEXT),
        out=parameter(TEXT),
    )

    assert find_endpoint(config).api_name == "ask"


def build_messages() -> Any:
    import gradio as gr

    def chat(messages: list[dict[str, Any]], temperature: float = 0.5) -> Iterator[str]:
        said = f"{[(each['role'], each['content']) for each in messages]} {temperature}"
        yield said[:9]
        yield said

    with gr.Blocks(analytics_enabled=False) as app:
        gr.HTML('<div id="root"></div>')
        gr.api(chat, api_name="generate")
    return app


def test_a_whole_chat_reaches_a_real_function_as_its_messages() -> None:
    with running(build_messages) as url:
        told = Space(url).chat(TURNS, sampling={"temperature": 0.2}).text
        split = Space(url, history="split").chat(TURNS).text
        pieces = [each.text for each in ChatQwenSpace(space=url).stream("Hi")]
        llama = QwenSpace(space=url).complete("Hi").text

    turns = [(each["role"], each["content"]) for each in TURNS]
    assert told == f"{turns} 0.2"
    prompt = "User: I am Ann\nAssistant: Hello Ann\nUser: Who?\nAssistant:"
    assert split == f"{[turns[0], ('user', prompt)]} 0.5"
    assert "".join(pieces) == llama == "[('user', 'Hi')] 0.5"


def build_lists() -> Any:
    import gradio as gr

    def generate(messages: list[dict[str, Any]]) -> str:
        return f"You said {messages[-1]['content']}"

    def add(documents: list[dict[str, Any]]) -> str:
        return f"{len(documents)} more"

    with gr.Blocks(analytics_enabled=False) as app:
        gr.api(add)
        gr.api(generate)
    return app


def test_of_two_functions_with_lists_the_name_tells_the_one_that_chats() -> None:
    with running(build_lists) as url:
        assert Space(url).chat([{"role": "user", "content": "Hi"}]).text == "You said Hi"
