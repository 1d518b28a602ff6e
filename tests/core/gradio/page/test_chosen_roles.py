"""Roles that the caller gives."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.errors import EndpointError
from qwen_space.gradio.page.discovery import find_endpoint
from tests.core.gradio.page.app_config import roles
from tests.core.gradio.page.role_page import BOX, page


def test_a_role_can_be_taken_away() -> None:
    config = page(BOX, {**BOX, "label": "System"})

    assert roles(find_endpoint(config, roles={"System": None})) == ["prompt", None]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Massage": "prompt"}, "no input for 'Massage'. Its inputs are 0: Message, 1: Message"),
        ({7: "prompt"}, "no input for 7"),
        ({"Message": "prompt"}, "2 inputs are called 'Message'; give a position instead: 0, 1"),
    ],
)
def test_a_role_of_no_input_or_of_several_is_an_error_that_lists_them(
    given: Any, said: str
) -> None:
    config = page({**BOX, "label": "Message"}, {**BOX, "label": "Message"})

    with pytest.raises(EndpointError) as caught:
        find_endpoint(config, roles=given)

    assert said in str(caught.value)
