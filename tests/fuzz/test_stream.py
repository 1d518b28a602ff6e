"""Any bytes as a stream, and the coverage-guided fuzzer's corpus."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.stream import check

CORPUS = sorted((Path(__file__).parents[1] / "data" / "fuzz").iterdir())


@pytest.mark.parametrize("start", range(0, len(CORPUS), 50))
def test_the_corpus_of_the_fuzzer(start: int) -> None:
    for case in CORPUS[start : start + 50]:
        check(case.read_bytes())


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    check(data)


@given(st.binary(min_size=10, max_size=300))
def test_any_messages(choices: bytes) -> None:
    check(b"\x01" + choices)


def test_a_check_fails_where_the_text_is_not_the_server_s(monkeypatch: pytest.MonkeyPatch) -> None:
    from qwen_space.events import TextDelta
    from qwen_space.gradio.reply.deltas import TextTracker

    def swallow(self: TextTracker[TextDelta], new: list[str]) -> list[TextDelta]:
        self._pieces += [piece[1:] for piece in new]
        return [*map(TextDelta, new)]

    outputs = ['["a"]', '[[["append",[],"b"]]]']
    message = '{{"msg":"process_generating","event_id":"e","output":{{"data":{}}}}}'
    stream = "".join(f"data: {message.format(each)}\n\n" for each in outputs)
    case = b"\x00\x00" + stream.encode()
    check(case)

    monkeypatch.setattr(TextTracker, "extend", swallow)

    with pytest.raises(AssertionError):
        check(case)
