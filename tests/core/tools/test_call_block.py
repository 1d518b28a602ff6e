from __future__ import annotations

import pytest

from qwen_space.tools.call_block import CLOSE_FUNCTION, CallBlock
from qwen_space.tools.scan import CLOSE, OPEN
from tests.pieces import cut

CALL = '\n{"name": "f", "arguments": {"a": "</tool_call> \\" {", "b": {}}}\n'


def walk(block: CallBlock, text: str, size: int) -> tuple[str, str | None, list[str | None], str]:
    """Feed a text in pieces; return its rest, the tag, the names and the arguments."""
    rest, names, arguments = "", [], ""
    for piece in cut(text, size):
        rest += piece
        end, tag = block.walk(rest, 0)
        name, delta = block.new_parts()
        rest, arguments = rest[end:], arguments + delta
        names += [name] if name is not None else []
        if tag is not None:
            return rest, tag, names, arguments
    return rest, None, names, arguments


@pytest.mark.parametrize("size", [1, 2, 3, 7, 99])
@pytest.mark.parametrize("tag", [OPEN, CLOSE, "<|im_end|>"])
def test_a_call_ends_at_the_first_tag_outside_of_a_string(tag: str, size: int) -> None:
    block = CallBlock(CLOSE)

    rest, found, names, arguments = walk(block, CALL + tag, size)

    assert (found, names) == (tag, ["f"])
    assert rest.startswith(tag)
    assert arguments == block.arguments == CALL[CALL.index("{", 5) : -2]
    assert block.text == block.whole == CALL


@pytest.mark.parametrize("size", [1, 5, 99])
def test_a_function_ends_at_its_own_tag_whatever_its_parameters_hold(size: int) -> None:
    block = CallBlock(CLOSE_FUNCTION, "<function=f>")
    text = "<parameter=a></tool_call><|im_end|></parameter>"

    _, found, _, arguments = walk(block, text + CLOSE_FUNCTION, size)

    assert (found, arguments) == (CLOSE_FUNCTION, "")
    assert block.whole == f"<function=f>{text}{CLOSE_FUNCTION}"


def test_a_call_that_is_cut_in_a_string_says_so() -> None:
    block = CallBlock(CLOSE)

    _, found, _, arguments = walk(block, '{"name": "f", "arguments": {"a": "x', 99)

    assert (found, arguments, block.in_string) == (None, '{"a": "x', True)
