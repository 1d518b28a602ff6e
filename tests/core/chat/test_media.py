from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from qwen_space.chat.media import PLACEHOLDER, Media, describe_media, drop_media, to_media
from qwen_space.chat.messages import Turn, to_turns
from qwen_space.chat.prompt import make_chat, render_prompt

DATA = b"\x89PNG"
CODED = base64.b64encode(DATA).decode()
URL = "https://example.org/a%20b.png?sig=1"
PNG = {"mime_type": "image/png"}

PARTS = [
    pytest.param(
        {"type": "image", "base64": CODED, **PNG}, Media("image", data=DATA, **PNG), id="langchain"
    ),
    pytest.param(
        {"type": "image", "source_type": "base64", "data": CODED, **PNG},
        Media("image", data=DATA, **PNG),
        id="langchain-older",
    ),
    pytest.param({"type": "image", "url": URL}, Media("image", url=URL), id="langchain-url"),
    pytest.param(
        {"type": "image", "source_type": "url", "url": URL}, Media("image", url=URL), id="older-url"
    ),
    pytest.param(
        {"type": "file", "base64": CODED, "mime_type": "application/pdf", "filename": "a.pdf"},
        Media("file", data=DATA, mime_type="application/pdf", name="a.pdf"),
        id="langchain-file",
    ),
    pytest.param(
        {"type": "file", "base64": CODED, "extras": {"filename": "a.pdf"}},
        Media("file", data=DATA, name="a.pdf"),
        id="langchain-file-with-extras",
    ),
    pytest.param({"type": "video", "url": URL}, Media("video", url=URL), id="langchain-video"),
    pytest.param(
        {"type": "audio", "path": Path("a.wav")},
        Media("audio", path=Path("a.wav"), mime_type="audio/wav"),
        id="a-path",
    ),
    pytest.param(
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{CODED}"}},
        Media("image", data=DATA, **PNG),
        id="openai",
    ),
    pytest.param(
        {"type": "image_url", "image_url": URL}, Media("image", url=URL), id="openai-as-text"
    ),
    pytest.param(
        {"type": "input_image", "image_url": URL}, Media("image", url=URL), id="openai-responses"
    ),
    pytest.param(
        {"type": "input_audio", "input_audio": {"data": CODED, "format": "mp3"}},
        Media("audio", data=DATA, mime_type="audio/mpeg"),
        id="openai-audio",
    ),
    pytest.param(
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{CODED}"},
        },
        Media("file", data=DATA, mime_type="application/pdf", name="a.pdf"),
        id="openai-file",
    ),
    pytest.param({"type": "video_url", "video_url": {"url": URL}}, Media("video", url=URL), id="v"),
    pytest.param(
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": CODED},
        },
        Media("image", data=DATA, **PNG),
        id="anthropic",
    ),
    pytest.param(
        {"type": "document", "title": "T.pdf", "source": {"type": "url", "url": URL}},
        Media("file", url=URL, name="T.pdf"),
        id="anthropic-document",
    ),
    pytest.param({"type": "text", "text": "a"}, None, id="text"),
    pytest.param({"type": "poll"}, None, id="another"),
    pytest.param({"type": ["image"]}, None, id="a-type-that-is-no-text"),
]


@pytest.mark.parametrize(("part", "expected"), PARTS)
def test_a_part_is_read_in_every_form(part: dict[str, Any], expected: Media | None) -> None:
    assert to_media(part) == expected


@pytest.mark.parametrize(
    "part",
    [
        pytest.param({"type": "image"}, id="nothing"),
        pytest.param({"type": "image", "base64": "%"}, id="no-base64"),
        pytest.param({"type": "image", "path": "/etc/passwd"}, id="a-path-as-text"),
        pytest.param({"type": "image", "url": "/etc/passwd"}, id="a-path-as-url"),
        pytest.param({"type": "image", "url": "file:///etc/passwd"}, id="a-file-url"),
        pytest.param({"type": "image_url", "image_url": {"url": "/etc/passwd"}}, id="openai-path"),
        pytest.param({"type": "image_url", "image_url": 5}, id="a-number"),
    ],
)
def test_a_part_without_bytes_or_address_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="where its bytes or its address should be"):
        to_media(part)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param({}, "was given 0", id="nothing"),
        pytest.param({"data": b"", "url": URL}, "was given 2", id="two"),
        pytest.param({"url": "ftp://x/y"}, "http and https only", id="ftp"),
        pytest.param({"kind": "poll", "data": b""}, "kind='poll'", id="kind"),
        pytest.param({"data": b"", "mime_type": "a/b\r\nX: y"}, "a type is like", id="type"),
    ],
)
def test_media_needs_one_source_and_a_known_kind_and_type(
    arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Media(**{"kind": "image", **arguments})


@pytest.mark.parametrize(
    ("media", "name", "kind"),
    [
        pytest.param(Media("image", data=b"", **PNG), "image.png", "image/png", id="by-its-type"),
        pytest.param(Media("image", url=URL), "a b.png", "image/png", id="by-its-url"),
        pytest.param(Media.from_path(Path("/x/é.mp3")), "é.mp3", "audio/mpeg", id="by-its-path"),
        pytest.param(Media("file", data=b""), "file", "application/octet-stream", id="by-nothing"),
        pytest.param(
            Media("file", data=b"", name='..\\a/"b"\r\nX: y.pdf'),
            "_b_X_ y.pdf",
            "application/pdf",
            id="by-a-name-that-means-harm",
        ),
        pytest.param(Media("file", data=b"", name="…/.."), "file", "application/octet-stream"),
    ],
)
def test_its_name_has_a_suffix_and_no_folder(media: Media, name: str, kind: str) -> None:
    assert (media.filename, media.content_type) == (name, kind)


def test_no_bytes_and_no_signature_are_shown() -> None:
    shown = repr([Media("image", data=DATA), Media("image", url=URL)])

    assert "PNG" not in shown
    assert "sig" not in shown


def test_a_message_is_text_and_media_in_their_order() -> None:
    image, audio = Media("image", data=DATA), Media("audio", data=DATA, name="a.wav")
    content = ["Look:", image, f"and {PLACEHOLDER}hear", audio]

    [turn] = to_turns([{"role": "user", "content": content}])

    assert turn.media == (image, audio)
    assert turn.bare_text == "Look:\nand hear"
    assert turn.described_text == "Look:\n[image]\nand hear\n[audio: a.wav]"


def test_a_text_alone_keeps_every_character() -> None:
    [turn] = to_turns([{"role": "user", "content": f"a{PLACEHOLDER}b"}])

    assert turn.bare_text == turn.described_text == f"a{PLACEHOLDER}b"


def test_a_place_in_a_text_can_say_that_the_media_is_left_out() -> None:
    text = f"a\n{PLACEHOLDER}\nb"

    said = describe_media(text, [Media("image", data=DATA)], left_out="only text can be read here")

    assert said == "a\n[image: left out, as only text can be read here]\nb"
    assert drop_media(text) == "a\nb"


def test_a_prompt_may_be_empty_beside_a_file() -> None:
    chat = make_chat(" ", files=[Media("image", data=DATA)])

    assert render_prompt(chat).prompt == " "
    with pytest.raises(ValueError, match="The prompt is empty"):
        make_chat(" ")


def test_earlier_media_are_lines_of_a_split_chat() -> None:
    image = Media("image", data=DATA, name="cat.png")
    chat = [
        Turn("user", f"{PLACEHOLDER}\nWhat is it?", media=(image,)),
        Turn("assistant", "A cat."),
        Turn("user", "Its colour?"),
    ]

    assert render_prompt(chat).prompt == (
        "User: [image: cat.png]\nWhat is it?\nAssistant: A cat.\nUser: Its colour?\nAssistant:"
    )
