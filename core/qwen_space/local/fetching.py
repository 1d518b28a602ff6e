"""Fetches the files that a visitor gives as addresses, within the limits of uploads.

Gradio does it for whoever asks, and reads an answer of any size into memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import gradio as gr
import httpx
import safehttpx  # Gradio's own: it connects to public addresses only

from qwen_space.local.errors import EngineError
from qwen_space.local.uploads import Room

__all__ = ["bound_fetches"]

_REDIRECTS = 5
_SECONDS = 30  # of silence

_Given: TypeAlias = "str | Path | None"


def bound_fetches(blocks: gr.Blocks, room: Room | None) -> None:
    """Let the components of an app fetch files within a room only, or none if there is no room."""
    for block in blocks.blocks.values():
        # A public method, by which a file gets into a component's folder.
        keep = block.async_move_resource_to_block_cache
        block.async_move_resource_to_block_cache = partial(_move, block, keep, room)  # type: ignore[method-assign]


async def _move(block: Any, keep: Any, room: Room | None, given: _Given) -> str | None:
    if not str(given).lower().startswith(("http://", "https://")):
        path: str | None = await keep(given)
        return path
    if room is None:
        raise gr.Error("This Space takes no files.", print_exception=False)
    try:
        fetched = await _fetch(str(given), Path(block.GRADIO_CACHE), room)
    except EngineError as exc:
        raise gr.Error(exc.message, print_exception=False) from exc
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
        said = "The file cannot be fetched from its address. Send the file itself."
        raise gr.Error(said, print_exception=False) from exc
    block.temp_files.add(str(fetched))
    return str(fetched)


async def _fetch(url: str, cache: Path, room: Room) -> Path:
    """Return the path of the file at an address, which is fetched unless it was before."""
    folder = cache / hashlib.sha256(url.encode()).hexdigest()
    for found in folder.glob("*"):
        return found
    async with room.reserve(room.limits.upload_bytes):
        data, kind = await _download(url, room.limits.upload_bytes)
        return await asyncio.to_thread(_store, folder, _name(url, kind), data)


async def _download(url: str, limit: int) -> tuple[bytes, str]:
    """Return the bytes at an address, and their type."""
    for _ in range(_REDIRECTS):
        address = await safehttpx.async_validate_url(httpx.URL(url).host)
        transport = safehttpx.AsyncSecureTransport(address)
        client = httpx.AsyncClient(transport=transport, timeout=_SECONDS)
        async with client, client.stream("GET", url) as answer:
            if not answer.has_redirect_location:
                answer.raise_for_status()
                return await _read(answer, limit), answer.headers.get("content-type", "")
            url = str(httpx.URL(url).join(answer.headers["location"]))
    raise EngineError("The file's address leads from one to another without an end.")


async def _read(answer: httpx.Response, limit: int) -> bytes:
    data = bytearray()
    async for chunk in answer.aiter_bytes():
        data += chunk
        if len(data) > limit:
            raise EngineError(f"The file at the address is larger than {limit / 1e6:g} MB.")
    return bytes(data)


def _name(url: str, kind: str) -> str:
    """Return a file's name by its address, with an ending by its type if it has none."""
    name = "".join(
        each for each in Path(httpx.URL(url).path).name if each.isalnum() or each in "-_."
    )
    name = name.strip(".")[-80:] or "file"
    ending = mimetypes.guess_extension(kind.partition(";")[0].strip()) or ""
    return name if Path(name).suffix else name + ending


def _store(folder: Path, name: str, data: bytes) -> Path:
    """Write a file in one step, as others who give its address read it from then on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():  # of one who gave the address at the same time
        handle, part = tempfile.mkstemp(dir=folder.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(part).replace(path)
    return path
