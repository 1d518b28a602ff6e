"""Replies to text and tool calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_space.tools import (
    ArgumentsDelta,
    CallStarted,
    InvalidCall,
    ReplyParser,
    TextPart,
    ToolBinding,
    ToolCall,
    parse,
)
from tests.core.tools.parsing import (
    AUTO,
    FORCED,
    G_TEXT,
    ONE,
    SCHEMAS,
    TAG_IN_TEXT,
    F,
    call,
    ids,
    run,
    short,
    tagged,
)
from tests.growth import assert_linear
from tests.pieces import cut

REPLIES = [
    pytest.param("", [], id="nothing"),
    pytest.param("Hi <b> a < b </tool>\n", ["Hi <b> a < b </tool>\n"], id="text"),
    pytest.param(tagged(call()), [F], id="a-call"),
    pytest.param("<tool_call>" + call() + "</tool_call>", [F], id="no-line-breaks"),
    pytest.param(f"Hm.\n{tagged(call())}", ["Hm.", F], id="text-before"),
    pytest.param(f"{tagged(call())}\nSo.", [F, "So."], id="text-after"),
    pytest.param(
        f"A\n{tagged(call())}\nB\n{tagged(call())}\nC", ["A", F, "\nB", F, "\nC"], id="mixed"
    ),
    pytest.param(f"{tagged(call())}\n{tagged(call())}", [F, F], id="two"),
    pytest.param(f"{tagged(call())}{tagged(call())}", [F, F], id="two-at-once"),
    pytest.param(
        f"A\n\n{tagged(call())}\n\nB", ["A\n", F, "\nB"], id="one-line-break-is-the-tag-s"
    ),
    pytest.param(f"A {tagged(call())} B", ["A ", F, " B"], id="spaces-around"),
    pytest.param(f"{tagged(call())}\nB\n{tagged(call())}\n", [F, "B", F], id="text-between"),
    pytest.param(tagged(call(TAG_IN_TEXT)), [("f", {"a": "</tool_call>"})], id="tag-in-a-string"),
    pytest.param(
        tagged(call('{"a": "\\"</tool_call>\\\\"}')),
        [("f", {"a": '"</tool_call>\\'})],
        id="tag-behind-escapes",
    ),
    pytest.param(
        tagged(call('{"a": "<tool_call>"}')), [("f", {"a": "<tool_call>"})], id="opening-in-string"
    ),
    pytest.param(
        tagged(call('{"a": "x\n <b>\n<c>\t"}')), [("f", {"a": "x\n <b>\n<c>\t"})], id="raw-breaks"
    ),
    pytest.param(
        tagged(call('{"a": {"b": [{}, {"c": null}]}}')),
        [("f", {"a": {"b": [{}, {"c": None}]}})],
        id="nested",
    ),
    pytest.param(tagged(call('"{\\"a\\": 1}"')), [("f", {"a": 1})], id="arguments-as-text"),
    pytest.param(tagged('{"arguments": {"a": 1}, "name": "f"}'), [("f", {"a": 1})], id="order"),
    pytest.param(tagged('{"id": 1, "name": "f", "arguments": {}}'), [F], id="further-keys"),
    pytest.param(tagged(call(name="x")), [("x", {})], id="a-name-that-is-not-bound"),
    pytest.param(tagged(call(name="\\u0066")), [F], id="name-with-an-escape"),
    pytest.param(tagged(f"[{call()}]"), [F], id="list-of-one"),
    pytest.param(
        tagged(f"[{call()},\n {call(TAG_IN_TEXT)}]"), [F, ("f", json.loads(TAG_IN_TEXT))], id="list"
    ),
    pytest.param(
        f"A\n{tagged(f'[{call()}, {call()}]')}\nB\n{tagged(call())}",
        ["A", F, F, "\nB", F],
        id="both",
    ),
    pytest.param(f"A</tool_call>B\n</tool_call>\n{call()}", [f"AB{call()}"], id="stray-tags"),
    pytest.param("a <tool_call", ["a <tool_call"], id="what-only-began-like-a-tag"),
    pytest.param("<tool_call>\n" + call(), [F], id="unclosed-at-the-end"),
    pytest.param(f"<tool_call>\n{call()}\n</tool_cal", [F], id="cut-in-the-closing-tag"),
    pytest.param(f"<tool_call>\n[{call()}, {call()}]\n", [F, F], id="unclosed-list"),
    pytest.param(tagged('{"name": "f"}'), [F], id="no-arguments"),
    pytest.param(tagged(call("null")), [F], id="null-arguments"),
    pytest.param(
        tagged('{"name": "f", "parameters": {"a": 1}}'), [("f", {"a": 1})], id="parameters"
    ),
    pytest.param(
        tagged('{"name": "f", "arguments": {}, "parameters": {"a": 1}}'), [F], id="both-keys"
    ),
    pytest.param(tagged(f"```json\n{call()}\n```"), [F], id="a-fence-inside"),
    pytest.param(tagged(f"```\n[{call()}]\n```"), [F], id="a-fence-without-a-word-inside"),
    pytest.param(
        tagged('<function=f>\n<parameter=a>\nx\n"</tool>\n</parameter>\n</function>'),
        [("f", {"a": 'x\n"</tool>'})],
        id="function-in-tags",
    ),
    pytest.param(
        tagged("<function=f><parameter=a>1</parameter><parameter=b></parameter></function>"),
        [("f", {"a": "1", "b": ""})],
        id="function-in-a-line",
    ),
    pytest.param("<tool_call>\n<function=f>\n</function>", [F], id="function-in-an-unclosed-tag"),
    pytest.param("A\n<function=f>\n</function>\nB", ["A", F, "\nB"], id="function-without-tags"),
    pytest.param("<function=f>\n</function>\n</tool_call>", [F], id="function-without-opening"),
    pytest.param("A <function=f></function>", ["A <function=f></function>"], id="function-in-text"),
    pytest.param("<function=g></function>", ["<function=g></function>"], id="function-not-bound"),
    pytest.param("A\n<tool_response>\nx\n</tool_response>\nB", ["A"], id="a-result"),
    pytest.param(f"{tagged(call())}\n<tool_response>\n5", [F], id="a-result-after-a-call"),
    pytest.param(f"<tool_call>{call()}<tool_response>5", [F], id="a-result-in-an-unclosed-call"),
    pytest.param("A<|im_end|>\n<|im_start|>user\nB", ["A"], id="end-of-turn"),
    pytest.param("A<|endoftext|>B", ["A"], id="end-of-text"),
    pytest.param(f"{call()}<|im_end|>", [F], id="end-of-turn-after-a-bare-call"),
    pytest.param(
        tagged(call('{"a": "<tool_response>"}')), [("f", {"a": "<tool_response>"})], id="end-quoted"
    ),
    pytest.param("a < b <| c <tool_resp", ["a < b <| c <tool_resp"], id="no-end"),
    *(
        pytest.param(f"It writes `{tag}`, see?", [f"It writes `{tag}`, see?"], id=f"code-of-{tag}")
        for tag in ("<tool_call>", "</tool_call>", "<tool_response>", "<|im_end|>")
    ),
    pytest.param("It is `x`<|im_end|>", ["It is `x`"], id="end-after-code"),
    pytest.param("It is `x`<|im_end|>`", ["It is `x`<|im_end|>`"], id="end-between-code"),
    pytest.param(f"It is `x`{tagged(call())}", ["It is `x`", F], id="a-call-after-code"),
    pytest.param("It is `x`<tool_call>", ["It is `x`", ["invalid", ""]], id="cut-off-after-code"),
    pytest.param("```\nx\n```</tool_call>`", ["```\nx\n````"], id="stray-tag-after-a-fence"),
]

INVALID = [
    pytest.param('<tool_call>{"name": "f"', '{"name": "f"', "not closed", id="cut-off"),
    pytest.param("<tool_call>", "", "not closed", id="cut-off-at-once"),
    pytest.param(
        "<tool_call>\n<function=f>\n<parameter=a>1",
        "<function=f>\n<parameter=a>1",
        "not closed",
        id="function-cut-off",
    ),
    pytest.param(
        tagged("<function=f>x</function>"),
        "<function=f>x</function>",
        "neither",
        id="function-with-text",
    ),
    pytest.param(tagged("<function=>"), "<function=>", "no name", id="function-without-a-name"),
    pytest.param(
        tagged(call('{"a": 1e999}')), call('{"a": 1e999}'), "1e999 is no number", id="too-large"
    ),
    pytest.param(
        tagged(call('{"a": "\\ud800"}')),
        call('{"a": "\\ud800"}'),
        "surrogate",
        id="half-a-surrogate",
    ),
    pytest.param(
        tagged(call('{"a": ' + "9" * 5000 + "}")),
        call('{"a": ' + "9" * 5000 + "}"),
        "no number",
        id="too-many-digits",
    ),
    pytest.param(
        tagged('{"name": "x", "parameters": {}}'),
        '{"name": "x", "parameters": {}}',
        "no arguments",
        id="parameters-not-bound",
    ),
    pytest.param(
        tagged('{"name": "x"}'), '{"name": "x"}', "no arguments", id="no-arguments-not-bound"
    ),
    pytest.param(tagged(""), "", "no JSON", id="empty"),
    pytest.param(tagged("f()"), "f()", "no JSON", id="no-json"),
    pytest.param(tagged(call() + "}"), call() + "}", "no JSON", id="a-brace-too-many"),
    pytest.param(tagged(f"{{{call()}}}"), f"{{{call()}}}", "no JSON", id="doubled-braces"),
    pytest.param(tagged(f"{call()}\n{call()}"), f"{call()}\n{call()}", "no JSON", id="two-in-one"),
    pytest.param(tagged("[]"), "[]", "a list of no calls", id="empty-list"),
    pytest.param(
        tagged(f"[{call()}, 1]"), f"[{call()}, 1]", "call 2 of its list: it is no", id="list-of-1"
    ),
    pytest.param(
        tagged(f'[{call()}, {{"name": "x"}}]'),
        f'[{call()}, {{"name": "x"}}]',
        "call 2 of its list: it has no arguments",
        id="list-with-half-a-call",
    ),
    pytest.param(tagged(f"[[{call()}]]"), f"[[{call()}]]", "no JSON object", id="list-in-a-list"),
    pytest.param(tagged(f"[{call()}"), f"[{call()}", "no JSON", id="list-not-closed"),
    pytest.param(tagged('{"arguments": {}}'), '{"arguments": {}}', "no name", id="no-name"),
    pytest.param(tagged(call(name="")), call(name=""), "no name", id="empty-name"),
    pytest.param(
        tagged('{"name": 1, "arguments": {}}'), '{"name": 1, "arguments": {}}', "no name", id="name"
    ),
    pytest.param(tagged(call(name="\\x")), call(name="\\x"), "no JSON", id="bad-escape-in-name"),
    pytest.param(tagged(call("[]")), call("[]"), "arguments are no JSON object", id="list-args"),
    pytest.param(tagged(call('"a"')), call('"a"'), "arguments are no JSON", id="text-args"),
    pytest.param(tagged(call('{"a": NaN}')), call('{"a": NaN}'), "no JSON", id="nan"),
    pytest.param(
        tagged('{"name": "f", "name": "g", "arguments": {}}'),
        '{"name": "f", "name": "g", "arguments": {}}',
        "more than one 'name'",
        id="two-names",
    ),
    pytest.param(tagged("[" * 100_000), "[" * 100_000, "nested too deep", id="too-deep"),
]


@pytest.mark.parametrize(("reply", "expected"), REPLIES)
@pytest.mark.parametrize("tools", [AUTO, FORCED], ids=["auto", "any"])
def test_a_reply_is_text_and_calls(reply: str, expected: list[Any], tools: ToolBinding) -> None:
    if reply.startswith("A</tool_call>") and tools is FORCED:
        expected = ["AB", F]  # a call without tags, which counts where one has to come

    for size in (1, 2, 3, 7, 10_000):
        _, parsed = run(cut(reply, size), tools)

        assert short(parsed) == expected, size


@pytest.mark.parametrize(("reply", "text", "reason"), INVALID)
@pytest.mark.parametrize("size", [1, 10_000_000])
def test_a_malformed_call_is_invalid_and_is_not_mended(
    reply: str, text: str, reason: str, size: int
) -> None:
    pieces, parsed = run(cut(reply, size))

    assert (parsed.text, parsed.calls) == ("", ())
    [invalid] = parsed.invalid
    assert (invalid.text, invalid.id) == (text, "call_0")
    assert reason in invalid.reason
    assert pieces[-1] == invalid
    assert not any(isinstance(piece, (TextPart, ToolCall)) for piece in pieces)


def test_a_call_that_another_one_s_tag_cuts_off_is_invalid() -> None:
    parsed = parse(f"<tool_call>\n{call()}\n{tagged(call())}", AUTO, ids())

    assert short(parsed) == [["invalid", call()], F]
    assert parsed.invalid[0].reason == "it is not closed before the next one begins"
    assert [part.index for part in (*parsed.invalid, *parsed.calls)] == [0, 1]


def test_a_forgotten_quote_spoils_its_own_call_only() -> None:
    broken = '{"name": "f", "arguments": {"a": "x}}'

    parsed = parse(f"{tagged(broken)}\n{tagged(call())}\nSo.", AUTO, ids())

    assert short(parsed) == [["invalid", broken], F, "So."]


def test_a_call_streams_piece_by_piece() -> None:
    cuts = ["Hm", ".\n<tool_c", 'all>\n{"name": "f"', ', "arguments": {"a":', ' "b', 'c"', "}}\n<"]
    parser = ReplyParser(AUTO, ids())

    told = [parser.feed(each) for each in [*cuts, "/tool_call>", "\nSo."]] + [parser.close()]

    text = '{"a": "bc"}'
    assert told == [
        [TextPart("Hm")],
        [TextPart(".")],
        [],
        [CallStarted(0, "call_0", "f"), ArgumentsDelta(0, '{"a":')],
        [ArgumentsDelta(0, ' "b')],
        [ArgumentsDelta(0, 'c"')],
        [ArgumentsDelta(0, "}")],
        [ToolCall("f", {"a": "bc"}, "call_0", 0, text)],
        [TextPart("\nSo.")],
        [],
    ]


def test_arguments_before_the_name_come_in_one_delta() -> None:
    pieces, _ = run([tagged('{"arguments": {"a":1}, "name": "f"}')])

    text = '{"a": 1}'
    assert pieces == [
        CallStarted(0, "call_0", "f"),
        ArgumentsDelta(0, text),
        ToolCall("f", {"a": 1}, "call_0", 0, text),
    ]


@pytest.mark.parametrize(
    "reply",
    [
        tagged(call('{"a": "1", "c": "[2]", "d": null, "h": null}')),
        tagged(f"""[{call('{"a": "1", "c": "[2]", "d": null, "h": null}')}]"""),
        call('{"a": "1", "c": "[2]", "d": null, "h": null}'),
    ],
    ids=["tagged", "list", "bare"],
)
def test_arguments_have_the_types_of_the_schema_in_each_form(reply: str) -> None:
    parsed = run([reply], ONE)[1]

    text = '{"a": 1, "c": [2], "d": null, "h": null}'
    assert [(each.arguments, each.text) for each in parsed.calls] == [(json.loads(text), text)]


def test_calls_of_a_list_come_together_each_with_its_own_index() -> None:
    pieces, _ = run(tagged(f"[{call()}, {G_TEXT}]"))

    assert pieces == [
        CallStarted(0, "call_0", "f"),
        ArgumentsDelta(0, "{}"),
        ToolCall("f", {}, "call_0", 0, "{}"),
        CallStarted(1, "call_1", "get_weather"),
        ArgumentsDelta(1, '{"a": 1}'),
        ToolCall("get_weather", {"a": 1}, "call_1", 1, '{"a": 1}'),
    ]


def test_a_call_that_had_begun_may_still_be_invalid() -> None:
    pieces, _ = run(["<tool_call>", call('{"a": 1')])

    assert pieces == [
        CallStarted(0, "call_0", "f"),
        ArgumentsDelta(0, '{"a": 1}'),
        InvalidCall(call('{"a": 1'), "it is not closed", id="call_0", index=0, name="f"),
    ]


HELD = ["\n<tool_call", "</tool_call", "\n", "<"]


@pytest.mark.parametrize("held", HELD)
def test_no_more_than_a_tag_and_its_line_break_is_held_back(held: str) -> None:
    parser = ReplyParser(AUTO, ids())

    assert parser.feed(f"Hello{held}") == [TextPart("Hello")]
    assert parser.feed("!") == [TextPart(f"{held}!")]


@pytest.mark.parametrize(
    "tools", [ToolBinding(), ToolBinding.from_schemas(SCHEMAS, "none")], ids=["no-tools", "none"]
)
def test_where_nothing_may_be_called_all_is_text(tools: ToolBinding) -> None:
    reply = f"A\n{tagged(call())}\n"

    assert run(reply, tools)[0] == [TextPart(reply)]


def test_a_closed_parser_takes_nothing_more() -> None:
    parser = ReplyParser(AUTO, ids())
    parser.close()

    with pytest.raises(RuntimeError, match="closed"):
        parser.feed("x")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        pytest.param("a", "3", 3, id="integer"),
        pytest.param("a", "three", "three", id="no-integer"),
        pytest.param("a", "3.5", "3.5", id="a-number-that-is-none"),
        pytest.param("b", "3", "3", id="string"),
        pytest.param("b", "null", "null", id="string-null"),
        pytest.param("b", "\n a\n", "\n a\n", id="string-lines"),
        pytest.param("c", "[1, {}]", [1, {}], id="array"),
        pytest.param("c", "None", None, id="pythons-none"),
        pytest.param("d", "True", True, id="pythons-true"),
        pytest.param("d", "false", False, id="false"),
        pytest.param("e", "null", None, id="string-or-null"),
        pytest.param("e", "1", "1", id="string-or-null-text"),
        pytest.param("o", '{"x": 1}', {"x": 1}, id="a-reference"),
        pytest.param("z", "[1]", "[1]", id="not-in-the-schema"),
    ],
)
def test_a_function_s_parameters_have_the_types_of_the_schema(
    key: str, text: str, value: Any
) -> None:
    reply = tagged(f"<function=f>\n<parameter={key}>\n{text}\n</parameter>\n</function>")

    [found] = run([reply], ONE)[1].calls

    assert found.arguments == {key: value}


def test_arguments_that_a_tool_requires_are_not_made_up() -> None:
    _, parsed = run([tagged('{"name": "f"}'), tagged(call("null"))], ONE)

    assert [each.reason for each in parsed.invalid] == [
        "it has no arguments",
        "its arguments are no JSON object",
    ]


@pytest.mark.parametrize("size", [1, 10_000])
def test_a_parser_says_when_a_reply_has_ended_early(size: int) -> None:
    parser = ReplyParser(AUTO, ids())
    reply = f"{tagged(call())}\n<tool_response>\nx"

    ends = []
    for piece in cut(reply, size):
        parser.feed(piece)
        ends.append(parser.ended)
    parser.close()

    assert ends[-1]
    assert ends.count(False) == (len(reply) - 3 if size == 1 else 0)
    assert short(parser.parsed) == [F]


# Growth

HOSTILE = {
    "braces": "{",
    "brackets": "[",
    "calls": '{"name": "f", "arguments": {',
    "opening-tags": "<tool_call>",
    "closing-tags": "</tool_call>\n",
    "functions": "<function=f>\n",
    "parameters": "<parameter=a>",
    "blanks": " ",
    "line-breaks": "\n",
    "fences": "```\n",
    "ticks": "`",
    "signs": "<",
    "lines-of-signs": "\n<",
    "lines-of-half-tags": "\n</tool",
    "quotes": '"',
    "backslashes": "\\",
    "whole-calls": tagged(call()),
    "name": 'f({"a": ',
}


@pytest.mark.parametrize("tools", [AUTO, FORCED, ONE], ids=["auto", "any", "one"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("before", ["", "<tool_call>", "<tool_call><function=f>", call()[:-2]])
def test_a_hostile_reply_costs_linear_time(before: str, text: str, tools: ToolBinding) -> None:
    def make(size: int) -> str:
        return before + (text * size)[:size]

    assert_linear(make, lambda reply: parse(reply, tools, ids()), 4_000, largest=64_000)


# The server's final text


def test_the_text_that_was_fed_is_not_read_again() -> None:
    new_id = ids()
    parser = ReplyParser(AUTO, new_id)
    parser.feed(tagged(call()))
    parser.close()

    assert parser.settle(tagged(call())) == parser.parsed
    assert new_id() == "call_1", "a second reading would have taken it"


def test_calls_that_a_rewritten_reply_still_has_keep_their_ids() -> None:
    parser = ReplyParser(AUTO, ids())
    parser.feed(f"A\n{tagged(call())}\n{tagged(G_TEXT)}")
    parser.close()

    parsed = parser.settle(f"B\n{tagged(call())}\n{tagged(call())}")

    assert parsed.text == "B"
    assert [each.id for each in parsed.calls] == ["call_0", "call_3"]
