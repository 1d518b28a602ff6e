"""The words by which a box tells its role, in the languages that pages have."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.gradio.page.discovery import find_endpoint
from tests.core.gradio.page.app_config import PARTS, make_config, make_function
from tests.core.gradio.page.role_page import BOX, page


def roles(*labels: str) -> list[str | None]:
    config = page(*({**BOX, "label": label} for label in labels))
    return [each.role for each in find_endpoint(config).inputs]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("채팅 이름", "질문 입력"),
        ("Thema", "Ihre Frage"),
        ("Nombre", "Escribe tu pregunta"),
        ("Tema", "Sua mensagem"),
        ("Argomento", "Fai una domanda"),
        ("Konu", "Mesaj yazin"),
        ("資料", "質問を書いてください"),
        ("Chủ đề", "Câu hỏi của bạn"),
        ("Имя", "Текст"),
        ("Langue", "Texte"),
    ],
)
def test_a_message_is_told_from_another_text_by_its_label(other: str, message: str) -> None:
    assert roles(other, message) == [None, "prompt"]


@pytest.mark.parametrize(
    "label",
    [
        "Instructions for the assistant",
        "Rollenbeschreibung",
        "Роль ассистента",
        "役割",
        "AI의 역할",
        "Bot's personality",
    ],
)
def test_a_role_that_the_model_is_to_take_is_the_system_prompt(label: str) -> None:
    assert roles(label, "Text") == ["system", "prompt"]


@pytest.mark.parametrize(
    "look",
    [
        {"label": "Контрольный вопрос"},
        {"label": "Вопрос", "placeholder": "Например: кто был первый король Англии?"},
        {"label": "Task", "placeholder": "Give your instructions to the AI agent"},
        {"label": "Instructions for the agent"},
        {"label": "Роль"},
        {"label": "Message", "placeholder": "Describe the issue of your system ..."},
        {"label": "Ask about the solar system"},
        {"label": "系统问题"},
        {"label": "Your question", "placeholder": "Such as: which persona is Hamlet's?"},
        {"label": "Prompt", "value": "You are a pirate. Tell me a joke."},
    ],
    ids=str,
)
def test_the_only_text_is_the_prompt_though_it_speaks_of_the_model(look: dict[str, str]) -> None:
    assert find_endpoint(page({**BOX, **look})).inputs[0].role == "prompt"


def test_the_box_that_is_sent_is_the_prompt_though_it_speaks_of_the_model() -> None:
    config = page({**BOX, "label": "Tags"}, {**BOX, "label": "Agent instructions"}, submit=1)

    assert [each.role for each in find_endpoint(config).inputs] == [None, "prompt"]


@pytest.mark.parametrize(
    "label",
    ["System", "System (optional)", "Persona", "System behaviour", "Системная роль", "系统提示"],
)
def test_a_few_words_of_the_system_are_its_prompt_s(label: str) -> None:
    assert roles(label, "Text") == ["system", "prompt"]


def test_words_within_words_are_no_role() -> None:
    assert roles("Thai instructions", "Text") == ["prompt", None]


def test_a_password_in_russian_is_no_role() -> None:
    assert roles("Пароль", "Вопрос") == [None, "prompt"]


def test_a_creativity_in_per_cent_is_no_temperature() -> None:
    slider = {"type": "slider", "label": "Creativity", "minimum": 0, "maximum": 100}

    assert [each.role for each in find_endpoint(page(BOX, slider)).inputs] == ["prompt", None]


@pytest.mark.parametrize(
    "label",
    [
        "最大入力の長さ",
        "最大履歴の長さ",
        "최대 입력 길이",
        "Maximale Länge der Eingabe",
        "Máx. de tokens de entrada",
        "Longueur max. de la question",
        "Maximum number of prompt tokens",
        "Maximum passage length",
        "Maximum description length",
        "Max thinking tokens",
        "Max vision tokens",
        "Max audio length (s)",
        "Max chat length",
        "Max length (words)",
    ],
)
def test_a_limit_of_what_the_model_reads_is_none_of_its_answer(label: str) -> None:
    limit = {"type": "slider", "label": label, "minimum": 16, "maximum": 4096}

    assert [each.role for each in find_endpoint(page(BOX, limit)).inputs] == ["prompt", None]


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("Top-p (creativity)", "top_p"),
        ("Top P - randomness of words", "top_p"),
        ("Repetition penalty (creativity)", None),
        ("Seed randomness", None),
    ],
)
def test_another_figure_that_speaks_of_creativity_is_no_temperature(
    label: str, role: str | None
) -> None:
    slider = {"type": "slider", "label": label, "minimum": 0, "maximum": 1}

    assert [each.role for each in find_endpoint(page(BOX, slider)).inputs] == ["prompt", role]


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("Creativity", "temperature"),
        ("Kreativität", "temperature"),
        ("Temperatur", "temperature"),
        ("온도", "temperature"),
        ("最大出力トークン数", "max_tokens"),
        ("최대 토큰 수", "max_tokens"),
        ("Maximum number of tokens that can be generated", "max_tokens"),
        ("new_tokens", "max_tokens"),
        ("Máximo de tokens", "max_tokens"),
        ("Longueur maximale", "max_tokens"),
        ("Maximale Länge", "max_tokens"),
        ("Creative works", None),
    ],
)
def test_a_figure_is_told_by_its_label(label: str, role: str | None) -> None:
    high = 4096 if role == "max_tokens" else 2 if role else 500
    slider = {"type": "slider", "label": label, "minimum": 0, "maximum": high}

    found = find_endpoint(page(BOX, slider))

    assert [each.role for each in found.inputs] == ["prompt", role]


@pytest.mark.parametrize(
    ("label", "low", "high"),
    [("Temperature (°C)", 0, 50), ("Temperature", -50, 50), ("Temperature (%)", 0, 100)],
)
def test_a_figure_in_other_units_is_none_of_the_model_s(label: str, low: int, high: int) -> None:
    slider = {"type": "slider", "label": label, "minimum": low, "maximum": high}

    assert [each.role for each in find_endpoint(page(BOX, slider)).inputs] == ["prompt", None]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["Embedding model", "LLM"], [None, "model"]),
        (["Model provider", "Model"], [None, "model"]),
        (["Whisper model"], [None]),
        (["Sélection du modèle"], ["model"]),
        (["埋め込みモデル", "使用するモデル"], [None, "model"]),
        (["임베딩 모델", "모델 선택"], [None, "model"]),
        (["Chọn mô hình"], ["model"]),
        (["اختر النموذج"], ["model"]),
        (["मॉडल चुनें"], ["model"]),
    ],
)
def test_the_model_is_the_one_that_answers(labels: list[str], expected: list[str | None]) -> None:
    choices = {"type": "dropdown", "choices": [["a", "a"], ["b", "b"]], "value": "a"}

    found = find_endpoint(page(BOX, *({**choices, "label": label} for label in labels)))

    assert [each.role for each in found.inputs] == ["prompt", *expected]


@pytest.mark.parametrize("other", ["Title", "Subject", "Recipient", "Modèle", "モデル", "모델"])
def test_a_detail_of_the_text_is_no_prompt(other: str) -> None:
    assert roles(other, "Main points") == [None, "prompt"]


@pytest.mark.parametrize(
    ("look", "role"),
    [
        pytest.param({"label": "Type your own", "value": "You are kind."}, "system", id="value"),
        pytest.param({"label": "System prompt"}, "system", id="label"),
        pytest.param({"label": "Unit system"}, None, id="another-system"),
        pytest.param({"label": "Model"}, "model", id="model"),
        pytest.param({"label": "System prompt", "multiselect": True}, None, id="several"),
        pytest.param({"label": "System prompt", "choices": []}, "system", id="nothing-offered"),
        pytest.param({"label": "System prompt", "choices": ["Default", "Coder"]}, None, id="names"),
        pytest.param(
            {"label": "Persona", "choices": ["Doctor"], "value": "Doctor"}, None, id="one"
        ),
        pytest.param({"label": "System", "choices": ["Linux", "Windows"]}, None, id="computers"),
        pytest.param({"label": "System prompt", "allow_custom_value": False}, None, id="no-text"),
    ],
)
def test_a_choice_that_takes_any_text_may_be_the_system_prompt(
    look: dict[str, Any], role: str | None
) -> None:
    choice = {"choices": [["You are kind.", "You are kind."]], "allow_custom_value": True, **look}
    parts = {**PARTS, "choice": ("dropdown", choice)}
    config = make_config(make_function(["box", "choice"], ["out"]), **parts)

    assert find_endpoint(config).inputs[1].role == role
