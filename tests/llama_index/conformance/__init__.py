"""Duties of every LlamaIndex LLM, as tests for any LLM.

A subclass says how an LLM is made, and in front of which model it stands:

    class TestMine(LLMConformance):
        @pytest.fixture
        def server(self): ...   # a model that answers by script

        @pytest.fixture
        def make(self, server):
            return lambda **arguments: MyLLM(url=..., **arguments)

The server's replies are a model's text. A piece that is a whole `<tool_call>` is a call of a tool,
which a server for the LLM's API may hand on in that API's own form.

No test looks at a clock: where an LLM could block its caller's loop, the server holds its reply
back until a task of that very loop lets it go.
"""

from __future__ import annotations

from tests.llama_index.conformance.agents import Agents
from tests.llama_index.conformance.construction import Construction
from tests.llama_index.conformance.endpoints import Endpoints
from tests.llama_index.conformance.event_loops import EventLoops
from tests.llama_index.conformance.leaving import Leaving
from tests.llama_index.conformance.messages import Messages
from tests.llama_index.conformance.structured_output import StructuredOutput
from tests.llama_index.conformance.tools import Tools

__all__ = ["LLMConformance"]


# pytest runs the tests of the last base first.
class LLMConformance(
    StructuredOutput,
    Agents,
    Tools,
    Construction,
    Messages,
    Leaving,
    EventLoops,
    Endpoints,
):
    """Tests for an LLM. A subclass gives `server` and `make`, and further differences.

    Attributes:
        secret: Arguments that hold a secret, the word "verysecret" in each.
        takes_images: Whether image blocks reach the model.
    """
