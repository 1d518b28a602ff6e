from __future__ import annotations

import pytest

from qwen_space.gradio.reply.details import Details, split_details

THINKING = "<details open><summary class='s'><span>Thinking...</span></summary>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"{THINKING}hm</details>42", Details("hm", "42", True), id="closed"),
        pytest.param(f"{THINKING}hm</details>\n\n", Details("hm", "", False), id="no-answer-yet"),
        pytest.param(f"{THINKING}\n\nhm", Details("hm", "", False), id="open"),
        pytest.param(
            f"{THINKING}\n\n<div class='box'>\nhm\n</div>\n</details>42",
            Details("hm", "42", True),
            id="within-an-element",
        ),
        pytest.param(
            "<details><summary>思考过程</summary>hm</details>42",
            Details("hm", "42", True),
            id="in-chinese",
        ),
        pytest.param("<details><summary>Sources</summary>a</details>b", None, id="no-thoughts"),
        pytest.param("42 <details><summary>Thinking</summary>", None, id="later"),
        pytest.param("<details>Thinking</details>", None, id="no-summary"),
    ],
)
def test_folded_thoughts_are_apart_from_the_answer(text: str, expected: Details | None) -> None:
    assert split_details(text) == expected


def test_a_summary_that_is_not_whole_yet_is_waited_for() -> None:
    assert split_details("<details><summary>Thin", is_final=False) == Details("", "", False)
    assert split_details("<details>" + "a" * 1_000, is_final=False) is None
