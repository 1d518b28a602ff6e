"""The words by which a box tells its role, in the languages that pages have."""

from __future__ import annotations

import pytest

from qwen_space.gradio.discovery import find_endpoint
from tests.core.gradio.role_page import BOX, page


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
    ["Rollenbeschreibung", "Роль ассистента", "役割", "AI의 역할", "Bot's personality"],
)
def test_a_role_that_the_model_is_to_take_is_the_system_prompt(label: str) -> None:
    assert roles(label, "Text") == ["system", "prompt"]


def test_a_password_in_russian_is_no_role() -> None:
    assert roles("Пароль", "Вопрос") == [None, "prompt"]
