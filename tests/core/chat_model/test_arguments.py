from __future__ import annotations

import pytest

from qwen_space.chat_model.arguments import drop_secrets


@pytest.mark.parametrize(
    ("proxy", "kept"), [("http://a:1", "http://a:1"), ("http://u:p@a:1", None), (None, None)]
)
def test_secrets_are_dropped(proxy: str | None, kept: str | None) -> None:
    secrets = {"hf_token": "hf_x", "auth": ("a", "b"), "headers": {"a": "b"}}
    others = {"space": "s", "verify": False}

    left = drop_secrets({**others, **secrets, "proxy": proxy})

    assert left == {**others, "hf_token": None, "auth": None, "headers": {}, "proxy": kept}
