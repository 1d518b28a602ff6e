"""Whether an agent of a real small model calls the tool that a question needs, and then answers.

Twenty questions to an agent with four tools, of which sixteen need one and four need none. No
wording was chosen by them. An answer is right if nothing but the question's tool was called, if
any, and the text has the expected words. The model is run by `qwen_space.local`, at temperature 0
and with 100 tokens at most, and asked with `history="split"`, as by default where tools are bound,
and with `history="native"`.

    pip install -e ".[all]"
    python -m benchmarks.agent_questions [--history split native] [--first 1] [--last 20]

Each result is written to `--results` after each answer, and not asked for again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.errors import GraphRecursionError

from benchmarks.function_calling import Known
from langchain_qwen_space import ChatQwenSpace
from qwen_space.local import LlamaEngine, LocalSpace
from qwen_space.local.weights import find_weights

RESULTS = Path(__file__).parent / "results" / "agent_questions.json"
PRICES = {"acme": "41.30 dollars", "globex": "7.85 dollars", "initech": "112 dollars"}
HOURS = {
    "bakery": "06:00 to 13:00, closed on Mondays",
    "library": "10:00 to 19:00, closed on Sundays",
    "pharmacy": "08:30 to 18:00",
}


def get_stock_price(company: str) -> str:
    """Tell the price of a company's share."""
    price = PRICES.get(company.lower().split()[0])
    return f"The share costs {price}." if price else "No such company."


def get_opening_hours(shop: str) -> str:
    """Tell when a shop is open."""
    return HOURS.get(shop.lower().split()[-1], "No such shop.")


def convert_currency(amount: float, source: str, target: str) -> str:
    """Convert an amount of money from one currency to another."""
    return f"{amount * 2:g} {target}"


def find_train(start: str, destination: str) -> str:
    """Find the next train between two cities."""
    return f"The next train from {start} to {destination} leaves at 14:52 from platform 9."


TOOLS = [get_stock_price, get_opening_hours, convert_currency, find_train]

# The question, its tool, and words of which a right answer has one.
QUESTIONS: list[tuple[str, str | None, tuple[str, ...]]] = [
    ("What does a share of Acme cost?", "get_stock_price", ("41.3",)),
    ("How much is Globex stock right now?", "get_stock_price", ("7.85",)),
    ("Is a share of Initech more than 100 dollars?", "get_stock_price", ("yes", "112")),
    ("When does the library close?", "get_opening_hours", ("19", "7 pm", "7:00")),
    ("Is the bakery open on Mondays?", "get_opening_hours", ("closed", "no")),
    ("At what time does the pharmacy open?", "get_opening_hours", ("8:30",)),
    ("Can I go to the library on a Sunday?", "get_opening_hours", ("closed", "no")),
    ("Convert 30 euros to dollars.", "convert_currency", ("60",)),
    ("How many yen are 7 pounds?", "convert_currency", ("14",)),
    ("I have 120 francs. How much is that in euros?", "convert_currency", ("240",)),
    ("When is the next train from Berlin to Prague?", "find_train", ("14:52",)),
    ("Which platform does the train from Lyon to Nice leave from?", "find_train", ("9",)),
    ("Find me a train from Madrid to Seville.", "find_train", ("14:52",)),
    ("I want to go from Vienna to Graz by train. When can I leave?", "find_train", ("14:52",)),
    ("What is the price of Acme shares, please?", "get_stock_price", ("41.3",)),
    ("Tell me the bakery's opening hours.", "get_opening_hours", ("13", "1:00", "1 pm")),
    ("Who wrote Hamlet?", None, ("shakespeare",)),
    ("What is the opposite of hot?", None, ("cold",)),
    ("Good morning!", None, ("",)),
    ("Write a haiku about autumn.", None, ("",)),
]


def asked(agent: Any, question: str, tool: str | None, words: Sequence[str]) -> dict[str, Any]:
    """Ask an agent; return its calls and its answer, and whether they are right."""
    given: Any = {"messages": [("human", question)]}
    try:
        messages = agent.invoke(given, {"recursion_limit": 8})["messages"]
    except GraphRecursionError as exc:
        return {"called": False, "right": False, "calls": [], "reply": str(exc)}
    calls = [call for each in messages if isinstance(each, AIMessage) for call in each.tool_calls]
    text = messages[-1].text
    called = {call["name"] for call in calls} == ({tool} if tool else set())
    is_answer = bool(text.strip()) and '"arguments"' not in text
    right = called and is_answer and any(word in text.lower() for word in words)
    shown = [[call["name"], call["args"]] for call in calls]
    return {"called": called, "right": right, "calls": shown, "reply": text}


def run(options: argparse.Namespace, known: Known) -> None:
    """Ask all that is not known yet."""
    path = find_weights(options.model)
    engine = LlamaEngine(
        path, context=4096, slots=1, threads=options.threads, temperature=0, max_tokens=100
    )
    known.about(model=path.name, live=False)
    with LocalSpace(engine) as space:
        for history in options.history:
            model = ChatQwenSpace(space=space.url, history=history, timeout=1200)
            agent = create_agent(model, tools=TOOLS)
            for number in range(options.first, options.last + 1):
                case = QUESTIONS[number - 1]
                known.once("calls", f"{history}/{number}", lambda a=agent, c=case: asked(a, *c))


def main() -> None:
    """Ask the questions without a result, and print how many are right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--history", nargs="+", default=["split", "native"])
    parser.add_argument("--first", type=int, default=1, help="number of the first question")
    parser.add_argument("--last", type=int, default=len(QUESTIONS), help="number of the last")
    parser.add_argument("--model", help="as for `qwen-space serve --model`")
    parser.add_argument("--threads", type=int, help="of the engine")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    known = Known(options.results)
    run(options, known)
    for history in options.history:
        found = [each for key, each in known.data["calls"].items() if key.startswith(f"{history}/")]
        called, right = (sum(each[of] for each in found) for of in ("called", "right"))
        print(f"{history}: {called} called right, {right} answered right, of {len(found)}")


if __name__ == "__main__":
    main()
