"""The roles of an app's inputs, by the evidence that real pages give."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.errors import EndpointError
from qwen_space.gradio.page.discovery import find_endpoint
from tests.core.gradio.page.app_config import roles
from tests.core.gradio.page.role_page import BOX, CHAT, page


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(page(BOX, BOX, submit=1), [None, "prompt"], id="the-box-that-submits"),
        pytest.param(page(BOX, BOX, gives=(1,)), [None, "prompt"], id="the-box-that-is-cleared"),
        pytest.param(page(BOX, BOX), ["prompt", None], id="the-first-text"),
        pytest.param(
            page({**BOX, "type": "textbox", "label": "Notes"}, {**BOX, "label": "Your message"}),
            [None, "prompt"],
            id="the-box-that-is-called-message",
        ),
        pytest.param(
            page({"type": "antdinputpassword"}, BOX), [None, "prompt"], id="never-a-password"
        ),
        pytest.param(
            page(BOX, {**BOX, "label": "Input tokens", "interactive": False}, gives=(1,)),
            ["prompt", None],
            id="never-a-box-that-only-shows",
        ),
        pytest.param(
            page({**BOX, "interactive": False}), ["prompt"], id="but-where-the-page-unlocks-it"
        ),
        pytest.param(
            page({**BOX, "label": "Model"}, {**BOX, "label": "Source Lang"}, {**BOX, "label": "A"}),
            [None, None, "prompt"],
            id="the-first-that-is-no-setting-s",
        ),
        pytest.param(
            page({**BOX, "interactive": False}, {**BOX, "label": "User id"}, submit=0),
            ["prompt", None],
            id="and-where-it-submits",
        ),
    ],
)
def test_the_prompt_is_the_box_that_a_visitor_sends(config: Any, expected: Any) -> None:
    assert roles(find_endpoint(config)) == expected


def test_of_boxes_that_start_the_same_function_the_first_input_is_the_prompt() -> None:
    config = page(BOX, {**BOX, "placeholder": "Success criteria"}, CHAT, submit=1)
    config["dependencies"].append(
        {**config["dependencies"][0], "id": 1, "targets": [[0, "submit"]]}
    )

    assert roles(find_endpoint(config)) == ["prompt", None, "history"]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param({"label": "References", "placeholder": "Enter a message"}, 1, id="references"),
        pytest.param({"label": "Context (optional)"}, 1, id="context"),
        pytest.param({"label": "参考资料", "placeholder": "输入你的参考资料"}, 1, id="chinese"),
        pytest.param({"label": "Справочная информация"}, 1, id="russian"),
        pytest.param({"label": "Model name"}, 1, id="a-setting"),
        pytest.param({"label": "Reference Text"}, 1, id="the-text-of-a-recording"),
        pytest.param({"label": "Context text"}, 1, id="a-text-with-context"),
        pytest.param({"label": "Ask about the reference text"}, 0, id="a-question-about-it"),
        pytest.param({"label": "Source text"}, 0, id="a-text-to-translate"),
        pytest.param({"label": "Chat with the context"}, 0, id="a-label-that-asks"),
        pytest.param({"label": "Article"}, 0, id="a-text-to-be-worked-on"),
    ],
)
def test_the_prompt_is_not_the_material_beside_a_box_that_is_sent_with_it(
    other: dict[str, Any], expected: int
) -> None:
    config = page({**BOX, **other}, {**BOX, "label": "Consult"}, submit=0)
    config["dependencies"][0]["targets"].append([1, "submit"])

    assert roles(find_endpoint(config)).index("prompt") == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param({"label": "Instruction"}, {"label": "Input"}, 0, id="instruction-and-input"),
        pytest.param({"label": "输入"}, {"label": "指令"}, 1, id="chinese"),
        pytest.param({"label": "Instruction"}, {"label": "Message"}, 1, id="a-message"),
    ],
)
def test_an_input_is_the_material_of_an_instruction(
    first: dict[str, Any], second: dict[str, Any], expected: int
) -> None:
    config = page({**BOX, **first}, {**BOX, **second}, submit=0)
    config["dependencies"][0]["targets"].append([1, "submit"])

    assert roles(find_endpoint(config)).index("prompt") == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        pytest.param("Answer the questions", 0, id="answers"),
        pytest.param("Your answers to the clarifying questions", 0, id="clarifying"),
        pytest.param("Feedback", 0, id="feedback"),
        pytest.param("Refine the report", 0, id="refine"),
        pytest.param("Follow-up question", 0, id="follow-up"),
        pytest.param("Уточнения к вопросу", 0, id="russian"),
        pytest.param("输入您的修改意见...", 0, id="chinese"),
        pytest.param("Your question", 1, id="a-question"),
        pytest.param("Prompt to refine", 1, id="a-prompt-that-the-page-works-on"),
    ],
)
def test_the_prompt_is_not_what_a_page_asks_for_once_it_has_answered(
    label: str, expected: int
) -> None:
    config = page({**BOX, "label": "Topic"}, {**BOX, "label": label})

    assert roles(find_endpoint(config)).index("prompt") == expected
    assert roles(find_endpoint(page({**BOX, "label": label}))) == ["prompt"]


def test_material_is_the_prompt_where_its_box_alone_is_sent() -> None:
    config = page({**BOX, "label": "Context"}, {**BOX, "label": "Style"}, submit=0)

    assert roles(find_endpoint(config)) == ["prompt", None]


CODE: dict[str, Any] = {"type": "code"}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        pytest.param([CODE], ["prompt"], id="code"),
        pytest.param([CODE, BOX], [None, "prompt"], id="a-text-comes-first"),
        pytest.param(
            [{**CODE, "interactive": False}, CODE], [None, "prompt"], id="not-a-shown-one"
        ),
        pytest.param(
            [{**BOX, "label": "System prompt"}, CODE],
            ["system", "prompt"],
            id="beside-a-system-box",
        ),
    ],
)
def test_where_there_is_no_other_text_code_is_the_prompt(inputs: Any, expected: Any) -> None:
    assert roles(find_endpoint(page(*inputs))) == expected


def test_of_two_boxes_of_code_none_is_the_prompt() -> None:
    with pytest.raises(EndpointError, match="roles="):
        find_endpoint(page(CODE, CODE), "answer")


def test_a_password_is_never_the_prompt() -> None:
    config = page({**BOX, "label": "API key"}, {**BOX, "label": "Message"}, submit=0)
    config["components"][0]["props"]["type"] = "password"

    assert roles(find_endpoint(config)) == [None, "prompt"]
    del config["dependencies"][0]["inputs"][1]
    with pytest.raises(EndpointError):
        find_endpoint(config)


@pytest.mark.parametrize(
    "look",
    [
        {"label": "System prompt"},
        {"label": "SYSTEM MESSAGE"},
        {"label": "系统提示词"},
        {"label": "系統提示"},
        {"label": "角色设置"},
        {"label": "Системный промпт"},
        {"label": "システムプロンプト"},
        {"placeholder": "System Prompt"},
        {"placeholder": "Введите системное сообщение"},
        {"value": "You are a pirate."},
        {"value": "你是一个乐于助人的助手。"},
        {"value": "Ты — полезный помощник."},
    ],
    ids=str,
)
def test_a_system_box_is_seen_by_label_placeholder_and_value(look: dict[str, Any]) -> None:
    found = find_endpoint(page({**BOX, **look}, BOX, CHAT))

    assert roles(found) == ["system", "prompt", "history"]


@pytest.mark.parametrize("label", ["Operating system", "File system", "Ecosystem"])
def test_not_each_system_is_a_system_prompt(label: str) -> None:
    assert "system" not in roles(find_endpoint(page(BOX, {**BOX, "label": label}, submit=0)))


@pytest.mark.parametrize("label", ["Instructions", "Initial prompt", "Context", "Behavior"])
@pytest.mark.parametrize(
    ("value", "submit", "expected"),
    [
        pytest.param("Your task is to help.", 0, "system", id="a-task"),
        pytest.param("The following is a conversation with Bob.", 0, "system", id="a-dialogue"),
        pytest.param("I want you to act as a poet.", 0, "system", id="a-wish"),
        pytest.param("Answer politely.", 0, "system", id="an-order"),
        pytest.param("Paris is the capital of France.", 0, None, id="a-text"),
        pytest.param("", 0, None, id="nothing"),
        pytest.param("Answer politely.", None, None, id="where-no-other-box-is-sent"),
    ],
)
def test_a_box_of_instructions_whose_value_gives_orders_is_the_system_prompt(
    label: str, value: str, submit: int | None, expected: str | None
) -> None:
    box = {**BOX, "label": label, "value": value}

    found = find_endpoint(page({**BOX, "label": "Message"}, CHAT, box, submit=submit))

    assert [each.role for each in found.inputs] == ["prompt", "history", expected]


@pytest.mark.parametrize(
    "value", ["Please note that Paris is a city.", "Never Let Me Go is a novel.", "请注意"]
)
@pytest.mark.parametrize(("label", "expected"), [("Context", None), ("Rules", "system")])
def test_a_document_that_questions_are_about_is_no_system_prompt(
    value: str, label: str, expected: str | None
) -> None:
    box = {**BOX, "label": label, "value": value}

    found = find_endpoint(page({**BOX, "label": "Question"}, CHAT, box, submit=0))

    assert [each.role for each in found.inputs] == ["prompt", "history", expected]


def slider(low: float, high: float, **props: Any) -> dict[str, Any]:
    return {"type": "slider", "minimum": low, "maximum": high, "value": low, **props}


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("Maximum new tokens", "max_tokens"),
        ("max_dec_len", "max_tokens"),
        ("Max replacement tokens", None),
        ("Maximum chunk length", None),
        ("Max output tokens", "max_tokens"),
        ("Max Length", "max_tokens"),
        ("Maximum length", "max_tokens"),
        ("Max Generation Tokens", "max_tokens"),
        ("最大生成长度", "max_tokens"),
        ("Макс. число токенов", "max_tokens"),
        ("Max input tokens", None),
        ("Max History Tokens", None),
        ("Context length", None),
        ("Temperature", "temperature"),
        ("温度", "temperature"),
        ("Температура", "temperature"),
        ("Top-p (nucleus sampling)", "top_p"),
        ("Top P", "top_p"),
        ("top_p", "top_p"),
        ("Top K", None),
        ("Repetition penalty", None),
    ],
)
def test_sampling_is_found_by_the_labels_of_real_apps(label: str, role: str | None) -> None:
    found = find_endpoint(page(BOX, slider(0, 64, label=label), submit=0))

    assert roles(found) == ["prompt", role]


def test_the_tokens_of_a_reply_come_before_those_of_the_whole() -> None:
    both = [slider(0, 4096, label=label) for label in ("Max length", "Max new tokens")]

    assert roles(find_endpoint(page(BOX, *both))) == ["prompt", None, "max_tokens"]


def test_sliders_without_names_are_told_by_their_ranges() -> None:
    ranges = [(8, 8192), (0.01, 1.0), (0.01, 1.5), (1.0, 2.0)]
    found = find_endpoint(page(BOX, *(slider(*each) for each in ranges)))

    assert roles(found) == ["prompt", "max_tokens", "top_p", "temperature", None]
    alike = find_endpoint(page(BOX, *[slider(0, 8192)] * 2))
    assert roles(alike) == ["prompt", None, None], "where two could be meant, none is"


def test_sliders_without_labels_are_told_by_the_words_of_their_parameters() -> None:
    slider = {"type": "slider", "minimum": 0, "maximum": 1}
    names = ["text", "max_new_tokens_v", "heat", "temperature_slider", "top_p_v"]
    parameters = [{"parameter_name": name} for name in names]
    info = {"named_endpoints": {"/answer": {"parameters": parameters}}}
    tokens = {"type": "slider", "minimum": 1, "maximum": 4096}

    endpoint = find_endpoint(page(BOX, tokens, slider, slider, slider), info=info)

    assert roles(endpoint) == ["prompt", "max_tokens", None, "temperature", "top_p"]


def test_the_system_prompt_comes_before_other_texts_of_the_system() -> None:
    labels = ("System Pre-Context", "System Prompt")
    found = find_endpoint(page(BOX, *({**BOX, "label": label} for label in labels), submit=0))

    assert roles(found) == ["prompt", None, "system"]


def test_a_box_whose_own_event_sets_it_for_all_visitors_is_no_system_prompt() -> None:
    config = page(BOX, {**BOX, "label": "System prompt"}, submit=0)
    config["dependencies"].append(
        {"id": 1, "api_name": "set", "inputs": [1], "outputs": [], "targets": [[1, "blur"]]}
    )

    assert roles(find_endpoint(config)) == ["prompt", None]


@pytest.mark.parametrize(("version", "sent"), [("4.44.1", 77), ("5.49.1", 512), ("6.31.0", 512)])
def test_sampling_stays_in_a_slider_s_range_where_the_server_refuses_others(
    version: str, sent: int
) -> None:
    config = page(BOX, slider(512, 8192, label="Max new tokens"), submit=0, version=version)
    endpoint = find_endpoint(config)

    assert list(endpoint.place_sampling({"max_tokens": 77}).values()) == [sent]


# roles=


@pytest.mark.parametrize("key", ["Notes", " notes ", 1, "1"])
def test_a_role_is_given_by_label_or_position(key: Any) -> None:
    config = page({**BOX, "label": "Message"}, {**BOX, "label": "Notes"}, submit=0)

    assert roles(find_endpoint(config)) == ["prompt", None]
    assert roles(find_endpoint(config, roles={key: "system"})) == ["prompt", "system"]
    assert roles(find_endpoint(config, roles={key: "prompt"})) == [None, "prompt"]


def test_a_role_is_given_by_parameter() -> None:
    info = {
        "named_endpoints": {
            "/answer": {"parameters": [{"parameter_name": "a"}, {"parameter_name": "b"}]}
        }
    }

    assert roles(find_endpoint(page(BOX, BOX), roles={"b": "prompt"}, info=info)) == [
        None,
        "prompt",
    ]


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "only-given"])
def test_of_several_chats_the_one_with_the_turns_has_the_reply(taken: bool) -> None:
    chats = [{**CHAT, "label": label} for label in ("Model A", "Model B")]
    config = page(BOX, *chats, gives=(1, 2), submit=0)
    if not taken:
        config["dependencies"][0]["inputs"] = [0]

    first = find_endpoint(config)
    second = find_endpoint(config, roles={"Model B": "history"})

    assert (first.output, second.output) == (0, 1)
    assert (first.takes("history"), second.takes("history")) == (taken, taken)


@pytest.mark.parametrize("labels", ["Temperature Temperature", "Temperature-A Temperature-B"])
@pytest.mark.parametrize(("chat", "expected"), [("Model A", 0), ("Model B", 1)])
def test_of_several_chats_each_has_its_own_settings(labels: str, chat: str, expected: int) -> None:
    chats = [{**CHAT, "label": label} for label in ("Model A", "Model B")]
    heats = [{"type": "slider", "label": label} for label in labels.split()]
    names = [{"type": "dropdown", "label": f"Name of model {at}"} for at in (1, 2)]
    shared = {"type": "slider", "label": "Top-p"}
    config = page(BOX, *chats, *heats, shared, *names, gives=(1, 2), submit=0)

    found = roles(find_endpoint(config, roles={chat: "history"}))

    assert found[5] == "top_p"
    assert (found[3 + expected], found[6 + expected]) == ("temperature", "model")
    assert (found[4 - expected], found[7 - expected]) == (None, None)


def test_an_input_of_an_unknown_kind_is_named_with_a_line_that_works() -> None:
    config = page({"type": "fancyinput", "label": "Ask here"}, CHAT)

    with pytest.raises(EndpointError) as caught:
        find_endpoint(config)

    assert "/answer (#0 Ask here, an unknown fancyinput, chatbot)" in str(caught.value)
    assert 'endpoint="answer", roles={\'Ask here\': "prompt"}' in str(caught.value)
    found = find_endpoint(config, "answer", roles={"Ask here": "prompt"})
    assert found.data("Hi") == ["Hi", []]


def test_a_function_without_a_name_is_asked_for_by_its_number() -> None:
    config = page(BOX, CHAT)
    config["dependencies"].append({**config["dependencies"][0], "id": 1, "api_name": False})

    assert find_endpoint(config, "#1").fn_index == 1
    assert find_endpoint(config, "answer").fn_index == 0


def test_a_box_that_a_function_has_emptied_is_no_null() -> None:
    extra = {"type": "textbox", "label": "Extra", "value": "x"}
    endpoint = find_endpoint(page(BOX, extra, {**extra, "type": "radio"}, submit=0))
    numbers = [each.component for each in endpoint.inputs]

    assert endpoint.data("Hi", loaded=dict.fromkeys(numbers)) == ["Hi", "", None]
    assert endpoint.data("Hi", page=dict.fromkeys(numbers[1:])) == ["Hi", "", None]


def test_the_app_s_own_system_prompt_and_greeting_stay() -> None:
    greeting = [[None, "Hello!"]]
    config = page(
        BOX, {**CHAT, "value": greeting}, {**BOX, "label": "System", "value": "You are kind."}
    )
    endpoint = find_endpoint(config)

    assert endpoint.data("Hi") == ["Hi", greeting, "You are kind."]
    assert endpoint.data("Hi", "", history=[["A", "B"]]) == ["Hi", [*greeting, ["A", "B"]], ""]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("antdinput", "Hi"),
        ("antdinputtextarea", "Hi"),
        ("antdxsender", "Hi"),
        ("modelscopemultimodalinput", {"text": "Hi", "files": []}),
        ("modelscopelegacymultimodalinput", {"text": "Hi", "files": []}),
        ("modelscopepromultimodalinput", {"text": "Hi", "files": []}),
    ],
)
@pytest.mark.parametrize(
    ("chat", "shape"),
    [
        ("modelscopelegacychatbot", "pairs"),
        ("modelscopeprochatbot", "blocks"),
        ("agentchatbot", "messages"),
        ("antdxbubblelist", "messages"),
    ],
)
def test_the_inputs_and_chats_of_other_libraries_are_known(
    kind: str, value: Any, chat: str, shape: str
) -> None:
    endpoint = find_endpoint(page({"type": kind}, {"type": chat}, submit=0))

    assert endpoint.data("Hi") == [value, []]
    assert [each.shape for each in endpoint.inputs][1] == shape


def test_of_boxes_that_start_the_same_function_the_one_that_is_cleared_is_the_prompt() -> None:
    config = page(BOX, BOX, gives=(1,))
    start = config["dependencies"][0]
    starts = [("button", "click"), (0, "submit"), (1, "submit")]
    config["dependencies"] = [
        {**start, "id": at, "targets": [target]} for at, target in enumerate(starts)
    ]

    assert roles(find_endpoint(config)) == [None, "prompt"]
