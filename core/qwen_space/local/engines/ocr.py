"""An engine that reads the text in pictures, for a model that sees none."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from qwen_space.local.engines.base import Engine, Output, Sampling
from qwen_space.local.errors import EngineError, require

__all__ = ["OCREngine"]

_KEPT = 500  # texts of pictures; a chat sends its pictures with each of its turns
_PIXELS = 50_000_000  # three bytes of memory each, and more to read them


class OCREngine:
    """Gives another engine the text of pictures in their place.

    RapidOCR reads it, on the CPU; its models for Chinese and English come in its package.

    Args:
        engine: The engine that answers.

    Attributes:
        takes: The kinds of media that it takes, beside those of the other engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader: Any = None
        self._lock: asyncio.Lock | None = None
        self._texts: OrderedDict[bytes, str] = OrderedDict()  # by the picture's SHA-256
        self.takes = frozenset({"image", *getattr(engine, "takes", ())})

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the other engine."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._engine, name)

    @property
    def name(self) -> str:
        """The other engine's name."""
        return self._engine.name

    @property
    def slots(self) -> int:
        """The number of replies of the other engine."""
        return self._engine.slots

    def start(self) -> None:
        """Load the models, and start the other engine.

        Raises:
            MissingExtraError: rapidocr-onnxruntime is not installed.
        """
        self._reader = require("rapidocr_onnxruntime", "local,ocr").RapidOCR()
        self._lock = asyncio.Lock()  # of the loop that uses it first
        self._engine.start()

    def close(self) -> None:
        """Close the other engine."""
        self._engine.close()
        self._reader = None

    async def stream(
        self, messages: Sequence[Mapping[str, Any]], sampling: Sampling
    ) -> AsyncGenerator[Output, None]:
        """Yield the other engine's reply to the messages, with texts for their pictures.

        Raises:
            EngineError: A picture cannot be read.
        """
        read = [
            {**message, "content": await self._read(message["content"])} for message in messages
        ]
        parts = self._engine.stream(read, sampling)
        try:
            async for part in parts:
                yield part
        finally:
            await parts.aclose()

    async def _read(self, content: Any) -> Any:
        if isinstance(content, str):
            return content
        parts = []
        for part in content:
            is_picture = part["type"] == "image_url"
            parts.append(await self._read_picture(part) if is_picture else part)
        if all(part["type"] == "text" for part in parts):
            return "\n\n".join(part["text"] for part in parts)
        return parts

    async def _read_picture(self, part: Mapping[str, Any]) -> dict[str, str]:
        data, key = await asyncio.to_thread(_decode, part["image_url"]["url"])
        if key not in self._texts:
            assert self._lock is not None  # noqa: S101 - `start` made it
            async with self._lock:  # the reader serves one at a time
                if key not in self._texts:
                    self._texts[key] = await asyncio.to_thread(self._text, data)
        self._texts.move_to_end(key)
        text = self._texts[key]
        while len(self._texts) > _KEPT:
            self._texts.popitem(last=False)
        return {"type": "text", "text": f"The text in the picture:\n{text}"}

    def _text(self, data: bytes) -> str:
        try:
            found, _ = self._reader(_prepare(data))
        except EngineError:
            raise
        except Exception as exc:  # of Pillow, OpenCV and ONNX, for a picture of another form
            raise EngineError("The picture cannot be read. Give a PNG or a JPEG.") from exc
        return "\n".join(text for _, text, _ in found or ()) or "(no text was found in it)"


def _decode(url: str) -> tuple[bytes, bytes]:
    """Return the bytes of a data URL, and their SHA-256."""
    data = base64.b64decode(url.partition(",")[2])
    return data, hashlib.sha256(data).digest()


def _prepare(data: bytes) -> bytes:
    """Return a picture with colours: of a palette RapidOCR would read the numbers.

    Raises:
        EngineError: The picture has too many pixels.
    """
    from PIL import Image  # which RapidOCR needs, too

    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > _PIXELS:
                raise Image.DecompressionBombError
            if picture.mode not in {"P", "PA", "CMYK", "YCbCr"}:
                return data
            changed = io.BytesIO()
            mode = "RGBA" if picture.has_transparency_data else "RGB"
            picture.convert(mode).save(changed, "PNG")
            return changed.getvalue()
    except Image.DecompressionBombError as exc:
        most = _PIXELS // 1_000_000
        raise EngineError(f"The picture has more than {most} million pixels. Shrink it.") from exc
