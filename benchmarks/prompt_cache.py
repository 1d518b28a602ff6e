"""How much of a prompt a real model reads again, from turn to turn and from step to step.

llama.cpp keeps the prompt of its last reply, and evaluates only the tokens after the first that
differs. A chat model that puts something new before the old part makes it read all again. A chat
of five turns, and an agent's two steps with ten tools, go to the model by several ways: to the
engine alone, with the messages and tools as its own template has them; and through a local Space,
by both frameworks, which share the form of tools in a prompt. Each begins with an empty cache.

    python -m benchmarks.prompt_cache [--model NAME] [--small]

The figures go to `benchmarks/results/prompt_cache.json` and `docs/local-space.md`.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openai
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space import Timeouts
from qwen_space.local import Finished, LlamaEngine, LocalSpace, Sampling, find_weights

RESULT = Path(__file__).with_name("results") / "prompt_cache.json"
PAGE = Path(__file__).parents[1] / "docs" / "local-space.md"
# A busy machine reads a thousand tokens for longer than the default limit.
PATIENT = Timeouts(first_token=3600)
BEGIN, END = "<!-- prompt cache: begin -->", "<!-- prompt cache: end -->"

SYSTEM = (
    "You are the assistant of a travel agency. Answer in one or two short sentences. "
    "Be friendly, name places by their usual English names, and give distances in kilometres. "
    "If you do not know something, say so. Never promise a price, a seat or a date."
)
QUESTIONS = (
    "Name a city in Italy that is worth three days.",
    "What should I see there first?",
    "Is it far from Rome?",
    "Which dish should I try?",
    "Sum up our plan in one sentence.",
)
QUESTION = "What is the weather in Paris, in celsius?"
CALL: dict[str, Any] = {"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius"}}
RESULT_OF_CALL = '{"temperature": 18, "sky": "light rain"}'
TOKENS = 40


def _tool(name: str, description: str, **parameters: str) -> dict[str, Any]:
    properties = {
        each: {"type": "string", "description": said} for each, said in parameters.items()
    }
    schema = {"type": "object", "properties": properties, "required": list(parameters)}
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}


TOOLS = [
    _tool("get_weather", "The weather in a city.", city="The city", unit="celsius or fahrenheit"),
    _tool("find_hotel", "Hotels in a city.", city="The city", stars="The least number of stars"),
    _tool("find_train", "Trains between two cities.", start="From", end="To", day="The date"),
    _tool("find_flight", "Flights between two cities.", start="From", end="To", day="The date"),
    _tool("rent_car", "Cars to rent in a city.", city="The city", days="For how many days"),
    _tool("find_museum", "Museums in a city.", city="The city", theme="Art, history or science"),
    _tool("find_food", "Restaurants in a city.", city="The city", kitchen="Such as Italian"),
    _tool("convert_money", "Convert an amount.", amount="A number", start="From", end="To"),
    _tool("translate", "Translate a text.", text="The text", language="The language to have"),
    _tool("note", "Keep a note for the traveller.", title="A title", text="The note"),
]


class Watched:
    """An engine that writes down the cost of each reply."""

    def __init__(self, engine: LlamaEngine) -> None:
        self._engine = engine
        self.name, self.slots = engine.name, engine.slots
        self.replies: list[dict[str, Any]] = []

    def start(self) -> None:
        """Load the model."""
        self._engine.start()

    def close(self) -> None:
        """Unload it."""
        self._engine.close()

    async def stream(
        self, messages: Sequence[Mapping[str, str]], sampling: Sampling
    ) -> AsyncGenerator[Any, None]:
        """Yield a reply's pieces, and note its figures."""
        begun, first = time.monotonic(), 0.0
        async for part in self._engine.stream(messages, sampling):
            if isinstance(part, Finished):
                self.note(part.prompt_tokens, part.cached_tokens, first)
            else:
                first = first or time.monotonic() - begun
            yield part

    def note(self, prompt: int | None, cached: int | None, first: float) -> None:
        """Write down a reply's tokens and the seconds to its first one."""
        evaluated = (prompt or 0) - (cached or 0)
        reply = {"prompt": prompt, "evaluated": evaluated, "first_token": round(first, 2)}
        self.replies.append(reply)


Way = Callable[[str, Watched], None]


def ask_engine_chat(_url: str, watched: Watched) -> None:
    with _client(watched) as client:
        _chat(lambda messages: _complete(client, messages, watched))


def ask_engine_agent(_url: str, watched: Watched) -> None:
    function = {"name": CALL["name"], "arguments": json.dumps(CALL["arguments"])}
    call = {"id": "1", "type": "function", "function": function}
    first = [_system(), {"role": "user", "content": QUESTION}]
    second = [
        *first,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": RESULT_OF_CALL},
    ]
    with _client(watched) as client:
        for messages in (first, second):
            _complete(client, messages, watched, tools=TOOLS)


def ask_langchain_chat(url: str, _watched: Watched, **options: Any) -> None:
    model = ChatQwenSpace(space=url, timeouts=PATIENT, **options)
    _chat(lambda messages: model.invoke(messages).text)


def ask_langchain_agent(url: str, _watched: Watched) -> None:
    call = {"name": CALL["name"], "args": CALL["arguments"], "id": "1", "type": "tool_call"}
    first = [SystemMessage(SYSTEM), HumanMessage(QUESTION)]
    second = [
        *first,
        AIMessage("", tool_calls=[call]),
        ToolMessage(RESULT_OF_CALL, tool_call_id="1"),
    ]
    # Without asking again, which a small model's broken call would do, and be measured as a step.
    model = ChatQwenSpace(space=url, timeouts=PATIENT).bind_tools(TOOLS, reask=False)
    for messages in (first, second):
        model.invoke(messages)


def ask_llama_index_chat(url: str, _watched: Watched, **options: Any) -> None:
    llm = QwenSpace(space=url, timeouts=PATIENT, **options)

    def reply(messages: list[dict[str, str]]) -> str:
        chat = [ChatMessage(each["content"], role=each["role"]) for each in messages]
        return llm.chat(chat).message.content or ""

    _chat(reply)


def _client(watched: Watched) -> openai.OpenAI:
    server = watched._engine._engine  # noqa: SLF001 - it is the engine alone that is asked
    assert server is not None  # noqa: S101
    return openai.OpenAI(base_url=server.base_url, api_key=server._api_key)  # noqa: SLF001


def _chat(reply: Callable[[list[dict[str, str]]], str]) -> None:
    messages = [_system()]
    for question in QUESTIONS:
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": reply(messages)})


def _system() -> dict[str, str]:
    return {"role": "system", "content": SYSTEM}


def _complete(client: openai.OpenAI, messages: Any, watched: Watched, **more: Any) -> str:
    begun, first, text = time.monotonic(), 0.0, ""
    chunks = client.chat.completions.create(
        model="",
        messages=messages,
        max_tokens=TOKENS,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
        **more,
    )
    for chunk in chunks:
        if chunk.usage is not None:
            cached = getattr(chunk.usage.prompt_tokens_details, "cached_tokens", None)
            watched.note(chunk.usage.prompt_tokens, cached, first)
        for choice in chunk.choices:
            if choice.delta.content or choice.delta.tool_calls:
                first = first or time.monotonic() - begun
            text += choice.delta.content or ""
    return text


@contextmanager
def running(weights: Path) -> Iterator[tuple[str, Watched]]:
    # One slot, and so one cache, as a Space for one visitor has.
    engine = LlamaEngine(weights, context=4096, slots=1, temperature=0, max_tokens=TOKENS)
    watched = Watched(engine)
    with LocalSpace(watched) as space:
        yield space.url, watched


CHAT: dict[str, Way] = {
    "the engine alone": ask_engine_chat,
    'LangChain, `history="auto"`': partial(ask_langchain_chat, history="auto"),
    'LlamaIndex, `history="auto"`': partial(ask_llama_index_chat, history="auto"),
    'LangChain, `history="split"`': partial(ask_langchain_chat, history="split"),
}
AGENT: dict[str, Way] = {
    "the engine alone": ask_engine_agent,
    "LangChain, ten tools": ask_langchain_agent,
}


def measure(weights: Path, ways: dict[str, Way]) -> dict[str, Any]:
    """Return each way's replies, each with its tokens and the seconds to its first one."""
    found = {}
    for name, way in ways.items():
        with running(weights) as (url, watched):
            way(url, watched)
        found[name] = watched.replies
        print(name, watched.replies, file=sys.stderr, flush=True)
    return found


def markdown(data: dict[str, Any]) -> str:
    """Return the tables of the page."""
    chat = _table(data["chat"], {"turn 1": 0, "turn 2": 1, "turn 5": 4})
    agent = _table(data["agent"], {"step 1": 0, "step 2": 1})
    return f"{data['model']}, two processors:\n\n{chat}\n\n{agent}"


def _table(found: dict[str, Any], columns: dict[str, int]) -> str:
    lines = [f"| tokens evaluated of the prompt's | {' | '.join(columns)} |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name, replies in found.items():
        chosen = [replies[at] for at in columns.values()]
        cells = [
            f"{each['evaluated']} of {each['prompt']}, {each['first_token']:.1f} s"
            for each in chosen
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prompt_cache", description=__doc__)
    parser.add_argument("--model", help="as for qwen-space serve")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    weights = find_weights(options.model, small=options.small)
    data = {
        "model": LlamaEngine(weights).name,
        "python": platform.python_version(),
        "xllamacpp": version("xllamacpp"),
        "chat": measure(weights, CHAT),
        "agent": measure(weights, AGENT),
    }
    RESULT.write_text(json.dumps(data, indent=1) + "\n")
    tables = markdown(data)
    print(tables)
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    if rest:
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
