"""An agent with two tools, whose words and calls are shown as they come.

pip install "qwen-space[agents]"
python examples/agent.py "What is 17 times 25, and what day is it?"
"""

from __future__ import annotations

import argparse
import ast
import datetime as dt
import operator
from collections.abc import Iterator
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk, ToolMessage
from langchain_core.tools import tool

from langchain_qwen_space import ChatQwenSpace

OPERATORS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
}


@tool
def calculate(expression: str) -> str:
    """Calculate an expression of numbers, + - * / and brackets, such as "2 * (3 + 4)"."""
    try:
        return str(_value(ast.parse(expression, mode="eval").body))
    except (SyntaxError, TypeError, KeyError, ZeroDivisionError) as exc:
        return f"That cannot be calculated: {exc}"  # the model may correct itself


@tool
def get_date() -> str:
    """Tell today's date and weekday."""
    return dt.datetime.now(dt.timezone.utc).strftime("%A, %d %B %Y")


def _value(node: ast.AST) -> Any:
    match node:
        case ast.Constant(int() | float() as number):
            return number
        case ast.UnaryOp(operation, operand):
            return OPERATORS[type(operation)](_value(operand))
        case ast.BinOp(left, operation, right):
            return OPERATORS[type(operation)](_value(left), _value(right))
    raise TypeError(f"{type(node).__name__} is no arithmetic")


def run(question: str, space: str | None = None) -> Iterator[str]:
    """Yield the agent's words, and a line for each call and each result."""
    model = ChatQwenSpace(space=space) if space else ChatQwenSpace()
    agent = create_agent(model, [calculate, get_date], system_prompt="Use tools for facts.")
    asked = {"messages": [("human", question)]}
    for message, _ in agent.stream(asked, stream_mode="messages"):
        match message:
            case AIMessageChunk(tool_calls=[*calls]) if calls:
                yield from (f"\n-> {call['name']}({call['args']})" for call in calls)
            case ToolMessage():
                yield f"\n<- {message.text}\n"
            case AIMessageChunk():
                yield message.text


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("question")
    parser.add_argument("--space", help="owner/name, or an address (default: QWEN_SPACE_URL)")
    options = parser.parse_args(arguments)
    for piece in run(options.question, options.space):
        print(piece, end="", flush=True)
    print()


if __name__ == "__main__":
    main()
