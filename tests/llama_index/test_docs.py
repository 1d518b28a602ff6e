"""The page about LlamaIndex says what is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Settings

PAGE = Path(__file__).parents[2] / "docs" / "llama-index.md"


def model(messages: Any) -> list[str]:
    """Answer as the page's examples want it."""
    said = str(messages)
    if "<tools>" in said:
        call = '<tool_call>\n{"name": "add", "arguments": {"a": 17, "b": 25}}\n</tool_call>'
        return ["It is 42."] if "<tool_response>\\n42" in said else [call]
    if "JSON schema" in said:
        return ['```json\n{"name": "Hel', 'p!", "year"', ": 1965}\n```"]
    return ["A Gradio app."]


@pytest.mark.filterwarnings(
    # As in the agents' own tests.
    "ignore::pydantic.warnings.PydanticDeprecationWarning:inspect",
    "ignore:is_running called from within a step:DeprecationWarning",
)
def test_its_code_runs(
    space: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "_llm", None)  # which the page sets
    space.engine.reply = model
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))

    exec(code.replace("http://127.0.0.1:7860", space.url), {"__name__": "page"})

    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["A Gradio app.", "assistant: A Gradio app."]
    assert lines[2] == "A Gradio app." * 4  # two streams, a query engine's, and a chat engine's
    assert lines[3:5] == ["It is 42.", "name='Help!' year=1965"]
    assert lines[5] == "name='Hel' year=None"
    assert lines[-1] == "name='Help!' year=1965"
