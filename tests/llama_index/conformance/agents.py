"""Agents and chat engines."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import LLM
from llama_index.core.memory import ChatMemoryBuffer

from tests.llama_index.conformance.base import Conformance, Server, said_to
from tests.llama_index.conformance.tools import ADD, CALL
from tests.replies import tool_call

quiet = pytest.mark.filterwarnings(
    # A workflow looks for its steps with `inspect.getmembers`, at all that Pydantic deprecated.
    "ignore::pydantic.warnings.PydanticDeprecationWarning:inspect",
    # LlamaIndex's agents ask its own workflows in a way that those no longer want.
    "ignore:is_running called from within a step:DeprecationWarning",
)


def memory() -> ChatMemoryBuffer:
    return ChatMemoryBuffer.from_defaults(token_limit=3000, tokenizer_fn=str.split)


class Agents(Conformance):
    @quiet
    @pytest.mark.parametrize("streaming", [False, True])
    async def test_a_function_agent_uses_a_tool_and_answers(
        self, llm: LLM, server: Server, streaming: bool
    ) -> None:
        server.reply = lambda messages: ["It is 5."] if "5" in str(messages[1:]) else [CALL]
        agent = FunctionAgent(tools=[ADD], llm=llm, streaming=streaming, system_prompt="Count.")

        output = await agent.run("What is 2+3, please?", memory=memory())

        assert str(output) == "It is 5."
        assert [str(call.tool_output) for call in output.tool_calls] == ["5"]
        assert len(server.requests) == 2
        assert all("Count." in said_to(server, "system", request) for request in (0, 1))

    @quiet
    @pytest.mark.parametrize("streaming", [False, True])
    async def test_agents_hand_over_to_each_other(
        self, llm: LLM, server: Server, streaming: bool
    ) -> None:
        hand_over = tool_call("handoff", to_agent="writer", reason="It writes.")
        server.reply = lambda messages: (
            ["A poem."] if "You write." in str(messages) else [hand_over]
        )
        settings: dict[str, Any] = {"llm": llm, "streaming": streaming, "tools": [ADD]}
        planner = FunctionAgent(
            name="planner",
            description="Plans.",
            system_prompt="You plan.",
            can_handoff_to=["writer"],
            **settings,
        )
        writer = FunctionAgent(
            name="writer", description="Writes.", system_prompt="You write.", **settings
        )
        workflow = AgentWorkflow(agents=[planner, writer], root_agent="planner")

        output = await workflow.run("A poem, please.", memory=memory())

        assert str(output) == "A poem."
        assert output.current_agent_name == "writer"

    @quiet
    @pytest.mark.parametrize("streaming", [False, True])
    async def test_a_react_agent_answers(self, llm: LLM, server: Server, streaming: bool) -> None:
        call = 'Thought: I need a tool.\nAction: add\nAction Input: {"a": 2, "b": 3}'
        answer = "Thought: I can answer without using any more tools.\nAnswer: It is 5."
        server.reply = lambda messages: [answer if "Observation: 5" in str(messages) else call]

        output = await ReActAgent(tools=[ADD], llm=llm, streaming=streaming).run(
            "What is 2+3?", memory=memory()
        )

        assert str(output) == "It is 5."

    @pytest.mark.parametrize("streaming", [False, True])
    def test_a_chat_engine_remembers(self, llm: LLM, server: Server, streaming: bool) -> None:
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory())

        for message in ("Hi", "And now?"):
            if streaming:
                list(engine.stream_chat(message).response_gen)
            else:
                engine.chat(message)

        assert [each.content for each in engine.chat_history] == [
            "Hi",
            "Hello there.",
            "And now?",
            "Hello there.",
        ]
        assert "Hello there." in str(server.requests[1])
