"""The examples of a page run with exactly the packages that the page says to install."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.replies import REPLIES, reply
from tests.docs.stage import Stage
from tests.docs.test_pages import PAGES, ROOT

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = [pytest.mark.extras, pytest.mark.timeout(600)]

INSTALL = re.compile(r"pip install ((?:\"?[a-z][\w.\[\],>=<-]*\"? ?)+)")  # no options, no paths
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
RUN = """
import json, sys
names = {"__name__": "page"}
for number, block in enumerate(json.load(sys.stdin), 1):
    exec(compile(block, f"<block {number}>", "exec"), names)
"""
WITH_BLOCKS = [page for page in PAGES if BLOCK.search(page.read_text("utf-8"))]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(["uv", "build", "-q", "--wheel", "-o", folder, ROOT], check=True)
    return next(folder.glob("*.whl"))


def read_requirements(text: str, wheel: Path) -> list[str]:
    """Return a page's install command, with the wheel of this tree in place of the project."""
    named = [word for line in INSTALL.findall(text) for word in re.findall(r"[^\s\"`]+", line)]
    own = [re.search(r"qwen-space(?:\[(.*)\])?$", word) for word in named]
    extras = sorted({extra for found in own if found for extra in (found[1] or "").split(",")})
    others = [word for word, found in zip(named, own, strict=True) if not found]
    return [f"{wheel}[{','.join(filter(None, extras))}]", *others]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_needs_no_more_than_it_says(
    page: Path, wheel: Path, space: ScriptedSpace, stage: Stage, tmp_path: Path
) -> None:
    text = page.read_text("utf-8")
    assert INSTALL.search(text), "the page does not say what to install"
    space.engine.reply = REPLIES.get(page.name, reply)
    python = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run(["uv", "venv", "-q", "--python", sys.executable, tmp_path / "venv"], check=True)
    install = ["uv", "pip", "install", "-q", "--python", python]
    subprocess.run([*install, *read_requirements(text, wheel)], check=True)
    stage.prepare(tmp_path)

    done = subprocess.run(
        [python, "-c", RUN],
        input=json.dumps(BLOCK.findall(stage.substitute(page.name, text))),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **stage.environment},
    )

    assert done.returncode == 0, done.stderr
