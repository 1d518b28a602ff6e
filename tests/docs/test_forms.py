"""The forms of a call that the page of tool calls lists, read as the parser reads them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qwen_space.tools import ToolBinding, parse

PAGE = (Path(__file__).parents[2] / "docs" / "tools.md").read_text("utf-8")
CODE = re.compile(r"(`+) ?(.+?) ?\1")
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
OF_F = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
AUTO = ToolBinding.from_schemas([OF_F])
FORCED = ToolBinding.from_schemas([OF_F], "f")


def rows_of(heading: str) -> list[tuple[str, str]]:
    """Return the rows of a section's first table, as the two texts of each."""
    table = PAGE.partition(f"## {heading}\n\n")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return [(left, right) for left, right in rows]


def forms_of(heading: str) -> list[tuple[str, str]]:
    """Return the code of each row's first cell, with its second cell."""
    return [
        (code, right)
        for left, right in rows_of(heading)
        for _, code in CODE.findall(left)
        if code[0] in "{[" or code.startswith(("<function", "f("))
    ]


def names_of(reply: str, tools: ToolBinding) -> list[str]:
    return [call.name for call in parse(reply, tools, lambda: "id").calls]


@pytest.mark.parametrize(
    "form", [form for form, _ in forms_of("Between `<tool_call>` and `</tool_call>`")]
)
def test_a_form_between_tags_is_a_call(form: str) -> None:
    whole = form.replace('[{"name": ...}, {"name": ...}]', '[{"name": "f", "arguments": {}}]')

    assert names_of(f"<tool_call>\n{whole}\n</tool_call>", AUTO) == ["f"]
    assert names_of(f"<tool_call>\n```json\n{whole}\n```\n</tool_call>", AUTO) == ["f"]


@pytest.mark.parametrize(("form", "where"), forms_of("Without tags"))
def test_a_form_without_tags_is_a_call_where_the_page_says(form: str, where: str) -> None:
    whole = form.replace("{...}", '{"a": 1}').replace("f>...<", "f><")

    assert names_of(whole, FORCED) == ["f"]
    assert names_of(whole, AUTO) == (
        [] if "where a call is forced and they fit" in where else ["f"]
    )


def test_the_page_lists_forms() -> None:
    assert len(forms_of("Between `<tool_call>` and `</tool_call>`")) == 8
    assert len(forms_of("Without tags")) == 4
