from __future__ import annotations

from qwen_space.config import check_options


def test_options_may_be_given_as_none() -> None:
    check_options({"stop": None, "model": None, "inputs": None, "sampling": None})
    check_options({"stop": ("a",), "sampling": {"max_tokens": 5}})
