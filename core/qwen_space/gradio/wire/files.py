"""Files on Gradio's wire: those of a message, and those in a reply.

A file is a `FileData`: `{"path": ..., "url": ..., "orig_name": ..., "size": ..., "mime_type": ...,
"meta": {"_type": "gradio.FileData"}}`. A message's has the path that `/upload` gave, or a URL for
the app to fetch; a reply's has a path on the server and the address to get it from.

Source: `FileData` in `gradio/data_classes.py`, and the `data_model` of each component.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard
from urllib.parse import quote, unquote_to_bytes, urljoin

from qwen_space.chat.media import Media, media_kind
from qwen_space.chat.media_types import guess_type
from qwen_space.errors import ProtocolError
from qwen_space.events import ReplyFile

__all__ = [
    "captioned",
    "component_value",
    "file_data",
    "find_files",
    "history_content",
    "inline_bytes",
    "to_reply_file",
]

_META = {"_type": "gradio.FileData"}

# A component's value with files in it, as the components' own `postprocess` makes it.
_FILE_KEYS = ("file", "image", "video", "audio", "composite", "background")

_LONGEST_PATH = 4_096  # characters
_LONGEST_NAME = 255
_LONGEST_CAPTION = 10_000
_LONGEST_URL = 65_536


# Of a message


def file_data(media: Media, path: str, size: int | None = None) -> dict[str, Any]:
    """Return the `FileData` of a media.

    Args:
        media: The media.
        path: The path that `/upload` gave for it, or its URL.
        size: Its bytes, if they are known.
    """
    return {
        "path": path,
        "url": media.url,
        "orig_name": media.filename,
        "size": size,
        "mime_type": media.content_type,
        "is_stream": False,
        "meta": _META,
    }


def component_value(shape: str, files: Sequence[Any]) -> Any:
    """Return the value of a component with these files.

    Args:
        shape: "one" for an Image's, an Audio's or a File's, "many" for a File's with several,
            "video" for a Video's of Gradio 4 and 5, "gallery" and "editor" for a Gallery's and an
            ImageEditor's.
        files: The `FileData` of at least one file.
    """
    match shape:
        case "many":
            return list(files)
        case "gallery":
            return [{_gallery_key(each): each, "caption": None} for each in files]
        case "editor":
            return {"background": files[0], "layers": [], "composite": files[0]}
        case "video":
            return {"video": files[0], "subtitles": None}
    return files[0]


def _gallery_key(file: Mapping[str, Any]) -> str:
    return "video" if str(file.get("mime_type")).startswith("video/") else "image"


def history_content(shape: str, file: Any) -> Any:
    """Return a file as the content of a message in a history of this shape."""
    match shape:
        case "blocks":
            return [{"type": "file", "content": [file]}]
        case "parts":
            return [{"type": "file", "file": file, "alt_text": None}]
    return {"file": file, "alt_text": None}


# Of a reply


def find_files(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the `FileData` in a part of a message's content, or in a component's value."""
    if content.get("type") == "text":
        return
    if _is_file_data(content):
        yield content
        return
    for key in _FILE_KEYS:
        if _is_file_data(found := content.get(key)):
            yield captioned(found, content.get("alt_text"))
            return  # the others of an ImageEditor's are parts of the same picture
    value = content.get("value") if "component" in content else None
    if isinstance(value, dict) and value.get("type") == "matplotlib":
        yield from _drawn(value.get("plot"))
    elif isinstance(value, dict):
        yield from find_files({key: each for key, each in value.items() if key != "component"})
    listed = content.get("content") if content.get("type") in ("file", "files") else None
    for many in (value, content.get("files"), listed):
        for each in many if isinstance(many, list) else ():
            if isinstance(each, dict) and each.get("type") != "text":
                nested = (each, *(each.get(key) for key in _FILE_KEYS))
                caption = each.get("caption")
                yield from (captioned(one, caption) for one in nested if _is_file_data(one))


def _drawn(plot: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the picture that a plot is, which has no path on the server."""
    if isinstance(plot, str) and plot.startswith("data:image/"):
        mime_type = plot[len("data:") :].partition(";")[0]
        yield {"path": "", "url": plot, "mime_type": mime_type[:_LONGEST_NAME]}


def captioned(file: Mapping[str, Any], caption: Any) -> Mapping[str, Any]:
    """Return a `FileData` with the caption that the page has for it, if it has none yet."""
    if not caption or not isinstance(caption, str) or "caption" in file:
        return file
    return {**file, "caption": caption}


def _is_file_data(value: Any) -> TypeGuard[Mapping[str, Any]]:
    if not isinstance(value, dict) or not isinstance(path := value.get("path"), str):
        return False
    is_path = len(path) <= _LONGEST_PATH
    return is_path and not value.keys().isdisjoint(("meta", "url", "orig_name", "mime_type"))


def to_reply_file(data: Mapping[str, Any], address: str) -> ReplyFile:
    """Return the file that a `FileData` of a reply describes.

    Args:
        data: The `FileData`.
        address: The app's address with the prefix of its paths.
    """
    path = data["path"]
    name = data.get("orig_name") or path.rpartition("/")[2]
    name = name[-_LONGEST_NAME:] if isinstance(name, str) and name else None
    mime_type = data.get("mime_type") or guess_type(name or path)
    mime_type = mime_type if isinstance(mime_type, str) else None
    size = data.get("size")
    return ReplyFile(
        _file_url(path, data.get("url"), address),
        media_kind(mime_type),
        mime_type,
        name,
        size if isinstance(size, int) else None,
        caption[:_LONGEST_CAPTION] if isinstance(caption := data.get("caption"), str) else None,
    )


def _file_url(path: str, given: Any, address: str) -> str:
    """Return the address of a file: the app's own for its path where it names none of another.

    Behind a proxy an app often takes itself to be elsewhere, such as at `http://` or at a port that
    only the proxy reaches, and names its own route for files there.
    """
    own = f"{address}/file={quote(path)}"
    url = given if isinstance(given, str) else ""
    is_own = url.endswith((f"/file={path}", f"/file={quote(path)}")) and "/proxy=" not in url
    if is_own and not path.startswith(("http://", "https://")):
        return own
    if not url:
        url = path if path.startswith(("http://", "https://")) else own
    if len(url) > _LONGEST_URL:  # as of a picture that is all in it
        return url
    try:
        return urljoin(f"{address}/", url)
    except ValueError:  # it is no address
        return own


def inline_bytes(url: str, limit: int) -> bytes | None:
    """Return the bytes of a file that is all in its address; None for one that is elsewhere.

    Args:
        url: The address of a reply's file.
        limit: The most bytes.

    Raises:
        ProtocolError: There are more, or they are no Base64.
    """
    if not url.startswith("data:"):
        return None
    head, _, text = url.partition(",")
    try:
        data = base64.b64decode(text) if head.endswith(";base64") else unquote_to_bytes(text)
    except (binascii.Error, ValueError) as exc:
        raise ProtocolError(f"No file: {url[:100]!r}") from exc
    if len(data) > limit:
        raise ProtocolError(
            f"The file has more than {limit} bytes; raise max_size if that is to be expected."
        )
    return data
