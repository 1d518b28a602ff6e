"""An adapter whose framework is not installed says which extra to install."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("adapter", "missing", "extra"),
    [
        ("langchain_qwen_space", "langchain_core", "langchain"),
        ("llama_index_qwen_space", "llama_index", "llama-index"),
        ("llama_index.llms.qwen_space", "llama_index.core", "llama-index"),
    ],
)
def test_a_missing_framework_names_its_extra(adapter: str, missing: str, extra: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; import {adapter}"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    last = done.stderr.strip().splitlines()[-1]
    assert f'is not installed: pip install "qwen-space[{extra}]"' in last
