"""How an LLM is made, copied and written down."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable

import pytest
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.llms import LLM

from tests.llama_index.conformance.base import Conformance, Listener, Server
from tests.llama_index.conformance.calls import ask, text_of


class Construction(Conformance):
    def test_metadata_asks_nobody(self, make: Callable[..., LLM], server: Server) -> None:
        llm = make()

        metadata = llm.metadata

        assert metadata.context_window > 4096
        assert metadata.is_chat_model
        assert server.requests == []

    def test_a_misspelt_argument_is_refused(self, make: Callable[..., LLM]) -> None:
        with pytest.raises((TypeError, ValueError), match="temprature"):
            make(temprature=0.5)

    @pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
    @pytest.mark.parametrize("how", ["pickle", "deepcopy", "from_dict"])
    def test_a_copy_answers(self, make: Callable[..., LLM], how: str, used: bool) -> None:
        llm = make(system_prompt="Be brief.")
        if used:
            llm.complete("Hi")
            asyncio.run(ask(llm, "acomplete"))
        copies: dict[str, Callable[[], LLM]] = {
            "pickle": lambda: pickle.loads(pickle.dumps(llm)),
            "deepcopy": lambda: copy.deepcopy(llm),
            "from_dict": lambda: type(llm).from_dict({**llm.to_dict(), **self.secret}),
        }

        again = copies[how]()

        assert again.system_prompt == "Be brief."
        assert text_of(again.complete("Hi")) == "Hello there."

    def test_no_secret_is_written_down(self, make: Callable[..., LLM], listener: Listener) -> None:
        llm = make(**self.secret)
        debug = LlamaDebugHandler(print_trace_on_end=False)
        llm.callback_manager = CallbackManager([debug])

        llm.complete("Hi")

        readings = [repr(llm), str(llm.to_dict()), str(debug.get_llm_inputs_outputs())]
        readings += [str(event) for event in listener.seen]
        assert [each for each in readings if "verysecret" in each] == []
