"""The inputs of a page that take the files of a message."""

from __future__ import annotations

import pytest

from qwen_space.chat.media import Media
from qwen_space.gradio.page.discovery import find_endpoint
from qwen_space.gradio.page.media_places import place_media
from tests.core.gradio.page.app_config import PARTS, make_config, make_function

SUBMIT = {"targets": [["box", "submit"]]}
UPLOAD = {"targets": [["file", "upload"]]}

RESTORED = [
    "History Import",
    "📂 Load chat",
    "Import a conversation",
    "Upload chat history (JSON)",
    "Load previous session",
    "Restore settings from file",
    "导入对话",
    "加载历史记录",
    "Загрузить историю",
]
ASKED_ABOUT = [
    "Upload",
    "Upload a file to chat with",
    "Import documents",
    "Load PDF",
    "Chat with your file",
    "Upload chat files",
    "History textbook",
    "Upload session recording",
    "上传文件",
    "Import a document into the conversation",
    None,
]


@pytest.mark.parametrize(
    ("labels", "takes"),
    [pytest.param(RESTORED, [], id="restored"), pytest.param(ASKED_ABOUT, ["file"], id="asked")],
)
def test_a_file_that_takes_the_place_of_the_chat_is_no_part_of_a_message(
    labels: list[str | None], takes: list[str]
) -> None:
    for label in labels:
        parts = {**PARTS, "file": ("uploadbutton", {"label": label})}
        put = make_function(["chat", "file"], ["chat"], "put", **UPLOAD)
        uploads = make_config(make_function(["box", "chat"], ["chat"], **SUBMIT), put, **parts)
        beside = make_config(make_function(["box", "file", "chat"], ["chat"], **SUBMIT), **parts)

        for config in (uploads, beside):
            found = [each.role for each in find_endpoint(config).media_inputs]
            assert found == takes, label


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("image", "Upload your character"),
        ("audio", "Import conversation"),
        ("video", "Load session"),
    ],
)
def test_a_picture_or_a_recording_is_part_of_a_message_by_any_label(kind: str, label: str) -> None:
    parts = {**PARTS, "file": (kind, {"label": label})}
    config = make_config(make_function(["box", "file", "chat"], ["chat"], **SUBMIT), **parts)

    assert [each.role for each in find_endpoint(config).media_inputs] == [kind]


def test_a_file_that_is_refused_names_an_input_without_a_role() -> None:
    parts = {**PARTS, "file": ("file", {"label": "Upload config"})}
    config = make_config(make_function(["box", "file", "chat"], ["chat"], **SUBMIT), **parts)
    media = [Media("file", data=b"\0", name="a.bin")]

    with pytest.raises(ValueError, match=r"say so: roles=\{'Upload config': 'file'\}"):
        place_media(find_endpoint(config), media)
    endpoint = find_endpoint(config, roles={"Upload config": "file"})
    assert place_media(endpoint, media) == {"file": media}
