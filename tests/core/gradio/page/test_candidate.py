"""The choice of the function that chats, among those of a page."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.errors import EndpointError
from qwen_space.gradio.page.discovery import find_endpoint
from tests.page_config import CLICK, STREAMS, app, step


@pytest.mark.parametrize("name", ["regenerate_last_message", "retry", "on_undo_1"])
def test_a_function_for_an_earlier_message_is_no_rival(name: str) -> None:
    again = step("turns chat box", "chat", api_name=name, **CLICK, **STREAMS)
    send = step("box chat heat", "chat", **CLICK)

    assert find_endpoint(app(again, send)).fn_index == 1
    assert find_endpoint(app(again, send), name).fn_index == 0


def test_a_box_that_is_shown_later_is_no_rival() -> None:
    config = app(step("box chat", "chat", **CLICK), step("later chat", "chat", **CLICK))
    row = {"id": "row", "type": "row", "props": {"visible": False}}
    config["components"] += [row, {"id": "later", "type": "textbox", "props": {}}]
    config["layout"] = {
        "id": 0,
        "children": [{"id": "box"}, {"id": "row", "children": [{"id": "later"}]}],
    }

    assert find_endpoint(config).fn_index == 0
    row["props"] = {}
    with pytest.raises(EndpointError, match="Several endpoints"):
        find_endpoint(config)


@pytest.mark.parametrize("second", ["memory later", "topic later"])
def test_a_function_with_answers_to_the_model_s_own_questions_is_no_rival(second: str) -> None:
    # A page in two steps: the first one asks back, the second one takes the answers.
    config = app(
        step("topic", "questions memory", **CLICK), step(second, "report", **CLICK, **STREAMS)
    )
    config["components"] += [
        {"id": "topic", "type": "textbox", "props": {"label": "Topic"}},
        {"id": "later", "type": "textbox", "props": {"label": "Your answers"}},
        {"id": "questions", "type": "markdown", "props": {}},
        {"id": "report", "type": "markdown", "props": {"label": "Report"}},
    ]

    assert find_endpoint(config).fn_index == 0


def test_a_chat_behind_a_login_form_comes_before_the_form() -> None:
    config = app(step("box", "other", **CLICK), step("later chat", "chat", **CLICK))
    panel = {"id": "panel", "type": "column", "props": {"visible": False}}
    config["components"] += [panel, {"id": "later", "type": "textbox", "props": {}}]
    config["layout"] = {"id": 0, "children": [{"id": "panel", "children": [{"id": "later"}]}]}

    assert find_endpoint(config).fn_index == 1


@pytest.mark.parametrize("label", ["Username", "E-mail", "用户名", "Логин"])
def test_a_login_form_is_no_rival_of_the_text_that_is_shown_after_it(label: str) -> None:
    config = app(step("name key", "out", **CLICK), step("later key", "other", **CLICK))
    panel = {"id": "panel", "type": "column", "props": {"visible": False}}
    key = {"id": "key", "type": "textbox", "props": {"type": "password"}}
    names = {"name": label, "later": "Your question", "out": "Login status"}
    config["components"] += [panel, key]
    config["components"] += [
        {"id": name, "type": "textbox", "props": {"label": label}} for name, label in names.items()
    ]
    config["layout"] = {"id": 0, "children": [{"id": "panel", "children": [{"id": "later"}]}]}

    assert find_endpoint(config).fn_index == 1


def tabbed(config: dict[str, Any], *boxes: str, selected: Any = None) -> dict[str, Any]:
    """Put each of some boxes into a tab of its own."""
    tabs = {"id": "tabs", "type": "tabs", "props": {"selected": selected}}
    names = [f"tab {box}" for box in boxes]
    items = [{"id": name, "type": "tabitem", "props": {"id": at}} for at, name in enumerate(names)]
    known = {each["id"] for each in config["components"]}
    texts = [{"id": box, "type": "textbox", "props": {}} for box in boxes if box not in known]
    config["components"] += [tabs, *items, *texts]
    pairs = zip(names, boxes, strict=True)
    children = [{"id": name, "children": [{"id": box}]} for name, box in pairs]
    config["layout"] = {"id": 0, "children": [{"id": "tabs", "children": children}]}
    return config


@pytest.mark.parametrize(
    ("second", "selected", "expected"),
    [
        pytest.param(step("two", "chat", **CLICK), None, 0, id="the-first-tab"),
        pytest.param(step("two", "chat", **CLICK), 1, 1, id="the-one-that-is-open"),
        pytest.param(
            step("two", "chat", **CLICK, **STREAMS), None, 0, id="though-it-does-not-stream"
        ),
        pytest.param(step("two", "other", **CLICK), 1, 0, id="a-chat-before-an-open-tab"),
    ],
)
def test_of_several_tabs_the_one_that_is_open_has_the_chat(
    second: dict[str, Any], selected: Any, expected: int
) -> None:
    config = app(step("box", "chat", **CLICK), second)

    assert find_endpoint(tabbed(config, "box", "two", selected=selected)).fn_index == expected


@pytest.mark.parametrize("kind", ["accordion", "sidebar"])
def test_a_chat_in_a_part_that_is_closed_is_no_rival(kind: str) -> None:
    config = app(step("later chat", "chat", **CLICK), step("box copy", "copy", **CLICK))
    part = {"id": "part", "type": kind, "props": {"open": False}}
    config["components"] += [part, {"id": "later", "type": "textbox", "props": {}}]
    within = {"id": "part", "children": [{"id": "later"}]}
    config["layout"] = {"id": 0, "children": [within, {"id": "box"}]}

    assert find_endpoint(config).fn_index == 1
    part["props"] = {"open": True}
    with pytest.raises(EndpointError, match="Several endpoints"):
        find_endpoint(config)


def test_of_two_functions_that_one_message_starts_the_first_is_asked() -> None:
    config = app(step("box chat", "chat"), step("box copy", "copy"))

    assert find_endpoint(config).fn_index == 0


def test_of_two_functions_that_one_message_starts_for_one_chat_none_is_the_first() -> None:
    config = app(step("box chat", "chat"), step("box chat turns", "chat turns"))

    with pytest.raises(EndpointError, match="Several endpoints"):
        find_endpoint(config)


@pytest.mark.parametrize("targets", [[], [["fake", "click"]]], ids=["alone", "hidden-button"])
def test_a_function_of_the_api_alone_shows_the_chat_of_its_box(targets: list[Any]) -> None:
    # As gr.ChatInterface does: its page's own functions are not in the API.
    hidden = {"show_api": False, "api_name": None}
    config = app(
        step("box chat", "chat", **hidden),
        step("box saved", "other saved", targets=targets, api_name="chat"),
        step("two", "chat", **CLICK),
    )
    config["components"].append({"id": "fake", "type": "button", "props": {"visible": False}})
    tabbed(config, "box", "two")["layout"]["children"].append({"id": "fake"})

    found = find_endpoint(config)

    assert (found.fn_index, found.gives_response) == (1, True)
    assert not find_endpoint(config, "#2").gives_response


@pytest.mark.parametrize(
    ("label", "value", "expected"),
    [
        pytest.param("Enable Context", False, True, id="context-is-off"),
        pytest.param("多轮对话", False, True, id="chinese"),
        pytest.param("Remember the conversation", True, False, id="it-is-on"),
        pytest.param("Low memory mode", False, False, id="of-the-machine"),
        pytest.param("Show conversation history", False, False, id="shown"),
        pytest.param("Use document context", False, False, id="of-a-document"),
    ],
)
def test_turns_go_into_the_prompt_of_a_page_that_leaves_them_out(
    label: str, value: bool, expected: bool
) -> None:
    parts = app(step("box chat check", "chat"))
    check = {"label": label, "value": value}
    parts["components"].append({"id": "check", "type": "checkbox", "props": check})

    assert find_endpoint(parts).remembers is expected


@pytest.mark.parametrize(
    ("label", "expected"), [("Session ID", True), ("thread_id", True), ("Order ID", False)]
)
def test_turns_go_into_the_prompt_where_the_app_keeps_them_by_a_key(
    label: str, expected: bool
) -> None:
    parts = app(step("box key chat", "chat"))
    parts["components"].append({"id": "key", "type": "textbox", "props": {"label": label}})

    assert find_endpoint(parts).takes("history") is not expected


def test_a_search_in_documents_is_no_rival_of_the_model_that_takes_a_temperature() -> None:
    config = app(step("box memory", "other", **CLICK), step("box heat", "other", **CLICK))

    assert find_endpoint(config).fn_index == 1


def test_a_function_that_gives_a_status_is_no_rival_of_one_that_answers() -> None:
    # Pages for documents: one function takes them in, by the name of a table, another answers.
    config = app(
        step("name", "status", **CLICK, **STREAMS),
        step("box", "answer", **CLICK),
    )
    config["components"] += [
        {"id": "status", "type": "textbox", "props": {"label": "Ingestion status"}},
        {"id": "answer", "type": "textbox", "props": {"label": "Response"}},
    ]

    assert find_endpoint(tabbed(config, "name", "box")).fn_index == 1


@pytest.mark.parametrize(
    ("box", "status", "is_refused"),
    [
        pytest.param("Model path", "Status", True, id="a-model-to-load"),
        pytest.param("Repository", "Index status", True, id="a-repository-to-index"),
        pytest.param("Имя коллекции", "Статус", True, id="russian"),
        pytest.param("知识库", "状态", True, id="chinese"),
        pytest.param("Your question", "Status", False, id="a-box-that-asks"),
        pytest.param("Task", "Status log", False, id="a-log-of-an-agent"),
        pytest.param("Task", "Result status", False, id="a-result"),
        pytest.param("Task", "Details", False, id="no-status"),
    ],
)
def test_a_function_that_gives_a_status_alone_is_taken_only_by_its_name(
    box: str, status: str, is_refused: bool
) -> None:
    config = app(step("name", "status", **CLICK))
    config["components"] += [
        {"id": "name", "type": "textbox", "props": {"label": box}},
        {"id": "status", "type": "textbox", "props": {"label": status}},
    ]

    assert find_endpoint(config, "#0").fn_index == 0
    assert find_endpoint(config, roles={box: "prompt"}).fn_index == 0
    if is_refused:
        with pytest.raises(EndpointError, match=r'gives no more than .* endpoint="f0"'):
            find_endpoint(config)
    else:
        assert find_endpoint(config).fn_index == 0


def test_a_status_that_the_api_lists_is_no_rival_of_an_answer_that_it_does_not() -> None:
    config = app(
        step("name", "status", **CLICK, api_name="load"),
        step("box", "answer", **CLICK, api_name=False, show_api=False),
    )
    config["components"] += [
        {"id": "name", "type": "textbox", "props": {"label": "Model path"}},
        {"id": "status", "type": "textbox", "props": {"label": "Status"}},
        {"id": "answer", "type": "markdown", "props": {}},
    ]

    assert find_endpoint(config).fn_index == 1


def test_a_sound_beside_a_status_is_an_answer() -> None:
    config = app(step("name", "status sound", **CLICK))
    config["components"] += [
        {"id": "name", "type": "textbox", "props": {"label": "Words"}},
        {"id": "status", "type": "textbox", "props": {"label": "Status"}},
        {"id": "sound", "type": "audio", "props": {}},
    ]

    assert find_endpoint(config).fn_index == 0


def test_of_two_functions_for_one_text_the_one_that_gives_an_answer_is_asked() -> None:
    config = app(step("box size", "found", **CLICK), step("box saved", "answer", **CLICK))
    config["components"] += [
        {"id": "found", "type": "textbox", "props": {"label": "Content"}},
        {"id": "answer", "type": "markdown", "props": {"label": "Response"}},
    ]

    assert find_endpoint(config).fn_index == 1


def test_a_path_that_a_tool_of_the_page_asks_for_is_no_prompt() -> None:
    # Pages for training: one tab tries the model, others take paths and names.
    config = app(*(step(name, "other", **CLICK) for name in ("path", "try", "repo")))
    labels = {"path": "GGUF Output Path", "try": "Test Input", "repo": "Repository Name"}
    config["components"] += [
        {"id": name, "type": "textbox", "props": {"label": label}} for name, label in labels.items()
    ]

    assert find_endpoint(config).fn_index == 1


@pytest.mark.parametrize(
    "label",
    ["Enter your PDF URLs (one per line)", "Paste a link here", "Please provide the host name"],
)
def test_words_of_any_box_do_not_hide_that_its_label_is_a_setting_s(label: str) -> None:
    config = app(*(step(name, "other", **CLICK) for name in ("address", "query")))
    config["components"] += [
        {"id": "address", "type": "textbox", "props": {"label": label}},
        {"id": "query", "type": "textbox", "props": {"label": "Enter your query here"}},
    ]

    assert find_endpoint(config).fn_index == 1


def test_of_rivals_for_one_box_its_submit_event_tells_which_asks() -> None:
    # A page suggests two answers, and a button puts one of them into the chat.
    apply = [step(f"box {name} chat", "box one two chat", **CLICK) for name in ("one", "two")]
    config = app(*apply, step("chat box", "one two"))
    config["components"] += [
        {"id": name, "type": "textbox", "props": {"label": name, "interactive": False}}
        for name in ("one", "two")
    ]

    assert find_endpoint(config).fn_index == 2


def test_a_box_that_is_sent_with_the_message_answers_what_the_app_asks_back() -> None:
    message = {"targets": [["box", "submit"]]}
    button = step("box chat saved", "chat saved", **CLICK)
    back = step("box chat saved back", "chat saved", targets=[["back", "submit"]])
    config = app(back, step("box chat saved", "chat saved", **message), button)
    config["components"].append({"id": "back", "type": "textbox", "props": {}})

    assert find_endpoint(config).fn_index == 1


@pytest.mark.parametrize(
    ("submitted", "roles"),
    [
        pytest.param({}, {"Temperature": "temperature"}, id="without-the-caller-s-input"),
        pytest.param({"api_name": "retry"}, None, id="for-an-earlier-message"),
        pytest.param({"show_api": False}, None, id="not-in-the-api"),
    ],
)
def test_a_submit_event_of_a_lesser_function_tells_nothing(
    submitted: dict[str, Any], roles: Any
) -> None:
    rivals = [step("box heat", "chat", **CLICK), step("box heat size", "chat", **CLICK)]
    config = app(*rivals, step("box", "chat", **submitted))

    with pytest.raises(EndpointError, match="Several endpoints"):
        find_endpoint(config, roles=roles)


@pytest.mark.parametrize("gives", ["other", "saved", ""])
def test_a_box_that_hands_a_name_over_is_no_prompt(gives: str) -> None:
    config = app(
        step("name box chat", "box chat", **CLICK),
        step("name", gives, targets=[["name", "submit"]]),
    )
    config["components"].append({"id": "name", "type": "textbox", "props": {}})

    found = find_endpoint(config)

    assert [each.role for each in found.inputs] == [None, "prompt", "history"]


def test_a_box_of_a_later_step_is_no_prompt_where_the_first_adds_the_message() -> None:
    config = app(
        step("chat box", "chat", **CLICK),
        step("address", "address other", trigger_after=0),
        step("box address chat", "box address chat", trigger_after=1),
        step("address", "address other", targets=[["address", "submit"]]),
    )
    config["components"].append({"id": "address", "type": "textbox", "props": {"label": "URL"}})

    found = find_endpoint(config)

    asked = [each.name for each in found.every_input if each.role == "prompt"]
    assert asked
    assert "URL" not in asked


@pytest.mark.parametrize(
    ("box", "script"),
    [
        pytest.param("second", None, id="a-script-that-is-not-told"),
        pytest.param("second", "() => document.querySelector('#go').click()", id="presses"),
        pytest.param("first", "() => document.querySelector('#ask').focus()", id="focuses"),
    ],
)
def test_a_box_whose_script_may_press_the_button_is_the_prompt(
    box: str, script: str | None
) -> None:
    pressing = step("", "", targets=[[box, "submit"]], backend_fn=False, js=script)
    config = app(step("first second", "chat", **CLICK), pressing)
    config["components"] += [
        {"id": "first", "type": "textbox", "props": {"label": "Name"}},
        {"id": "second", "type": "textbox", "props": {}},
    ]

    assert [each.role for each in find_endpoint(config).inputs] == [None, "prompt"]


def test_a_function_that_improves_the_prompt_is_no_rival_of_one_that_answers() -> None:
    config = app(step("box", "box", **CLICK, **STREAMS), step("box", "other", **CLICK))

    assert find_endpoint(config).fn_index == 1


def test_a_box_that_saves_a_draft_is_no_rival_of_the_buttons_beside_it() -> None:
    rivals = [step("box heat", "chat", **CLICK), step("box heat size", "chat", **CLICK)]
    config = app(*rivals, step("box", "other", api_name="save_draft"))

    with pytest.raises(EndpointError, match="Several endpoints"):
        find_endpoint(config)


def test_of_tabs_for_a_sound_and_for_a_question_the_latter_is_asked() -> None:
    # As a page with a tab for each kind of file, and the one for sounds is open.
    config = app(
        step("box sound", "other", **CLICK, api_name="process_audio"),
        step("two picture", "answer", **CLICK, api_name="process_chat"),
        step("three", "found", **CLICK, api_name="create"),
    )
    config["components"] += [
        {"id": "sound", "type": "audio", "props": {}},
        {"id": "answer", "type": "textbox", "props": {"label": "Antwort"}},
        {"id": "found", "type": "textbox", "props": {"label": "Antwort"}},
    ]

    assert find_endpoint(tabbed(config, "box", "two", "three")).fn_index == 1


SUMMARY = step("two", "found", **CLICK, api_name="summarize")


def beside_a_summary(chat: dict[str, Any], label: str = "Message") -> int:
    """Return the function that is found on a page that gives summaries, too."""
    config = app(chat, SUMMARY)
    config["components"] += [
        {"id": "asked", "type": "textbox", "props": {"label": label}},
        {"id": "two", "type": "textbox", "props": {"label": "Text"}},
        {"id": "answer", "type": "textbox", "props": {"label": "Answer"}},
        {"id": "found", "type": "textbox", "props": {"label": "Summary"}},
        {"id": "sound", "type": "audio", "props": {}},
    ]
    return find_endpoint(config).fn_index


SENT = {"targets": [["asked", "submit"]]}


@pytest.mark.parametrize(
    "label",
    [
        "Talk to the model",
        "Спросите модель",
        "Текст для модели",
        "与大模型对话",
        "和模型聊天",
        "Write in any language",
        "Tell me your name",
        "Подключение",
    ],
)
def test_a_label_that_speaks_of_the_model_or_a_language_names_no_setting(label: str) -> None:
    assert beside_a_summary(step("asked", "answer", **SENT, **STREAMS), label) == 0


@pytest.mark.parametrize("more", [SENT, {**CLICK, **STREAMS}], ids=["sent", "streams"])
def test_a_message_that_may_have_a_sound_is_asked(more: dict[str, Any]) -> None:
    assert beside_a_summary(step("asked sound", "answer", **more)) == 0


@pytest.mark.parametrize("name", ["rename_chat", "new_chat", "chat_title", "chat_about_it"])
def test_a_function_for_chats_comes_after_the_one_that_is_sent(name: str) -> None:
    config = app(
        step("box chat", "box chat", api_name="ask"),
        step("two chat", "chat", **CLICK, api_name=name),
    )
    config["components"].append({"id": "two", "type": "textbox", "props": {"label": "Title"}})

    assert find_endpoint(config).fn_index == 0


def test_a_name_for_a_new_chat_is_none_of_a_chat() -> None:
    config = app(
        step("box chat", "chat", **CLICK, api_name="new_chat"),
        step("box chat heat", "chat", **CLICK, api_name="my_chat"),
    )
    config["components"] = [each for each in config["components"] if each["id"] != "heat"]
    config["components"].append({"id": "heat", "type": "slider", "props": {"label": "Size"}})

    assert find_endpoint(config).fn_index == 1


def test_a_box_for_the_model_s_role_is_no_rival_of_a_message() -> None:
    config = app(step("role", "other", **CLICK), step("box", "other", **CLICK))
    props = {"label": "Assistant role"}
    config["components"].append({"id": "role", "type": "textbox", "props": props})

    assert find_endpoint(config).fn_index == 1


def beside_an_action(send: dict[str, Any], value: str, output: str = "chat") -> int:
    """Return the function that is found on a page with a button that streams from the same box."""
    action = step("box chat", output, targets=[["action", "click"]], api_name="act", **STREAMS)
    config = app(action, step("box chat", "chat", api_name="reply", **send))
    config["components"] += [
        {"id": "action", "type": "button", "props": {"value": value}},
        {"id": "send", "type": "button", "props": {"value": "Send"}},
    ]
    return find_endpoint(config).fn_index


BY_BUTTON = {"targets": [["send", "click"]]}


@pytest.mark.parametrize("send", [{}, BY_BUTTON], ids=["by-submit", "by-button"])
@pytest.mark.parametrize("value", ["Explain", "✨ Summarize", "Перевести", "总结"])
def test_a_quick_action_is_no_rival_of_the_function_that_the_box_is_sent_to(
    send: dict[str, Any], value: str
) -> None:
    assert beside_an_action(send, value) == 1


@pytest.mark.parametrize(
    "value", ["Stream", "Ask", "Generate answer", "Query", "▶", "", "Отправить"]
)
def test_a_button_that_sends_the_box_in_another_way_streams(value: str) -> None:
    assert beside_an_action({}, value) == 0


@pytest.mark.parametrize("value", ["Generate Title", "Run spell check", "生成标题"])
def test_of_two_actions_none_is_what_the_box_is_sent_to(value: str) -> None:
    other = step("box chat", "chat", targets=[["other action", "click"]], api_name="title")
    config = app(other, step("box chat", "chat", targets=[["action", "click"]], **STREAMS))
    config["components"] += [
        {"id": "other action", "type": "button", "props": {"value": value}},
        {"id": "action", "type": "button", "props": {"value": "Write article"}},
    ]

    assert find_endpoint(config).fn_index == 1


def test_a_button_with_a_chat_of_its_own_streams() -> None:
    assert beside_an_action({}, "Explain", "copy") == 0


@pytest.mark.parametrize("kind", ["textbox", "multimodaltextbox"])
def test_a_text_with_a_temperature_goes_to_no_function_for_pictures_of_another_tab(
    kind: str,
) -> None:
    inputs = "picture other heat" if kind == "textbox" else "other heat"
    config = app(step("box", "out"), step(inputs, "seen", targets=[["look", "click"]]))
    config["components"] = [each for each in config["components"] if each["id"] != "other"]
    config["components"] += [
        {"id": "other", "type": kind, "props": {}},
        {"id": "out", "type": "textbox", "props": {"label": "Answer"}},
        {"id": "seen", "type": "textbox", "props": {"label": "Description"}},
    ]

    found = find_endpoint(config)

    assert (found.fn_index, found.with_sampling) == (0, None)
    assert found.with_media is not None
