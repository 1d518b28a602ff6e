"""The output that holds the reply, among several."""

from __future__ import annotations

import pytest

from qwen_space.gradio.page.discovery import find_endpoint
from tests.page_config import app, step


def test_a_page_that_shows_the_chat_is_the_reply_and_not_the_box_that_is_cleared() -> None:
    endpoint = find_endpoint(app(step("box", "box page")))

    assert (endpoint.output, endpoint.shows_page) == (1, True)


def test_a_text_is_a_surer_reply_than_a_page() -> None:
    endpoint = find_endpoint(app(step("box", "page"), step("box chat", "saved other")))

    assert (endpoint.fn_index, endpoint.shows_page) == (1, False)


def test_code_is_a_reply() -> None:
    parts = app(step("box", "page code"))
    parts["components"].append({"id": "code", "type": "code", "props": {}})

    assert find_endpoint(parts).output == 1


@pytest.mark.parametrize("beside", ["code", "markdown", "html", "textbox"])
def test_the_response_of_a_chat_interface_is_the_reply_and_not_an_output_beside_it(
    beside: str,
) -> None:
    parts = app(step("box saved", "response saved beside"))
    response = {"label": "Response", "visible": False}
    parts["components"] += [
        {"id": "response", "type": "json", "props": response},
        {"id": "beside", "type": beside, "props": {}},
    ]

    assert find_endpoint(parts).output == 0


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(["Status", "Model Response"], 1, id="status-first"),
        pytest.param(["Retrieved context", None, "Sources"], 1, id="the-one-without-a-label"),
        pytest.param([None, "Final answer"], 1, id="an-answer-by-its-label"),
        pytest.param(["Draft", "Final translation"], 1, id="the-final-one"),
        pytest.param(["Response time", "Out"], 1, id="a-figure-of-the-response"),
        pytest.param(["参考资料", "回答"], 1, id="chinese"),
        pytest.param(["Journal", "Réponse"], 1, id="french"),
        pytest.param(["根拠: 検索結果", "回答: AI生成"], 1, id="japanese"),
        pytest.param(["トークン数", "ステータス", None], 2, id="figures-in-japanese"),
        pytest.param(["令牌计数", "ブログ"], 1, id="a-blog-in-japanese"),
        pytest.param(["Trạng thái", "Câu trả lời"], 1, id="vietnamese"),
        pytest.param(["Estado", "Salida"], 1, id="spanish"),
        pytest.param(["المصادر", "الإجابة"], 1, id="arabic"),
        pytest.param(["Generated SQL", "Answer"], 1, id="an-answer-is-surer"),
        pytest.param(["Search results", "Summary"], 1, id="results-of-a-search"),
        pytest.param(["Title", "Story"], 1, id="a-title"),
        pytest.param(["Raw JSON response", "Out"], 1, id="raw-json"),
        pytest.param(["Research plan", "Report"], 1, id="a-plan"),
        pytest.param(["Outline", "Keywords"], 0, id="an-outline-that-is-asked-for"),
        pytest.param(["Plan", "Tips"], 0, id="a-plan-that-is-asked-for"),
        pytest.param(["AI", "Suggested responses"], 0, id="of-the-user-s"),
        pytest.param(["Status", "Log"], 0, id="the-first-of-none"),
        pytest.param(["Status", "Progress", "Conversation log"], 2, id="a-log-of-the-chat"),
        pytest.param(["Progress", None], 1, id="progress"),
        pytest.param(["Number of replies", "Out"], 1, id="a-count-of-the-replies"),
        pytest.param(["回覆次數", "回覆的話"], 1, id="a-count-in-chinese"),
        pytest.param(["回答数", "回答"], 1, id="a-count-in-japanese"),
        pytest.param(["Número de respuestas", "Salida"], 1, id="a-count-in-spanish"),
        pytest.param(["Количество ответов", "Текст"], 1, id="a-count-in-russian"),
    ],
)
def test_of_several_texts_the_label_tells_the_reply(
    labels: list[str | None], expected: int
) -> None:
    parts = app(step("box", " ".join(map(str, range(len(labels))))))
    parts["components"] += [
        {"id": str(at), "type": "textbox", "props": {"label": label}}
        for at, label in enumerate(labels)
    ]

    assert find_endpoint(parts).output == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["*The agent's log streams here*", "*The report*"], 1, id="a-log"),
        pytest.param(["Ready", "The answer will appear here."], 1, id="an-answer"),
        pytest.param(["", "Sources"], 0, id="sources"),
        pytest.param(["", ""], 0, id="the-first-of-two-without-words"),
        pytest.param(["# Hello\n" + "I log it. " * 40, ""], 0, id="a-text-of-its-own"),
    ],
)
@pytest.mark.parametrize("place", ["value", "placeholder"])
def test_words_that_stand_in_a_text_without_a_label_tell_the_reply(
    words: list[str], expected: int, place: str
) -> None:
    kind = "markdown" if place == "value" else "textbox"
    parts = app(step("box", "0 1"))
    parts["components"] += [
        {"id": str(at), "type": kind, "props": {place: each}} for at, each in enumerate(words)
    ]

    assert find_endpoint(parts).output == expected


@pytest.mark.parametrize("label", ["💬 Chat History", None])
def test_html_is_a_surer_reply_than_the_sources_beside_it(label: str | None) -> None:
    parts = app(step("box", "cards sources shown"))
    parts["components"] += [
        {"id": "cards", "type": "html", "props": {"label": "Sensor status"}},
        {"id": "sources", "type": "textbox", "props": {"label": "Sources used"}},
        {"id": "shown", "type": "html", "props": {"label": label}},
    ]

    assert find_endpoint(parts).output == 2


@pytest.mark.parametrize(
    ("label", "expected"),
    [("Answer", 0), ("Map of the result", 1), ("Sources of the answer", 1)],
)
def test_html_that_is_labelled_an_answer_is_one(label: str, expected: int) -> None:
    parts = app(step("box", "shown raw"))
    parts["components"] += [
        {"id": "shown", "type": "html", "props": {"label": label}},
        {"id": "raw", "type": "textbox", "props": {"label": "Raw"}},
    ]

    assert find_endpoint(parts).output == expected


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("Answer with sources", None),
        ("Response (with citations)", None),
        ("Model output and reasoning", None),
        ("Open source model response", None),
        ("Chat history", None),
        (None, "Chat statistics"),
    ],
)
def test_html_beside_an_answer_is_none(text: str | None, page: str | None) -> None:
    parts = app(step("box", "text shown"))
    parts["components"] += [
        {"id": "text", "type": "textbox", "props": {"label": text}},
        {"id": "shown", "type": "html", "props": {"label": page}},
    ]

    assert find_endpoint(parts).output == 0
