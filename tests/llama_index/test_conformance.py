"""Duties of every LlamaIndex LLM, on ours. `benchmarks/conformance.py` has others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llama_index_qwen_space import QwenSpace
from tests.llama_index.conformance import LLMConformance


class TestQwenSpace(LLMConformance):
    secret = {"hf_token": "verysecret"}  # noqa: RUF012

    @pytest.fixture
    def server(self, space: Any) -> Any:
        return space.engine

    @pytest.fixture
    def make(self, space: Any) -> Callable[..., QwenSpace]:
        return lambda **arguments: QwenSpace(space=space.url, **arguments)
