"""A picture of text, read by RapidOCR, for an engine that sees none."""

from __future__ import annotations

import io
import sys

import pytest
from PIL import Image, ImageDraw, ImageFont

from qwen_space import Media, Space
from qwen_space.local import LocalSpace, OCREngine, ScriptedEngine, describe_message

pytestmark = [
    pytest.mark.consumers,
    pytest.mark.skipif(sys.version_info >= (3, 13), reason="rapidocr-onnxruntime is for < 3.13"),
]


def test_a_picture_of_text_becomes_text() -> None:
    picture = Image.new("RGB", (600, 120), "white")
    font = ImageFont.load_default(size=48)
    ImageDraw.Draw(picture).text((20, 30), "Room 42 at noon", "black", font)
    data = io.BytesIO()
    picture.save(data, "PNG")
    image = Media("image", data=data.getvalue(), name="note.png")

    with LocalSpace(OCREngine(ScriptedEngine(describe_message))) as space:
        done = Space(space.url).complete("Where?", files=[image])

    read = done.text.replace(" ", "").lower()
    assert "room42atnoon" in read
    assert done.text.endswith("Where?")
