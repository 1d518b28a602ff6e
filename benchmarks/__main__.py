"""Measure this project and its peers, and write the results.

    pip install -e ".[all]" --group bench
    python -m benchmarks [--quick] [--only cost latency crowd start pictures]

Everything talks to one stand-in server on this machine (`benchmarks/server.py`). The data goes to
`benchmarks/results/speed.json`, the pictures to `docs/images`, and the tables to standard output
and into `docs/speed.md`. With `--quick` it takes five minutes, not fifteen, and figures are rough.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import cost, crowd, latency, pictures, start
from benchmarks.report import markdown
from benchmarks.server import running_server

RESULTS = Path(__file__).parent / "results"
PICTURES = Path(__file__).parents[1] / "docs" / "images"
PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
PARTS = {"cost": cost, "latency": latency, "crowd": crowd, "start": start}
LIBRARIES = (
    "aiohttp",
    "gradio_client",
    "langchain-core",
    "langchain-ollama",
    "langchain-openai",
    "llama-index-core",
    "llama-index-llms-ollama",
    "llama-index-llms-openai-like",
)
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def main() -> None:
    """Measure the parts that are asked for, and write all that is known."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    parser.add_argument("--only", nargs="+", choices=[*PARTS, "pictures"], help="these parts alone")
    options = parser.parse_args()
    wanted = options.only or [*PARTS, "pictures"]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "speed.json"
    data = json.loads(path.read_text()) if path.exists() else {}
    with running_server() as server:
        for name in [each for each in PARTS if each in wanted]:
            print(f"measuring {name} ...", file=sys.stderr)
            data[name] = PARTS[name].measure(server, quick=options.quick)
            data["with"] = _versions()
            path.write_text(json.dumps(data, indent=1) + "\n")
        data = json.loads(path.read_text())  # as a later run would find it
        if "pictures" in wanted:
            pictures.plots(data, PICTURES)
            pictures.flame_graphs(server, PICTURES)
    tables = markdown(data)
    print(tables)
    _write_page(tables)


def _versions() -> dict[str, Any]:
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def _write_page(tables: str) -> None:
    """Put the tables between their marks in the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}")


if __name__ == "__main__":
    main()
