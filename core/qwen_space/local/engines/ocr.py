"""An engine that reads the text in pictures, for a model that sees none."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from qwen_space.local.engines.base import Engine, Output, Sampling
from qwen_space.local.errors import EngineError, require

__all__ = ["OCREngine"]


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
        data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
        assert self._lock is not None  # noqa: S101 - `start` made it
        async with self._lock:  # the reader serves one at a time
            lines = await asyncio.to_thread(self._lines, data)
        text = "\n".join(lines) or "(no text was found in it)"
        return {"type": "text", "text": f"The text in the picture:\n{text}"}

    def _lines(self, data: bytes) -> list[str]:
        try:
            found, _ = self._reader(data)
        except Exception as exc:  # of OpenCV and ONNX, for a picture of another form
            raise EngineError("The picture cannot be read. Give a PNG or a JPEG.") from exc
        return [text for _, text, _ in found or ()]
