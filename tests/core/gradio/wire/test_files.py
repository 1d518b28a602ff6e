from __future__ import annotations

from typing import Any

import pytest

from qwen_space import FileReceived, ReplyFile
from qwen_space.chat.media import Media
from qwen_space.errors import ProtocolError
from qwen_space.gradio.page.app import AppComponent
from qwen_space.gradio.page.media_inputs import find_slot
from qwen_space.gradio.reply.chatbot import find_reply
from qwen_space.gradio.reply.deltas import ChatValue
from qwen_space.gradio.wire.files import (
    component_value,
    history_content,
    inline_bytes,
    to_reply_file,
)

FILE = {"path": "/tmp/a b.png", "url": None, "meta": {"_type": "gradio.FileData"}}
OTHER = {**FILE, "path": "/tmp/c.wav", "orig_name": "c.wav"}
ADDRESS = "https://a-b.hf.space/gradio_api"


def bot(content: Any) -> list[Any]:
    return [{"role": "user", "content": "u"}, {"role": "assistant", "content": content}]


@pytest.mark.parametrize(
    ("value", "files"),
    [
        pytest.param([["u", {"file": FILE, "alt_text": None}]], [FILE], id="pair"),
        pytest.param(bot({"file": FILE, "alt_text": None}), [FILE], id="messages"),
        pytest.param(bot([{"type": "file", "file": FILE}]), [FILE], id="parts"),
        pytest.param(bot([{"type": "file", "content": [FILE, OTHER]}]), [FILE, OTHER], id="blocks"),
        pytest.param(bot({"component": "image", "value": FILE}), [FILE], id="component"),
        pytest.param(
            bot({"component": "video", "value": {"video": FILE, "subtitles": None}}),
            [FILE],
            id="video",
        ),
        pytest.param(
            bot({"component": "gallery", "value": [{"image": FILE}, {"image": OTHER}]}),
            [FILE, OTHER],
            id="gallery",
        ),
        pytest.param([["u", {"text": "a", "files": [FILE]}]], [FILE], id="text-with-files"),
        pytest.param(bot([{"type": "text", "text": "a", "path": "/x", "meta": {}}]), [], id="text"),
        pytest.param(bot({"file": {"path": 5}}), [], id="a-path-that-is-no-text"),
        pytest.param(bot({"file": {**FILE, "path": "a" * 5_000}}), [], id="a-path-too-long"),
        pytest.param(bot({"component": "plot", "value": {"plot": "{}"}}), [], id="plot"),
    ],
)
def test_the_files_of_a_reply_are_found_in_every_shape(value: Any, files: list[Any]) -> None:
    reply = find_reply(value)

    assert reply is not None
    assert list(reply.files) == files


@pytest.mark.parametrize(
    ("data", "file"),
    [
        *(
            pytest.param(
                {**FILE, "url": url},
                ReplyFile(f"{ADDRESS}/file=/tmp/a%20b.png", "image", "image/png", "a b.png"),
                id=f"an-address-that-is-none-{number}",
            )
            for number, url in enumerate(["http://[", "http://a\u2100b/", "//[::1", 5])
        ),
        pytest.param(
            {**FILE, "url": "data:image/png;base64," + "A" * 100_000},
            ReplyFile("data:image/png;base64," + "A" * 100_000, "image", "image/png", "a b.png"),
            id="a-picture-within",
        ),
        pytest.param(
            FILE,
            ReplyFile(f"{ADDRESS}/file=/tmp/a%20b.png", "image", "image/png", "a b.png"),
            id="a-path",
        ),
        pytest.param(
            {**OTHER, "url": "/gradio_api/file=/tmp/c.wav", "size": 5},
            ReplyFile(f"{ADDRESS}/file=/tmp/c.wav", "audio", "audio/wav", "c.wav", 5),
            id="an-address-within",
        ),
        *(
            pytest.param(
                {**OTHER, "url": url},
                ReplyFile(f"{ADDRESS}/file=/tmp/c.wav", "audio", "audio/wav", "c.wav"),
                id=f"where-the-app-takes-itself-to-be-{number}",
            )
            for number, url in enumerate(
                [
                    "http://inside:7860/gradio_api/file=/tmp/c.wav",
                    "https://x.org/sub/path/file=/tmp/c.wav",
                    "http://127.0.0.1:7860/gradio_api/file=/tmp/c.wav",
                ]
            )
        ),
        pytest.param(
            {**OTHER, "url": "https://x.org/proxy=https://y.org/file=/tmp/c.wav"},
            ReplyFile(
                "https://x.org/proxy=https://y.org/file=/tmp/c.wav", "audio", "audio/wav", "c.wav"
            ),
            id="of-another-app-within",
        ),
        pytest.param(
            {**FILE, "url": "https://x.org/y", "mime_type": "video/mp4", "orig_name": "v"},
            ReplyFile("https://x.org/y", "video", "video/mp4", "v"),
            id="an-address-elsewhere",
        ),
        pytest.param(
            {**FILE, "path": "https://x.org/y.pdf"},
            ReplyFile("https://x.org/y.pdf", "file", "application/pdf", "y.pdf"),
            id="an-address-as-path",
        ),
    ],
)
def test_a_file_has_an_address_and_a_type(data: Any, file: ReplyFile) -> None:
    assert to_reply_file(data, ADDRESS) == file


@pytest.mark.parametrize(
    ("content", "captions"),
    [
        pytest.param({"file": FILE, "alt_text": "A cat"}, ["A cat"], id="alternative-text"),
        pytest.param(
            {
                "component": "gallery",
                "value": [{"image": FILE, "caption": "A cat"}, {"image": OTHER, "caption": None}],
                "props": {"label": "Cats"},
            },
            ["A cat", "Cats"],
            id="gallery",
        ),
        pytest.param(
            {"component": "image", "value": FILE, "props": {"label": None}}, [None], id="none"
        ),
    ],
)
def test_a_file_has_the_caption_of_the_page(content: Any, captions: list[str | None]) -> None:
    value = ChatValue(address=ADDRESS)

    value.replace(bot(content))

    assert [each.caption for each in value.files] == captions


def test_a_plot_that_is_a_picture_is_a_file() -> None:
    value = ChatValue(address=ADDRESS)
    plot = {"type": "matplotlib", "plot": "data:image/webp;base64,QUI="}

    value.replace(bot({"component": "plot", "value": plot, "props": {"label": "Sales"}}))

    (file,) = value.files
    assert (file.kind, file.mime_type, file.name, file.caption) == (
        "image",
        "image/webp",
        None,
        "Sales",
    )
    assert inline_bytes(file.url, 2) == b"AB"
    assert value.components == ()


def test_a_file_within_its_address_has_a_limit() -> None:
    with pytest.raises(ProtocolError, match="more than 1 bytes"):
        inline_bytes("data:,ab", 1)


def test_a_file_elsewhere_is_not_within_its_address() -> None:
    assert inline_bytes("https://x.org/y", 1) is None


def test_a_file_that_is_no_base64_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="No file"):
        inline_bytes("data:image/png;base64,a", 100)


def test_each_component_makes_one_event_though_its_value_changes() -> None:
    value = ChatValue()

    def plot(data: str) -> dict[str, Any]:
        return {"component": "plot", "value": {"type": "plotly", "plot": data}}

    told = [
        event
        for content in ([plot("1")], [plot("2")], [plot("3"), plot("4")])
        for event in value.replace(bot(content))
    ]

    assert [event.component.value["plot"] for event in told] == ["1", "4"]
    assert [each.value["plot"] for each in value.components] == ["3", "4"]


def test_each_file_makes_one_event() -> None:
    value = ChatValue(address=ADDRESS)
    first, second = to_reply_file(FILE, ADDRESS), to_reply_file(OTHER, ADDRESS)

    told = [
        event
        for content in ([{"type": "file", "file": FILE}], [FILE], [FILE, OTHER], [FILE, OTHER])
        for event in value.replace(bot(content))
    ]

    assert told == [FileReceived(first), FileReceived(second)]
    assert value.files == (first, second)


@pytest.mark.parametrize(
    ("kind", "props", "release", "shape", "taken"),
    [
        pytest.param("image", {}, (6, 0), "one", {"image"}, id="image"),
        pytest.param("imageeditor", {}, (5, 0), "editor", {"image"}, id="editor"),
        pytest.param("gallery", {}, (5, 0), "gallery", {"image", "video"}, id="gallery"),
        pytest.param("video", {}, (5, 0), "video", {"video"}, id="video-with-subtitles"),
        pytest.param("video", {}, (6, 0), "one", {"video"}, id="video"),
        pytest.param("file", {}, (4, 0), "one", {"image", "audio", "video", "file"}, id="file"),
        pytest.param(
            "file", {"file_count": "multiple", "file_types": [".PDF"]}, (4, 0), "many", {"file"}
        ),
        pytest.param("uploadbutton", {"file_types": ["image/*"]}, (4, 0), "one", {"image"}, id="b"),
        pytest.param("multimodaltextbox", {"file_types": ["audio"]}, (5, 0), "text", {"audio"}),
        pytest.param("antdupload", {"accept": ".pdf, image/*"}, (5, 0), "many", {"file", "image"}),
        pytest.param(
            "modelscopepromultimodalinput",
            {"upload_config": {"accept": "image/*"}},
            (5, 0),
            "text",
            {"image"},
        ),
    ],
)
def test_a_component_takes_its_types(
    kind: str, props: dict[str, Any], release: tuple[int, int], shape: str, taken: set[str]
) -> None:
    slot = find_slot(AppComponent(1, kind, props), release)
    media = [
        Media("image", data=b"", name="a.png"),
        Media("audio", data=b"", name="a.wav"),
        Media("video", data=b"", name="a.mp4"),
        Media("file", data=b"", name="a.pdf"),
    ]

    assert slot is not None
    assert slot.shape == shape
    assert {each.kind for each in media if slot.takes(each)} == taken


def test_a_textbox_takes_no_files() -> None:
    assert find_slot(AppComponent(1, "textbox", {}), (6, 0)) is None


def test_values_have_the_components_shapes() -> None:
    video = {**FILE, "mime_type": "video/mp4"}

    assert component_value("one", [FILE]) == FILE
    assert component_value("many", [FILE, OTHER]) == [FILE, OTHER]
    assert component_value("video", [FILE]) == {"video": FILE, "subtitles": None}
    assert component_value("editor", [FILE]) == {
        "background": FILE,
        "layers": [],
        "composite": FILE,
    }
    assert component_value("gallery", [FILE, video]) == [
        {"image": FILE, "caption": None},
        {"video": video, "caption": None},
    ]
    assert history_content("pairs", FILE) == {"file": FILE, "alt_text": None}
    assert history_content("parts", FILE) == [{"type": "file", "file": FILE, "alt_text": None}]
    assert history_content("blocks", FILE) == [{"type": "file", "content": [FILE]}]
