"""LlamaIndex's own consumers: workflows of agents, selectors, property graphs, evaluators."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from llama_index.core import Document, PropertyGraphIndex
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.evaluation import FaithfulnessEvaluator
from llama_index.core.indices.property_graph import SimpleLLMPathExtractor
from llama_index.core.selectors import LLMMultiSelector, LLMSingleSelector, PydanticSingleSelector
from llama_index.core.tools import FunctionTool

from llama_index_qwen_space import QwenSpace
from tests.replies import in_turn, tool_call

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = pytest.mark.consumers


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def test_a_workflow_of_agents_hands_over(space: ScriptedSpace) -> None:
    space.engine.reply = in_turn(
        tool_call("handoff", to_agent="adder", reason="It is a sum."),
        tool_call("add", a=2, b=2),
        "It is 4.",
    )
    llm = QwenSpace(space=space.url)
    host = FunctionAgent(
        name="host", description="Greets.", llm=llm, can_handoff_to=["adder"], tools=[]
    )
    tools = [FunctionTool.from_defaults(add)]
    adder = FunctionAgent(name="adder", description="Adds.", llm=llm, tools=tools)

    result = await AgentWorkflow(agents=[host, adder], root_agent="host").run("What is 2 + 2?")

    assert str(result) == "It is 4."
    assert result.current_agent_name == "adder"


CHOICE = [{"choice": 2, "reason": "It is about sums."}]


@pytest.mark.parametrize("kind", [LLMSingleSelector, LLMMultiSelector])
def test_a_selector_chooses(space: ScriptedSpace, kind: type[LLMSingleSelector]) -> None:
    space.engine.reply = in_turn(f"```json\n{json.dumps(CHOICE)}\n```")
    selector = kind.from_defaults(llm=QwenSpace(space=space.url))

    chosen = selector.select(["words", "sums"], "What is 2 + 2?")

    assert [each.index for each in chosen.selections] == [1]


async def test_a_selector_by_function_call_chooses(space: ScriptedSpace) -> None:
    space.engine.reply = in_turn(tool_call("SingleSelection", index=2, reason="Sums."))
    selector = PydanticSingleSelector.from_defaults(llm=QwenSpace(space=space.url))

    chosen = selector.select(["words", "sums"], "What is 2 + 2?")

    assert [each.index for each in chosen.selections] == [1]


def test_a_property_graph_is_made_of_a_text(space: ScriptedSpace) -> None:
    space.engine.reply = in_turn("(Ada, wrote, programs)\n(Ada, knew, Babbage)")
    llm = QwenSpace(space=space.url)

    index = PropertyGraphIndex.from_documents(
        [Document(text="Ada wrote programs and knew Babbage.")],
        llm=llm,
        kg_extractors=[SimpleLLMPathExtractor(llm=llm, num_workers=1)],
        embed_model=MockEmbedding(8),
    )

    triplets = index.property_graph_store.get_triplets(entity_names=["Ada"])
    assert {(a.id, way.label, b.id) for a, way, b in triplets} >= {
        ("Ada", "Wrote", "Programs"),
        ("Ada", "Knew", "Babbage"),
    }


async def test_an_evaluator_judges(space: ScriptedSpace) -> None:
    space.engine.reply = in_turn("YES")
    evaluator = FaithfulnessEvaluator(llm=QwenSpace(space=space.url))

    result = await evaluator.aevaluate(response="Ada wrote.", contexts=["Ada wrote programs."])

    assert result.passing
