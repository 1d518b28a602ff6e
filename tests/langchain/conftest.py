"""The model of most tests here: that of the scripted Space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_qwen_space import ChatQwenSpace

if TYPE_CHECKING:
    from conftest import ScriptedSpace


@pytest.fixture
def model(space: ScriptedSpace) -> ChatQwenSpace:
    return ChatQwenSpace(space=space.url)
