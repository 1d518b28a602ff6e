"""The servers on this machine that stand for those which the pages name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.media_app import PNG, MediaApp
from tests.pdf import write_pdf

__all__ = ["Stage"]

_SPACES = re.compile(r"http://127\.0\.0\.1:7860|(?<=\")Qwen/Qwen2\.5[\w.-]*(?=\")")
_API = "http://127.0.0.1:8000"
_DOG = 'url="https://example.org/dog.png"'  # which the app would fetch from the internet


@dataclass(frozen=True)
class Stage:
    """The addresses of servers on this machine.

    Attributes:
        space: The Space that answers by script.
        api: `qwen-space api` in front of it.
        hub: A hub with two Spaces.
        media_app: Apps that take files.
    """

    space: str
    api: str
    hub: str
    media_app: MediaApp

    @property
    def environment(self) -> dict[str, str]:
        return {"QWEN_SPACE_URL": self.space, "HF_ENDPOINT": self.hub}

    def substitute(self, page: str, text: str) -> str:
        """Return a page with these addresses in place of its own."""
        space = self.media_app("vision_model") if page == "files.md" else self.space
        return _SPACES.sub(space, text).replace(_API, self.api).replace(_DOG, f"data={PNG!r}")

    def prepare(self, folder: Path) -> None:
        """Write the files that pages read."""
        (folder / "cat.png").write_bytes(PNG)
        write_pdf(folder / "report.pdf", "A Space runs a Gradio app.")
