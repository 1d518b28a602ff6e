"""The inputs of an app that take pictures and files.

Source: the components' arguments in `/config` (`file_types`, `file_count`), and the check of
`file_types` on the page, in `js/upload/src/utils.ts`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal

import msgspec

from qwen_space.chat.media import Media
from qwen_space.gradio.page.app import (
    CHATS,
    TEXTS,
    TEXTS_WITH_FILES,
    AppComponent,
    AppFunction,
)

__all__ = [
    "MEDIA_KINDS",
    "MEDIA_ROLES",
    "MediaRole",
    "MediaSlot",
    "find_slot",
    "hands_over",
    "is_restored",
    "keeps_file",
]

MediaRole = Literal["image", "audio", "video", "file"]

MEDIA_ROLES: tuple[MediaRole, ...] = ("image", "audio", "video", "file")
"""The roles of inputs for media, the surest first."""

MEDIA_KINDS: Mapping[MediaRole, frozenset[str]] = {
    "image": frozenset({"image", "imageeditor", "gallery", "multimodalimage"}),
    "audio": frozenset({"audio"}),
    "video": frozenset({"video"}),
    "file": frozenset({"file", "uploadbutton", "antdupload", "antduploaddragger"}),
}
"""The types of components for each role."""

_KEPT = r"(?:histor(?:y|ies)|sessions?|settings|config(?:uration)?|presets?|characters?)"
_CHAT = rf"(?:{_KEPT}|chats?|conversations?)"
_SAVED = r"(?:(?:a|the|your|my|saved|previous|old|chat|conversation)\s){0,3}"
_RESTORED = re.compile(
    rf"\b(?:(?:import|restore|load)\s{_SAVED}{_CHAT}|upload\s{_SAVED}{_KEPT}"
    rf"|{_CHAT}\s(?:import|restore))(?=\s*(?:$|[^\w\s]|(?:from|files?|json)\b))"
    r"|(?:导入|加载|恢复|匯入).{0,6}(?:历史|歷史|对话|對話|会话|记录|设置|配置)"
    r"|(?:загрузить|импорт(?:ировать)?)\s(?:историю|истории|диалог|чат)",
    re.IGNORECASE,
)

_SEVERAL = frozenset({"multiple", "directory"})


class MediaSlot(msgspec.Struct, frozen=True):
    """The way in which an input takes media.

    Attributes:
        shape: The form of its value, as `component_value` has it; "text" for a text with files.
        types: The file types that it takes, as Gradio's `file_types`: kinds, and suffixes such as
            ".pdf"; empty for any.
    """

    shape: str
    types: tuple[str, ...] = ()

    @property
    def is_single(self) -> bool:
        """Whether it takes one media only."""
        return self.shape in {"one", "video", "editor"}

    def takes(self, media: Media) -> bool:
        """Whether it takes a media of this type."""
        suffix = PurePath(media.filename).suffix.lower()
        kinds = {"file", media.kind, media.content_type.partition("/")[0], media.content_type}
        return not self.types or any(
            each.lower() == suffix if each.startswith(".") else each.removesuffix("/*") in kinds
            for each in self.types
        )

    @property
    def described(self) -> str:
        """Its types in words, for an error."""
        return ", ".join(self.types[:12]) or "any file"


def is_restored(component: AppComponent) -> bool:
    """Whether a file takes the place of the chat, or of settings, and is no part of a message."""
    is_file = component.kind in MEDIA_KINDS["file"]
    return is_file and _RESTORED.search((component.label or "")[:200]) is not None


def hands_over(steps: Iterable[AppFunction], needed: Collection[Any]) -> bool:
    """Whether functions put something into a state that a chat needs, and show no chat."""
    given = [each for step in steps for each in step.outputs]
    hands = any(each.id in needed and each.kind == "state" for each in given)
    return hands and not any(each.kind in CHATS for each in given)


def keeps_file(steps: Sequence[AppFunction]) -> bool:
    """Whether functions take an upload alone, and may keep it on the server for a chat."""
    is_alone = not any(each.kind in TEXTS for step in steps for each in step.inputs)
    shown = any(each.kind in CHATS for step in steps for each in step.outputs)
    return "upload" in steps[0].events and is_alone and not shown


def find_slot(component: AppComponent, release: Sequence[int]) -> MediaSlot | None:
    """Return the way in which a component takes media; None if it takes none.

    Args:
        component: The component.
        release: The version of Gradio.
    """
    types = _file_types(component)
    if component.kind in TEXTS_WITH_FILES:
        return MediaSlot("text", types)
    match component.kind:
        case "image" | "multimodalimage":
            return MediaSlot("one", ("image",))
        case "imageeditor":
            return MediaSlot("editor", ("image",))
        case "gallery":
            return MediaSlot("gallery", types or ("image", "video"))
        case "audio":
            return MediaSlot("one", ("audio",))
        case "video":
            return MediaSlot("one" if release[0] >= 6 else "video", ("video",))
    if component.kind in MEDIA_KINDS["file"]:
        several = component.props.get("file_count") in _SEVERAL or component.kind.startswith("antd")
        return MediaSlot("many" if several else "one", types)
    return None


def _file_types(component: AppComponent) -> tuple[str, ...]:
    """Return the types that a component takes, which modelscope_studio has as HTML's `accept`."""
    props = component.props
    upload = props.get("upload_config")
    accept = props.get("accept", upload.get("accept") if isinstance(upload, dict) else None)
    given = props.get("file_types")
    if isinstance(accept, str) and given is None:
        given = [each.strip() for each in accept.split(",")]
    return tuple(each for each in given or () if each and isinstance(each, str))
