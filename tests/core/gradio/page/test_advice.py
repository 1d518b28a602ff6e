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
