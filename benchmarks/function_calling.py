"""How well a real small model calls tools and fills schemas, here and by the engine's own means.

The cases are the first ones of the Berkeley function-calling set's simple, multiple, parallel and
irrelevance categories, and its own checker judges. The model is run by `qwen_space.local`, at
temperature 0 and with 256 tokens at most, in three ways:

- ours: `ChatQwenSpace.bind_tools` to a `LocalSpace`, as it is by default;
- constrained: the engine's chat completions with `tools`, and a JSON schema that the reply is held
  to, a list of one or more calls. (`tool_choice="required"` alone holds this model to nothing);
- native: the engine's chat completions with `tools`.

Then `with_structured_output` is asked for ten objects in each method named by `--methods`.

    pip install -e ".[all]"
    pip install --no-deps bfcl-eval  # for its data and its checker, which need nothing else
    python -m benchmarks.function_calling

Cases have the set's own numbers: `--first 60 --count 6` asks those that nobody had looked at when
the wordings were chosen. `--second` asks each after a turn that called another tool, as a first
question is the same with each `--history`. Each result is written to `--results` after each reply,
and not asked for again; `--table` prints it and asks nothing. It takes about half an hour on two
free cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
from langchain_core.exceptions import OutputParserException
from pydantic import BaseModel

from benchmarks.described_objects import OBJECTS
from langchain_qwen_space import ChatQwenSpace
from qwen_space.local import LlamaEngine, LocalSpace
from qwen_space.local.weights import find_weights

RESULTS = Path(__file__).parent / "results" / "function_calling.json"
CATEGORIES = ("simple", "multiple", "parallel", "irrelevance")
MAX_TOKENS = 256

Case = dict[str, Any]
Calls = list[tuple[str, dict[str, Any]]]
Way = Callable[[Case], tuple[Calls, str]]

# The Berkeley set's names of types, in JSON schema's words.
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}


# The cases


def cases(category: str, count: int, *, live: bool, first: int = 0) -> list[Case]:
    """Return cases of a category, from the `first` on, with `answer` where there is one."""
    import bfcl_eval

    folder = Path(bfcl_eval.__file__).parent / "data"
    name = f"live_{category}" if live else {"simple": "simple_python"}.get(category, category)
    found = list(_lines(folder / f"BFCL_v4_{name}.json"))[first : first + count]
    if category == "irrelevance":
        return found
    answers = _lines(folder / "possible_answer" / f"BFCL_v4_{name}.json")
    by_id = {each["id"]: each["ground_truth"] for each in answers}
    return [{**case, "answer": by_id[case["id"]]} for case in found]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, path.read_text(encoding="utf-8").splitlines())


def after_a_turn(case: Case) -> Case:
    """Return a case as the second question of a chat, whose first called another tool."""
    shop = {"type": "string", "description": "The kind of shop."}
    hours = {
        "name": "get_opening_hours",
        "description": "Tell when a shop is open.",
        "parameters": {"type": "dict", "properties": {"shop": shop}, "required": ["shop"]},
    }
    function = {"name": hours["name"], "arguments": '{"shop": "library"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    result = "10:00 to 19:00, closed on Sundays"
    turn = [
        {"role": "user", "content": "When does the library close?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
        {"role": "assistant", "content": "The library closes at 19:00."},
    ]
    question = [*turn, *case["question"][0]]
    return {**case, "question": [question], "function": [*case["function"], hours]}


def tools_of(case: Case) -> list[dict[str, Any]]:
    """Return a case's functions as OpenAI has them."""
    return [{"type": "function", "function": _json_schema(each)} for each in case["function"]]


def _json_schema(value: Any) -> Any:
    if isinstance(value, list):
        return [_json_schema(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {key: _json_schema(each) for key, each in value.items()}
    if isinstance(kind := named.get("type"), str):
        named["type"] = _TYPES.get(kind, kind)
    return named


def wrong(category: str, case: Case, calls: Calls) -> str:
    """Return the mistake in the calls, as the Berkeley set judges; empty for right ones."""
    if category == "irrelevance":
        return f"a call of {calls[0][0]}" if calls else ""
    if not calls:
        return "no call"
    ast_checker, python = _checker()
    given = [{name: arguments} for name, arguments in calls]
    said = ast_checker(case["function"], given, case["answer"], python, category, "any")
    return "" if said["valid"] else str(said["error"])


def _checker() -> tuple[Callable[..., dict[str, Any]], Any]:
    """Return the Berkeley set's checker.

    It looks up whether a model writes dots in names as underscores, in a table for which all
    vendors' packages have to be there. That table is replaced.
    """
    table = types.ModuleType("bfcl_eval.constants.model_config")
    exact = types.SimpleNamespace(underscore_to_dot=False)
    table.MODEL_CONFIG_MAPPING = {"any": exact}  # type: ignore[attr-defined]
    sys.modules.setdefault(table.__name__, table)
    from bfcl_eval.constants.enums import Language
    from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker

    return ast_checker, Language.PYTHON


# The ways


class OpenEngine(LlamaEngine):
    """The engine, with a client that speaks to the same server as the Space does."""

    def client(self) -> openai.OpenAI:
        """Return a client of the server; it has to run."""
        engine = self._engine
        assert engine is not None  # noqa: S101
        key = engine._api_key  # noqa: SLF001 - it is random, and nobody else needs it
        return openai.OpenAI(base_url=engine.base_url, api_key=key, timeout=1200, max_retries=0)


def ours(model: ChatQwenSpace) -> Way:
    def ask(case: Case) -> tuple[Calls, str]:
        answer = model.bind_tools(tools_of(case)).invoke(case["question"][0])
        return [(call["name"], call["args"]) for call in answer.tool_calls], answer.text

    return ask


def native(client: openai.OpenAI) -> Way:
    def ask(case: Case) -> tuple[Calls, str]:
        message = _completed(client, case)
        calls = [each.function for each in message.tool_calls or ()]
        return [(call.name, json.loads(call.arguments)) for call in calls], message.content or ""

    return ask


def constrained(client: openai.OpenAI) -> Way:
    def ask(case: Case) -> tuple[Calls, str]:
        any_call = {"anyOf": [_call_schema(tool["function"]) for tool in tools_of(case)]}
        schema = {"type": "array", "minItems": 1, "items": any_call}
        wanted = {"type": "json_schema", "json_schema": {"name": "calls", "schema": schema}}
        text = _completed(client, case, response_format=wanted).content or ""
        try:
            return [(call["name"], call["arguments"]) for call in json.loads(text)], text
        except ValueError:  # cut off
            return [], text

    return ask


def _call_schema(function: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": function["name"]}, "arguments": function["parameters"]},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _completed(client: openai.OpenAI, case: Case, **options: Any) -> Any:
    reply = client.chat.completions.create(
        model="any",
        messages=case["question"][0],
        tools=tools_of(case),
        temperature=0,
        max_tokens=MAX_TOKENS,
        **options,
    )
    return reply.choices[0].message


# Ten objects


def filled(
    model: ChatQwenSpace, method: Any, schema: type[BaseModel], said: str, expected: dict[str, Any]
) -> dict[str, Any]:
    """Ask for an object; return whether it is valid, and whether it is right."""
    asked = model.with_structured_output(schema, method=method)
    try:
        found = asked.invoke(said)
    except OutputParserException as exc:
        return {"valid": False, "right": False, "reply": exc.llm_output, "wrong": str(exc)[:300]}
    dumped = found.model_dump()
    return {"valid": True, "right": _folded(dumped) == _folded(expected), "reply": dumped}


def _folded(value: Any) -> str:
    """Return a value as text in which neither case nor a plural's letter matters."""
    text = json.dumps(value, sort_keys=True).lower()
    return text.replace('s"', '"')


# The run


class Known:
    """The results so far, in a file that is whole after each reply."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.data: dict[str, dict[str, Any]] = (
            json.loads(path.read_text()) if path.exists() else {"calls": {}, "objects": {}}
        )

    def about(self, **what: Any) -> None:
        """Name the subject; earlier results must have the same."""
        if self.data.setdefault("about", what) != what:
            raise SystemExit(f"{self._path} is about {self.data['about']}: name another --results")

    def once(self, part: str, name: str, find: Callable[[], dict[str, Any]]) -> None:
        """Find something out, unless it is known."""
        if name in self.data[part]:
            return
        start = time.monotonic()
        found = find()
        found["seconds"] = round(time.monotonic() - start, 1)
        self.data[part][name] = found
        self._path.parent.mkdir(exist_ok=True)
        self._path.write_text(json.dumps(self.data, indent=1, ensure_ascii=False) + "\n")
        shown = {key: value for key, value in found.items() if key not in {"calls", "reply"}}
        print(time.strftime("%X"), name, shown, file=sys.stderr, flush=True)


def judged(way: Way, category: str, case: Case, asked: Case) -> dict[str, Any]:
    calls, reply = way(asked)
    error = wrong(category, case, calls)
    return {"right": not error, "wrong": error, "calls": calls, "reply": reply}


def run(options: argparse.Namespace, known: Known) -> None:
    """Ask all that is not known yet, a case of each category in turn."""
    engine = OpenEngine(
        find_weights(options.model),
        context=8192,
        slots=1,
        threads=options.threads,
        temperature=0,
        max_tokens=MAX_TOKENS,
    )
    known.about(model=engine.path.name, live=options.live, **_about(options))
    with LocalSpace(engine) as space, engine.client() as client:
        model = ChatQwenSpace(space=space.url, history=options.history, timeout=1200)
        ways = {"ours": ours(model), "constrained": constrained(client), "native": native(client)}
        chosen = {"live": options.live, "first": options.first}
        sets = {each: cases(each, options.count, **chosen) for each in CATEGORIES}
        for number in range(options.count):
            for category, of_it in sets.items():
                for name in options.ways:
                    most = options.native if name == "native" else options.count
                    if number >= min(most, len(of_it)):
                        continue
                    way, case = ways[name], of_it[number]
                    key = f"{name}/{category}/{case['id']}"
                    asked = after_a_turn(case) if options.second else case
                    known.once(
                        "calls", key, lambda w=way, c=category, k=case, a=asked: judged(w, c, k, a)
                    )
        for schema, *rest in OBJECTS:
            for method in options.methods:
                key = f"{method}/{schema.__name__}"
                known.once(
                    "objects", key, lambda m=method, s=schema, r=rest: filled(model, m, s, *r)
                )


def _about(options: argparse.Namespace) -> dict[str, Any]:
    """Return the subject of a run, as far as it is not the default."""
    said = {"history": options.history, "second": options.second}
    return {name: value for name, value in said.items() if value not in {"auto", False}}


# The tables


def tables(known: Known) -> str:
    """Return the results as tables in Markdown."""
    rows = ["| | " + " | ".join(CATEGORIES) + " | all |", "|---|" + "---|" * (len(CATEGORIES) + 1)]
    for way in ("ours", "constrained", "native"):
        parts = [_right("calls", f"{way}/{each}/", known) for each in CATEGORIES]
        rows.append(f"| {way} | " + " | ".join(parts) + f" | {_right('calls', way + '/', known)} |")
    rows += ["", "| | valid | right |", "|---|---|---|"]
    for method in dict.fromkeys(name.split("/")[0] for name in known.data["objects"]):
        valid, right = (_right("objects", f"{method}/", known, of) for of in ("valid", "right"))
        rows.append(f"| `{method}` | {valid} | {right} |")
    return "\n".join(rows)


def _right(part: str, start: str, known: Known, of: str = "right") -> str:
    found = [each[of] for name, each in known.data[part].items() if name.startswith(start)]
    return f"{sum(found)} of {len(found)}" if found else "-"


def main() -> None:
    """Ask the cases without a result, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=12, help="cases of each category")
    parser.add_argument("--first", type=int, default=0, help="number of the first case, from 0")
    parser.add_argument("--native", type=int, default=12, help="those that the native way gets")
    parser.add_argument("--history", choices=["auto", "split", "native"], default="auto")
    parser.add_argument("--second", action="store_true", help="ask each after a turn with a call")
    parser.add_argument("--live", action="store_true", help="the categories' live sets")
    parser.add_argument("--ways", nargs="+", default=["ours", "constrained", "native"])
    parser.add_argument("--methods", nargs="*", default=["json_schema", "function_calling"])
    parser.add_argument(
        "--model", help="as for `qwen-space serve --model`, which chooses one by default"
    )
    parser.add_argument("--threads", type=int, help="of the engine")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the results so far")
    options = parser.parse_args()
    known = Known(options.results)
    if not options.table:
        run(options, known)
    print(tables(known))


if __name__ == "__main__":
    main()
