"""Calls without tags: where they count, and where they are text."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.tools import (
    ToolBinding,
)
from tests.core.tools.parsing import (
    AUTO,
    FORCED,
    G_TEXT,
    ONE,
    TAG_IN_TEXT,
    F,
    G,
    call,
    fenced,
    run,
    short,
    tagged,
)
from tests.pieces import cut

WITHOUT_TAGS = [
    pytest.param(call(), [F], id="bare"),
    pytest.param(f" \n{call()}\n", [" \n", F], id="white-space-around"),
    pytest.param(fenced(call()), [F], id="fenced"),
    pytest.param(fenced(call(), ""), [F], id="fenced-without-a-word"),
    pytest.param("```json\n" + call(), [F], id="fence-not-closed"),
    pytest.param(fenced(f"[{call()}, {G_TEXT}]"), [F, G], id="fenced-list"),
    pytest.param(f"[{call()}]", [F], id="bare-list"),
    pytest.param(f"{call()}\n{G_TEXT}", [F, G], id="one-a-line"),
    pytest.param(f"{fenced(call())}\n\n{fenced(G_TEXT)}", [F, G], id="two-fences"),
    pytest.param(f"{call()}\n</tool_call>", [F], id="with-a-closing-tag"),
    pytest.param('{\n  "name": "f",\n  "arguments": {}\n}', [F], id="indented"),
    pytest.param(call('{"a": "```\n<b> {"}'), [("f", {"a": "```\n<b> {"})], id="in-a-string"),
    pytest.param(call(TAG_IN_TEXT), [("f", {"a": "</tool_call>"})], id="tag-in-a-string"),
    pytest.param(call().replace("arguments", "parameters"), [F], id="parameters"),
    pytest.param('{"arguments": {}, "name": "f"}', [F], id="name-last"),
    pytest.param(
        f'[{{"arguments": {{}}, "name": "f"}}, {G_TEXT}]', [F, G], id="name-last-in-a-list"
    ),
    pytest.param(f"<tools>\n{call()}\n</tools>", [F], id="in-the-tags-of-the-tools"),
    pytest.param(f"<tools>[{call()}, {G_TEXT}]</tools>", [F, G], id="list-in-them"),
    pytest.param(f"<tools>\n{call()}", [F], id="in-them-and-not-closed"),
    pytest.param('f({"a": 1})', [("f", {"a": 1})], id="function"),
    pytest.param(' f ( {"a": ")"} ) ;\n', [" ", ("f", {"a": ")"})], id="function-with-blanks"),
]

NOT_CALLS = [
    pytest.param(call(name="g"), id="not-bound"),
    pytest.param('{"name": "f", "arguments": {}, "x": 1}', id="further-keys"),
    pytest.param('{"name": "f", "arguments": []}', id="arguments-list"),
    pytest.param('{"name": "f"}', id="no-arguments"),
    pytest.param('{"arguments": {}, "name": "g"}', id="name-last-not-bound"),
    pytest.param('{"arguments": {}, "name": "f"}\nThat was it.', id="name-last-and-text-after"),
    pytest.param('{"arguments": {}}', id="no-name"),
    pytest.param(f"{call()}\nThat was it.", id="text-after"),
    pytest.param(f"{fenced(call())}\n\nThat was it.", id="text-after-a-fence"),
    pytest.param(fenced(call(), "python"), id="another-fence"),
    pytest.param(f"[{call()}, 1]", id="a-number-in-the-list"),
    pytest.param(f"{call()}\n{call(name='g')}", id="one-of-them-not-bound"),
    pytest.param(call() + call("1"), id="one-of-them-with-no-object"),
    pytest.param(f"`{call()}`", id="code"),
    pytest.param(f"<tools>\n{call()}\n</tools>\nThat was it.", id="text-after-tags-of-the-tools"),
    pytest.param(f"<tools>\n{call(name='g')}\n</tools>", id="a-tool-in-them-that-is-not-bound"),
    pytest.param("<tools>", id="tags-of-the-tools-alone"),
    pytest.param("<too", id="the-beginning-of-them"),
    pytest.param("{", id="a-brace"),
    pytest.param("``", id="ticks"),
    pytest.param("[1, 2]", id="a-list"),
    pytest.param(call() + '"', id="a-quote-after"),
    pytest.param(call() + "}", id="a-brace-after"),
    pytest.param('f({"a": 1}) is it.', id="text-after-a-function"),
    pytest.param('f({"a": 1}', id="function-not-closed"),
    pytest.param('f({"a": 1,})', id="function-without-json"),
    pytest.param("f()", id="function-without-an-object"),
    pytest.param('g({"a": 1})', id="function-not-bound"),
    pytest.param('f({"a": 1})({})', id="function-called-twice"),
    pytest.param("forget", id="a-word-like-a-function"),
]


@pytest.mark.parametrize(("reply", "expected"), WITHOUT_TAGS)
@pytest.mark.parametrize("tools", [AUTO, FORCED], ids=["auto", "any"])
def test_json_that_is_all_of_a_reply_and_can_be_nothing_else_is_a_call(
    reply: str, expected: list[Any], tools: ToolBinding
) -> None:
    for size in (1, 5, 10_000):
        _, parsed = run(cut(reply, size), tools)

        assert short(parsed) == expected, size


@pytest.mark.parametrize("reply", NOT_CALLS)
@pytest.mark.parametrize("tools", [AUTO, FORCED], ids=["auto", "any"])
def test_json_that_may_be_something_else_is_text(reply: str, tools: ToolBinding) -> None:
    for size in (1, 5, 10_000):
        _, parsed = run(cut(reply, size), tools)

        assert short(parsed) == [reply], size


@pytest.mark.parametrize(
    ("before", "json"),
    [
        pytest.param("Sure:\n", call(), id="bare"),
        pytest.param("Sure:\n\n", fenced(call()), id="fenced"),
        pytest.param("{\nSure\n", call(), id="after-a-brace"),
    ],
)
def test_json_after_text_is_a_call_only_where_one_has_to_come(before: str, json: str) -> None:
    assert short(run([before + json])[1]) == [before + json]
    assert short(run([before + json], FORCED)[1]) == [before, F]
    assert short(run(before + json, FORCED)[1]) == [before, F]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(call('{"a": "x')[:-1], [["invalid", call('{"a": "x')[:-1]]], id="in-a-string"),
        pytest.param(call()[:-1], [["invalid", call()[:-1]]], id="before-the-last-brace"),
        pytest.param(f"{call()}\n{call()[:-1]}", [F, ["invalid", call()[:-1]]], id="the-second"),
        pytest.param(call('{"a": 1,}'), [["invalid", call('{"a": 1,}')]], id="no-json"),
    ],
)
def test_json_that_began_like_a_call_and_is_cut_off_is_invalid(
    reply: str, expected: list[Any]
) -> None:
    assert short(run([reply])[1]) == expected
    assert short(run(reply)[1]) == expected


@pytest.mark.parametrize("before", [call(), fenced(call()), f"[{call()}]", call('{"a": "\n')])
def test_tagged_calls_win_over_untagged_ones(before: str) -> None:
    reply = f"{before}\n{tagged(G_TEXT)}\n{call()}"

    assert short(run([reply])[1]) == [before, G, f"\n{call()}"]
    assert short(run(reply)[1]) == [before, G, f"\n{call()}"]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param('{"a": 1}', [("f", {"a": 1})], id="bare"),
        pytest.param(fenced('{"a": 1, "b": "x"}'), [("f", {"a": 1, "b": "x"})], id="fenced"),
        pytest.param(call('{"a": 1}'), [("f", {"a": 1})], id="a-call-stays-one"),
        pytest.param('{"b": "x"}', ['{"b": "x"}'], id="without-a-required-one"),
        pytest.param('{"a": 1, "x": 2}', ['{"a": 1, "x": 2}'], id="with-another"),
        pytest.param('{"a": "1"}', ['{"a": "1"}'], id="of-another-type"),
        pytest.param('{"a": true}', ['{"a": true}'], id="true-is-no-integer"),
        pytest.param('{"a": -1}', ['{"a": -1}'], id="below-its-minimum"),
        pytest.param('{"a": 1, "h": "x"}', ['{"a": 1, "h": "x"}'], id="none-of-the-choices"),
        pytest.param('{"a": 1, "h": "hi"}', [("f", {"a": 1, "h": "hi"})], id="one-of-the-choices"),
        pytest.param('{"a": 1, "c": ["x"]}', ['{"a": 1, "c": ["x"]}'], id="another-in-a-list"),
        pytest.param('{"a": 1, "n": {}}', ['{"a": 1, "n": {}}'], id="nested-without-required"),
        pytest.param('{"a": 1, "n": {"k": 1}}', [("f", {"a": 1, "n": {"k": 1}})], id="nested"),
        pytest.param('{"a": 1', ['{"a": 1'], id="cut-off"),
        pytest.param('{"a": 1}\nSo.', ['{"a": 1}\nSo.'], id="text-after"),
        pytest.param('Here: {"a": 1}', ['Here: {"a": 1}'], id="text-before"),
        pytest.param(f'{{"x": 1}}\n{call("{}")}', ['{"x": 1}\n', F], id="a-call-after-another"),
        pytest.param(f"{{x}}\n{call()}", ["{x}\n", F], id="a-call-after-what-is-none"),
    ],
)
@pytest.mark.parametrize("size", [1, 4, 10_000])
def test_where_one_tool_has_to_be_called_its_arguments_alone_are_a_call(
    reply: str, expected: list[Any], size: int
) -> None:
    _, parsed = run(cut(reply, size), ONE)

    assert short(parsed) == expected


def bind(*parameters: dict[str, Any], choice: str | None = "any") -> ToolBinding:
    named = zip("fgh", parameters, strict=False)
    return ToolBinding.from_schemas(
        [{"function": {"name": name, "parameters": each}} for name, each in named], choice
    )


OF_A = {"properties": {"a": {"type": "integer"}}, "required": ["a"]}
OF_A_AND_B = {"properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a", "b"]}
OF_NOTHING: dict[str, Any] = {"properties": {}}


@pytest.mark.parametrize(
    ("tools", "reply", "expected"),
    [
        pytest.param(bind(OF_A, OF_A_AND_B), '{"a": 1}', [("f", {"a": 1})], id="the-first"),
        pytest.param(
            bind(OF_A, OF_A_AND_B), '{"a": 1, "b": 2}', [("g", {"a": 1, "b": 2})], id="the-second"
        ),
        pytest.param(bind(OF_A, OF_A), '{"a": 1}', None, id="either"),
        pytest.param(bind(OF_NOTHING, OF_NOTHING), "{}", None, id="either-without-arguments"),
        pytest.param(bind(OF_A, OF_A_AND_B), '{"x": 1}', None, id="neither"),
        pytest.param(bind(OF_A, choice=None), '{"a": 1}', None, id="not-forced"),
    ],
)
def test_arguments_alone_are_a_call_of_the_only_tool_that_they_fit(
    tools: ToolBinding, reply: str, expected: list[Any] | None
) -> None:
    for written in (reply, fenced(reply)):
        assert short(run([written], tools)[1]) == (expected or [written])


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_a_call_behind_much_white_space_counts_where_one_has_to_come(size: int) -> None:
    reply = "{" + " " * 300 + call()[1:]
    pieces = cut(reply, size)

    assert short(run(pieces, AUTO)[1]) == [reply]
    assert short(run(pieces, FORCED)[1]) == [F]
