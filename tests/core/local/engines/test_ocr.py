"""The engine that reads the text in pictures."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from PIL import Image

from qwen_space.local import EngineError, OCREngine, Sampling, ScriptedEngine, describe_message
from qwen_space.local.engines import ocr

RED, BLUE = (255, 0, 0), (0, 0, 255)


class Reader:
    """In the place of RapidOCR: reads STOP in a red picture, and nothing in others."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, data: bytes) -> tuple[Any, list[float]]:
        self.calls += 1
        picture: Any = Image.open(io.BytesIO(data))
        is_red = picture.mode in {"RGB", "RGBA"} and picture.getpixel((0, 0))[:2] == (255, 0)
        return ([([[0, 0]], "STOP", 0.99)] if is_red else None), [0.1]


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def engine(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> OCREngine:
    def require(package: str, extras: str) -> Any:
        return type("Package", (), {"RapidOCR": lambda: reader})

    monkeypatch.setattr(ocr, "require", require)
    engine = OCREngine(ScriptedEngine(describe_message))
    engine.start()
    return engine


def draw(
    colour: tuple[int, int, int] = RED, mode: str = "RGB", kind: str = "PNG", **options: Any
) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), colour).convert(mode).save(data, kind, **options)
    return data.getvalue()


def message(data: bytes) -> Mapping[str, Any]:
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    parts: Sequence[Any] = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "Read it."},
    ]
    return {"role": "user", "content": parts}


async def read(engine: OCREngine, *messages: Mapping[str, Any]) -> str:
    return "".join([str(part) async for part in engine.stream(messages, Sampling())])


ANIMATED = draw(mode="P", kind="GIF", save_all=True, append_images=[Image.new("P", (8, 8))])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(draw(), "STOP", id="png"),
        pytest.param(draw(BLUE), "(no text was found in it)", id="no-text"),
        pytest.param(draw(mode="P"), "STOP", id="palette"),
        pytest.param(draw(mode="P", transparency=1), "STOP", id="transparent-palette"),
        pytest.param(draw(mode="P", kind="GIF"), "STOP", id="gif"),
        pytest.param(ANIMATED, "STOP", id="animated"),
        pytest.param(draw(mode="CMYK", kind="TIFF"), "STOP", id="cmyk"),
    ],
)
async def test_pictures_become_their_text(engine: OCREngine, data: bytes, text: str) -> None:
    said = await read(engine, message(data))

    assert said == f"The text in the picture:\n{text}\n\nRead it."


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Give a PNG or a JPEG"),
        (b"x", "Give a PNG or a JPEG"),
        (draw()[:40], "Give a PNG or a JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "Give a PNG or a JPEG"),
    ],
    ids=["empty", "text", "cut", "svg"],
)
async def test_a_picture_that_cannot_be_read_is_an_error(
    engine: OCREngine, data: bytes, said: str
) -> None:
    with pytest.raises(EngineError, match=said):
        await read(engine, message(data))


@pytest.mark.parametrize("side", [7_100, 14_000])
async def test_a_picture_that_would_fill_the_memory_is_refused(
    engine: OCREngine, reader: Reader, side: int
) -> None:
    data = io.BytesIO()
    Image.new("1", (side, side)).save(data, "PNG")
    assert len(data.getvalue()) < 100_000

    with pytest.raises(EngineError, match="more than 50 million pixels"):
        await read(engine, message(data.getvalue()))
    assert reader.calls == 0


async def test_a_picture_is_read_once_for_all_turns_of_a_chat(
    engine: OCREngine, reader: Reader
) -> None:
    chat = [message(draw()), {"role": "assistant", "content": "STOP"}, message(draw(BLUE))]
    for _ in range(2):
        await read(engine, *chat)
    assert reader.calls == 2

    await asyncio.gather(*(read(engine, message(draw((255, 0, 9)))) for _ in range(3)))
    assert reader.calls == 3


async def test_the_texts_that_are_kept_have_a_limit(
    engine: OCREngine, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "_KEPT", 2)
    for shade in (1, 2, 1, 3, 1, 2):  # the second was used the longest ago
        await read(engine, message(draw((255, 0, shade))))

    assert reader.calls == 4
