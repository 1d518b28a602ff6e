"""The defaults that the environment gives."""

from __future__ import annotations

import pytest

from qwen_space.config import token_for

TOKENS = [
    pytest.param("https://qwen-qwen2-5.hf.space", None, "env", id="hugging-face"),
    pytest.param("http://qwen-qwen2-5.hf.space", None, None, id="unencrypted"),
    pytest.param("https://hf.space.example.com", None, None, id="looks-alike"),
    pytest.param("http://127.0.0.1:7860", None, None, id="elsewhere"),
    pytest.param("http://127.0.0.1:7860", "mine", "mine", id="given"),
    pytest.param("https://qwen-qwen2-5.hf.space", "mine", "mine", id="given-wins"),
    pytest.param("https://qwen-qwen2-5.hf.space", "", None, id="given-as-none"),
]


@pytest.mark.parametrize(("url", "given", "expected"), TOKENS)
def test_a_token_of_the_environment_goes_to_hugging_face_only(
    monkeypatch: pytest.MonkeyPatch, url: str, given: str | None, expected: str | None
) -> None:
    monkeypatch.setenv("HF_TOKEN", "env")

    assert token_for(url, given) == expected
