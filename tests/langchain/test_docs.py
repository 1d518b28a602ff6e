"""What docs/langchain.md shows can be run, from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.langchain.obedient import obedient

if TYPE_CHECKING:
    from conftest import ScriptedSpace

PAGE = Path(__file__).parents[2] / "docs" / "langchain.md"


def test_the_page_s_code_runs(
    space: ScriptedSpace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    space.engine.reply = obedient()
    monkeypatch.setenv("QWEN_SPACE_URL", space.url)
    names: dict[str, Any] = {"__name__": "page"}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)

    for block in blocks:
        exec(block, names)

    said = capsys.readouterr().out
    assert len(blocks) > 5
    assert "'args': {'city': 'Oslo'}" in said
    assert "name='Ada' age=36" in said
    assert "{'rank': 0" in said
    assert "as the tool said" in said
