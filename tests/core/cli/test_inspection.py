from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from langchain_qwen_space import ChatQwenSpace
from qwen_space.cli.inspection import _state, inspect_config
from qwen_space.cli.inspection_table import inspection_table
from qwen_space.cli.main import main
from qwen_space.config import SpaceConfig
from qwen_space.errors import (
    AuthenticationError,
    EndpointError,
    ProtocolError,
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
)
from qwen_space.gradio.page.discovery import find_endpoint
from qwen_space.gradio.page.endpoint import Endpoint, Input
from qwen_space.gradio.page.known_spaces import QWEN_2_5

if TYPE_CHECKING:
    from conftest import ScriptedSpace

DATA = Path(__file__).parents[2] / "data"
CONFIG = SpaceConfig(space="http://127.0.0.1:7860")


def component(number: int, kind: str, **props: Any) -> dict[str, Any]:
    return {"id": number, "type": kind, "props": props}


def function(
    name: str | bool, inputs: list[int], outputs: list[int], **more: Any
) -> dict[str, Any]:
    return {"api_name": name, "inputs": inputs, "outputs": outputs, "targets": [[9, "x"]], **more}


COMPONENTS = [
    component(1, "textbox", label="[red]Ask\x1b[31m"),
    component(2, "chatbot", label="Chat", value=[]),
    component(3, "slider", label="Temperature", value=0.5),
    component(4, "dropdown", label="Model", value="a", choices=[["Small", "a"], ["Large", "b"]]),
]


def app(*functions: dict[str, Any]) -> dict[str, Any]:
    return {"version": "5.9.0", "components": COMPONENTS, "dependencies": list(functions)}


AMBIGUOUS = app(function("ask", [1], [2]), function("tell", [1, 4], [2]))
UNFIT = app(function("load", [], [2]), function("draw", [3], [3]))


@pytest.fixture
def serving() -> Iterator[Any]:
    """Start a server that gives a `/config`; return its address."""
    servers = []

    def serve(config: Any) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/config" else 404)
                self.end_headers()
                self.wfile.write(json.dumps(config).encode())

            def log_message(self, *_: object) -> None: ...

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_first_line_makes_a_model_and_the_rest_says_why(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    status = main(["inspect", space.url])

    printed = capsys.readouterr()
    assert (status, printed.err) == (0, "")
    first, *rest = printed.out.splitlines()
    assert first == f'ChatQwenSpace(space="{space.url}")'
    assert eval(first, {"ChatQwenSpace": ChatQwenSpace}).space == space.url
    assert max(map(len, rest)) <= 80
    words = " ".join(" ".join(rest).split())
    for said in (
        f"{space.url}: running, Gradio 6.",
        "sse_v3, /gradio_api.",
        "A chat uses /model_chat_1: named model_chat_1, listed in the app's API, streams, shows",
        "its reply in a chatbot; /model_chat, /chat would fit too. For temperature, top_p: /chat.",
        "prompt Message (textbox) its submit event starts a function",
        "history Chat (chatbot) the first chatbot",
        'model Model size (radio) "72B" of 32B, 14B, the label says model',
        'roles={"Message": "prompt", "Chat": "history", "System prompt": "system", "Model size"',
        'Others that fit a chat, by endpoint="model_chat" or endpoint="chat":',
        "/chat: Message (prompt), Chat (history), System prompt (system), Model (model), Temp",
        "Others: /clear_session, /modify_system_session.",
    ):
        assert said in words
    assert "/submit" not in words, "the page's own function is private"


def test_roles_that_are_asked_for_are_in_the_line(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # a line to paste stays one
    role = ["--role", "Model size=", "--role", "Message=prompt"]

    status = main(["inspect", space.url, "--endpoint", "model_chat", *role])

    assert status == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        f'ChatQwenSpace(space="{space.url}", endpoint="model_chat", '
        'roles={"Model size": None, "Message": "prompt"})'
    )


def test_inputs_that_are_asked_for_are_in_the_line(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--role", "Model size=", "--input", "Model size=7B"]

    status = main(["inspect", space.url, "--endpoint", "model_chat", *given])

    line = capsys.readouterr().out.split(")")[0]
    assert status == 0
    assert 'inputs={"Model size": "7B"}' in " ".join(line.split())


def test_an_input_that_the_app_does_not_have_is_a_misuse(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", space.url, "--input", "Colour=red"]) == 1
    assert "inputs=['Colour']: the app has no such input" in capsys.readouterr().err


@pytest.mark.parametrize("role", ["Message", "=prompt"])
def test_a_role_without_a_name_is_a_misuse(role: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "http://127.0.0.1:9", "--role", role]) == 1
    assert "it takes --role INPUT=ROLE" in capsys.readouterr().err


def test_an_input_is_named_by_the_first_name_that_is_its_own() -> None:
    chat = function("ask", [1, 5, 6, 7], [2])
    config = app(chat)
    config["components"] = [
        *COMPONENTS,
        component(5, "textbox", label="Same"),
        component(6, "textbox", label="Same"),
        component(7, "number"),
    ]
    info = {
        "named_endpoints": {
            "/ask": {
                "parameters": [{"parameter_name": name} for name in ("q", "one", "number", "n")]
            }
        }
    }

    found = inspect_config(CONFIG, config, find_endpoint(config, info=info), info=info)

    assert [each.name for each in found.uses] == ["[red]Ask\x1b[31m", "one", "number", "n"]


def test_a_label_that_is_the_parameter_in_words_is_a_name_of_its_own() -> None:
    config = app(function("ask", [1, 5, 2], [2]))
    config["components"] = [*COMPONENTS, component(5, "textbox", label="User Input")]
    parameters = [{"parameter_name": name} for name in ("ask", "user_input", "chat")]
    info = {"named_endpoints": {"/ask": {"parameters": parameters}}}

    found = inspect_config(CONFIG, config, find_endpoint(config, info=info), info=info)

    assert [each.name for each in found.uses][1] == "User Input"


def test_a_figure_that_its_own_event_sets_is_shown_and_is_none_of_roles() -> None:
    chat = function("ask", [1, 8], [2])
    setter = {**function("heat", [8, 9], []), "id": 1, "targets": [[9, "input"]]}
    config = app(chat, setter)
    heat = {**component(9, "slider", label="Temperature"), "id": 9}
    config["components"] = [*COMPONENTS, component(8, "state"), heat]

    found = inspect_config(CONFIG, config, find_endpoint(config))

    last = found.uses[-1]
    assert (last.name, last.role) == ("Temperature", "temperature")
    assert last.why == "the label says temperature; its own event sets it"
    assert "Temperature" not in found.roles


def test_a_chat_that_takes_no_turns_is_no_example_of_a_further_input(
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = app(function("ask", [1, 2, 8, 9], [2]))
    voice = component(9, "dropdown", label="Voice", choices=[["A", "a"]])
    config["components"] = [*COMPONENTS, component(8, "state"), voice]

    Console(width=100).print(
        inspection_table(inspect_config(CONFIG, config, find_endpoint(config)))
    )

    assert 'inputs={"Voice": ...}' in capsys.readouterr().out


def test_json_is_one_object_and_nothing_else(
    space: ScriptedSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["inspect", space.url, "--json"])

    printed = capsys.readouterr()
    assert (status, printed.err) == (0, "")
    found = json.loads(printed.out)
    assert list(found) == [
        *("space", "state", "gradio", "protocol", "prefix", "endpoint", "call", "roles"),
        *("why", "error", "endpoints"),
    ]
    assert found["endpoint"] == "model_chat_1"
    assert found["error"] is None
    (chosen,) = (each for each in found["endpoints"] if each["chosen"])
    assert {key: chosen[key] for key in ("fn_index", "public", "streams", "fits")} == {
        "fn_index": 3,
        "public": True,
        "streams": True,
        "fits": True,
    }
    names = [each["parameter"] for each in chosen["inputs"]]
    assert names == ["query", "history", "system", "radio"]
    assert all(each["why"] for each in chosen["inputs"])
    roles = [each["role"] for each in chosen["inputs"]]
    assert roles == ["prompt", "history", "system", "model"]
    size = chosen["inputs"][3]
    assert (size["label"], size["component"], size["default"]) == ("Model size", "radio", "72B")
    assert size["choices"][:2] == ["72B", "32B"]
    assert [each["role"] for each in chosen["outputs"]] == [None, "reply", None]


@pytest.mark.parametrize(
    ("config", "endpoint", "said", "advice"),
    [
        pytest.param(AMBIGUOUS, None, "Several endpoints", 'by endpoint="ask" or endpoint="tell"'),
        pytest.param(UNFIT, None, "no endpoint that fits", "A chat needs a function"),
        pytest.param(AMBIGUOUS, None, "Several endpoints", 'endpoint="ask")'),
        pytest.param(AMBIGUOUS, "shout", "has no endpoint /shout", 'endpoint="ask")'),
    ],
)
def test_where_nothing_can_be_chosen_the_table_is_there_with_advice(
    serving: Any,
    capsys: pytest.CaptureFixture[str],
    config: Any,
    endpoint: str | None,
    said: str,
    advice: str,
) -> None:
    name = [] if endpoint is None else ["--endpoint", endpoint]

    status = main(["inspect", serving(config), *name])

    printed = capsys.readouterr()
    assert status == 1
    assert printed.err.startswith("qwen-space: ")
    assert said in printed.err
    assert advice in printed.out
    assert all(f"/{each['api_name']}" in printed.out for each in config["dependencies"])


def test_the_endpoint_that_is_asked_for_is_chosen(
    serving: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["inspect", serving(AMBIGUOUS), "--endpoint", "tell"])

    assert status == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "A chat uses /tell: asked for by name" in out
    assert "[red]Ask[31m (textbox)" in out, "markup and control characters of an app do not count"


@pytest.mark.parametrize("as_json", [False, True], ids=["table", "json"])
def test_a_space_that_cannot_be_asked_has_a_state_and_an_error(
    *, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["inspect", "http://127.0.0.1:9", *(["--json"] if as_json else [])])

    printed = capsys.readouterr()
    assert status == 1
    assert "Cannot reach http://127.0.0.1:9" in printed.err
    if as_json:
        found = json.loads(printed.out)
        assert (found["state"], found["endpoints"]) == ("unreachable", [])
        assert "Cannot reach" in found["error"]
    else:
        assert "unreachable" in printed.out


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (SpaceUnavailableError("u", "paused"), "unavailable"),
        (SpaceUnavailableError("u", "d", stage="PAUSED"), "paused"),
        (SpaceUnavailableError("u", "d", stage="SLEEPING"), "sleeping"),
        (SpaceUnavailableError("u", "d", stage="RUNNING_APP_STARTING"), "starting"),
        (SpaceUnavailableError("u", "d", stage="NO_APP_FILE"), "no app file"),
        (SpaceTimeoutError("connect", 1), "silent"),
        (AuthenticationError("u", "no"), "refused"),
        (QuotaError("too many"), "busy"),
        (SpaceStatusError(404, "u"), "unknown"),
    ],
)
def test_an_error_tells_the_state_of_the_space(error: QwenSpaceError, state: str) -> None:
    assert _state(error) == state


@pytest.mark.parametrize("version", ["4.44.1-ms", "5.50.0-msg", "6.31.0-msg"], ids=["4", "5", "6"])
def test_recorded_apps_of_each_gradio_are_read(version: str) -> None:
    answer = json.loads((DATA / version / "config.json").read_text("utf-8"))

    found = inspect_config(CONFIG, answer, find_endpoint(answer))

    assert found.error is None
    assert found.gradio == answer["version"]
    assert found.chosen is not None
    assert found.chosen.name == "model_chat_1"
    assert {each.name for each in found.endpoints if each.fits} >= {"model_chat", "model_chat_1"}
    assert not any((each.name or "").startswith("unnamed") for each in found.endpoints), (
        "what only runs in the page is no endpoint"
    )
    json.dumps(found.to_json())


def test_steps_before_the_reply_are_shown_as_such() -> None:
    steps = (
        function("take", [1, 2], [1, 2], id=0),
        function("answer", [2], [2], id=1, trigger_after=0, types={"generator": True}),
    )
    answer = app(*steps)

    found = inspect_config(CONFIG, answer, find_endpoint(answer))

    marks = [(each.name, each.step, each.chosen, each.fits) for each in found.endpoints]
    assert marks == [("take", True, False, False), ("answer", False, True, True)]
    assert str(found.why).endswith("runs after /take")


def test_a_function_without_a_name_is_shown_if_a_chat_uses_it() -> None:
    answer = app(function(False, [1, 4], [2]), function(False, [3], [3]))

    found = inspect_config(CONFIG, answer, find_endpoint(answer))

    (only,) = found.endpoints
    assert (only.name, only.title, only.chosen) == (None, "#0", True)
    assert only.inputs[1].choices == ["a", "b"]
    assert found.why is not None
    assert found.why.startswith("the only one that fits a chat")


def test_a_function_that_only_we_know_of_is_named_as_such() -> None:
    answer = app(function("load", [], [2]))

    found = inspect_config(CONFIG, answer, QWEN_2_5)

    assert (found.chosen, found.error) == (None, None)
    assert found.why == "known of this Space, though its /config does not tell"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(["no", "app"], id="list"),
        pytest.param({"version": "5.0"}, id="no-functions"),
        pytest.param({"version": "5.0", "dependencies": [7]}, id="no-function"),
        pytest.param(
            {"dependencies": [function("a", [1], [1])], "components": [1]}, id="component"
        ),
    ],
)
def test_an_answer_that_is_no_config_is_a_protocol_error(answer: Any) -> None:
    found = inspect_config(CONFIG, answer)

    assert isinstance(found.error, ProtocolError)
    assert found.endpoints == ()


def test_an_error_of_discovery_stands_before_one_of_ours() -> None:
    error = EndpointError("first")

    assert inspect_config(CONFIG, {}, error=error).error is error


def test_a_function_that_the_page_makes_as_it_loads_is_said_to_be_made_so() -> None:
    given = Input("prompt", "Message", component=7)
    chosen = Endpoint("bot", 5, None, (given,), 0)

    found = inspect_config(CONFIG, app(), chosen)

    assert found.why == "made as the page loads (gr.render)"
