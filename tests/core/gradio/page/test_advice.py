"""The sentences about an app's functions."""

from __future__ import annotations

import pytest

from qwen_space.errors import QwenSpaceError
from qwen_space.gradio.page.discovery import find_endpoint
from tests.core.gradio.page.app_config import PARTS, make_config, make_function


def test_names_are_told_whole_where_none_can_be_chosen() -> None:
    config = make_config(make_function(["image"], ["out"], "a Name the one"), **PARTS)

    with pytest.raises(QwenSpaceError, match=r"takes a text\. .*: /a Name the one\.$"):
        find_endpoint(config)


def test_a_button_that_keeps_a_text_takes_none() -> None:
    """As the Flag button of a `gr.Interface`, which takes the inputs and the outputs."""
    config = make_config(
        make_function(["image"], ["out"], "predict"),
        make_function(["image", "out"], ["button"], "Flag"),
        button=("button", {}),
        **PARTS,
    )

    with pytest.raises(QwenSpaceError, match="None of its functions takes a text"):
        find_endpoint(config)


def test_a_function_that_gives_no_text_is_not_advised() -> None:
    config = make_config(make_function(["box"], ["image"], "draw"), **PARTS)

    with pytest.raises(QwenSpaceError, match=r"gives a text back\. .*: /draw\.$"):
        find_endpoint(config)


@pytest.mark.parametrize(
    ("inputs", "advice"),
    [
        pytest.param(["slider", "size"], "roles={'Size': \"prompt\"}", id="a-choice-may-be"),
        pytest.param(["slider", "image"], "", id="a-figure-or-a-picture-is-none"),
    ],
)
def test_a_named_function_without_a_text_is_told_which_input_may_be_the_prompt(
    inputs: list[str], advice: str
) -> None:
    ask = make_function(inputs, ["out"], "ask")
    config = make_config(make_function(["box"], ["chat"]), ask, **PARTS)

    with pytest.raises(QwenSpaceError, match="takes no text that is known") as told:
        find_endpoint(config, "ask")

    assert ("say so, as with" in str(told.value)) == bool(advice)
    assert advice in str(told.value)


@pytest.mark.parametrize("name", [None, "chat"])
def test_a_function_without_a_page_whose_result_has_no_type_is_told_to_need_one(
    name: str | None,
) -> None:
    text = ("api", {"_api_info": {"type": "string"}, "label": "1st"})
    config = make_config(make_function(["text"], [], targets=[]), text=text)

    with pytest.raises(QwenSpaceError, match=r"/chat .*only if it has a type.*-> str"):
        find_endpoint(config, name)
