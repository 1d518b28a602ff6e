"""Any reply, in any cuts, is read the same."""

from __future__ import annotations

import itertools
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_space.tools import ArgumentsDelta, CallStarted, ToolBinding, ToolCall, call_text
from tests.core.tools.parsing import AUTO, FORCED, G_TEXT, NAMES, ONE, TAG_IN_TEXT, call, run

ARGUMENTS = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.sampled_from(["<tool_call>", "</tool_call>", '"', "\\"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)


CALLS = st.builds(
    lambda name, arguments: ToolCall(name, arguments), st.sampled_from(NAMES), ARGUMENTS
)


TEXTS = st.text('ab<>/\n{}[]`"_ toolcal', max_size=12).filter(
    lambda text: "tool_call>" not in text and not text.lstrip().startswith(("{", "[", "`"))
)


SHREDS = st.sampled_from(
    [
        *("<tool_call>", "</tool_call>", "\n</tool_", "\n", "<", " ", "text "),
        *("{", "}", "[", "]", ",", '"', "\\", "```json\n", "```", "json", '{"name"'),
        *(
            '{"name": "f", "arguments": {',
            call(),
            call(TAG_IN_TEXT),
            G_TEXT,
            f"<tool_call>[{call()},",
        ),
        *("f", "(", ")", 'f({"a": 1})', '{"a": 1}', "<function=f>", "</function>", "<parameter=a>"),
        *(
            "</parameter>",
            "<tool_response>",
            "<|im_end|>",
            "<|im_",
            "<function",
            "<tool_call>```\n",
        ),
    ]
)


def cut_at(text: str, places: list[int]) -> list[str]:
    marks = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[a:b] for a, b in itertools.pairwise(marks)]


def joined(texts: list[str]) -> str:
    whole = ""
    for text in filter(None, texts):
        has_gap = not whole or whole[-1].isspace() or text[0].isspace()
        whole += text if has_gap else f"\n{text}"
    return whole


@settings(max_examples=settings.default.max_examples // 2)
@given(st.lists(st.tuples(TEXTS, CALLS), max_size=3), TEXTS, st.lists(st.integers(0), max_size=12))
def test_a_rendered_reply_is_read_back_from_any_cuts(
    blocks: list[tuple[str, ToolCall]], last: str, places: list[int]
) -> None:
    parts = [f"{text}\n{call_text(each)}\n" for text, each in blocks]
    reply = "".join(parts) + last

    pieces, parsed = run(cut_at(reply, places))

    texts = [text for text, _ in blocks] + [last]
    assert parsed.text == joined(texts)
    assert [(each.name, each.arguments) for each in parsed.calls] == [
        (each.name, each.arguments) for _, each in blocks
    ]
    assert parsed.invalid == ()
    assert pieces == run([reply])[0]


@given(
    st.lists(SHREDS, max_size=12).map("".join),
    st.lists(st.integers(0), max_size=12),
    st.sampled_from([AUTO, FORCED, ONE]),
)
def test_the_cuts_of_a_reply_do_not_matter(
    reply: str, places: list[int], tools: ToolBinding
) -> None:
    whole, parsed = run([reply], tools)

    assert run(cut_at(reply, places), tools) == (whole, parsed)
    assert run(reply, tools) == (whole, parsed)
    tags = ("<tool_call>", "</tool_call>", "<tool_response>", "<|im_end|>")
    assert not any(tag in parsed.text for tag in tags)
    assert [part.index for part in parsed.parts if not isinstance(part, str)] == list(
        range(len(parsed.calls) + len(parsed.invalid))
    )
    for each in parsed.calls:
        told = [p.delta for p in whole if isinstance(p, ArgumentsDelta) and p.index == each.index]
        assert "".join(told) == each.text
        assert json.loads(each.text, strict=False) == each.arguments
        assert CallStarted(each.index, each.id, each.name) in whole
