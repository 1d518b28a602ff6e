"""A judge of openevals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from openevals.llm import create_async_llm_as_judge, create_llm_as_judge

from langchain_qwen_space import ChatQwenSpace

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = pytest.mark.consumers

PROMPT = "Is it right? {inputs} {outputs}"


async def test_a_judge_gives_a_score(space: ScriptedSpace) -> None:
    space.engine.reply = ['{"reasoning": "It is.", "score": true}']
    model = ChatQwenSpace(space=space.url)

    blocking = create_llm_as_judge(prompt=PROMPT, judge=model)
    score = blocking(inputs="2 + 2", outputs="4")
    ascore = await create_async_llm_as_judge(prompt=PROMPT, judge=model)(inputs="2", outputs="2")

    assert [each["score"] for each in (score, ascore)] == [True, True]
