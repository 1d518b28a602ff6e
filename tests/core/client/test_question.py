"""A chat in the terms of one app's endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import RenderedPrompt
from qwen_space.client.question import pair_history
from qwen_space.gradio.endpoint import Endpoint, Input

CHAT = [Turn("user", "A"), Turn("assistant", "B"), Turn("user", "C")]


@pytest.mark.parametrize(
    ("shape", "history"),
    [
        ("pairs", [["A", "B"]]),
        ("messages", [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]),
        (
            "parts",
            [
                {"role": "user", "content": [{"type": "text", "text": "A"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "B"}]},
            ],
        ),
    ],
)
def test_earlier_turns_take_the_shape_of_the_app_s_history(shape: Any, history: Any) -> None:
    inputs = (Input("prompt", "p"), Input("history", "h", shape=shape), Input("system", "s"))
    endpoint = Endpoint(None, 0, None, inputs, 0)

    assert pair_history(endpoint, CHAT) == (RenderedPrompt(None, "C"), history)
    assert pair_history(endpoint, [Turn("system", "S"), *CHAT]) == (
        RenderedPrompt("S", "C"),
        history,
    )
    assert pair_history(endpoint, CHAT[:2]) is None


def test_a_system_prompt_that_the_app_has_no_input_for_goes_into_the_prompt() -> None:
    endpoint = Endpoint(None, 0, None, (Input("prompt", "p"), Input("history", "h")), 0)

    parts, history = pair_history(endpoint, [Turn("system", "S"), *CHAT]) or (None, None)

    assert parts == RenderedPrompt(None, "System: S\nUser: C\nAssistant:")
    assert history == [["A", "B"]]
