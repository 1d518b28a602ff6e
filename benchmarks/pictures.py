"""Pictures: plots of the results, and flame graphs of where the time goes."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.clients import ASYNC

__all__ = ["flame_graphs", "plots"]

FLAMES = {
    "flame-core": "SpaceClient",
    "flame-langchain": "LangChain astream: ChatQwenSpace",
    "flame-llama-index": "LlamaIndex astream_chat: QwenSpace",
}
SECONDS = 10
COUNT = 20_000  # tokens of a reply
COUNT_LLAMA_INDEX = 2000  # where all the text so far is in each response


def plots(data: dict[str, Any], folder: Path) -> None:
    """Draw the cost against the reply's length, and the memory against the streams."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "same names in each run"
    if "cost" in data:
        lengths = data["cost"]["lengths"]
        blocking = ("LangChain stream", "LlamaIndex stream")  # their lines lie on the others
        lines = {case: each for case, each in lengths.items() if not case.startswith(blocking)}
        _plot(folder / "cost.svg", lines, ("tokens of the reply", "client CPU, µs a token"))
    if "crowd" in data:
        axes = "streams at once", "memory, KB a stream"
        _plot(folder / "memory.svg", data["crowd"]["memory"], axes)


def _plot(path: Path, lines: dict[str, dict[str, float]], axes: tuple[str, str]) -> None:
    from matplotlib import pyplot as plt

    figure, plot = plt.subplots(figsize=(10, 5), layout="constrained")
    colors = plt.get_cmap("tab20").colors  # pairs of a dark one and a light one
    plot.set_prop_cycle(color=[*colors[::2], *colors[1::2]])
    for name, values in lines.items():
        is_ours = name.endswith(("SpaceClient", "QwenSpace"))
        width = 2.5 if is_ours else 1.2
        style = ":" if name == "floor" else "-"
        plot.plot(
            [int(x) for x in values], values.values(), style, lw=width, marker="o", label=name
        )
    plot.set(xlabel=axes[0], ylabel=axes[1], xscale="log", yscale="log")
    plot.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def flame_graphs(server: str, folder: Path) -> None:
    """Let py-spy look at each client while it reads replies."""
    for name, case in FLAMES.items():
        path = folder / f"{name}.svg"
        count = COUNT_LLAMA_INDEX if "LlamaIndex" in case else COUNT
        reading = [sys.executable, "-m", "benchmarks.pictures", case, f"{server}/fast-{count}-0"]
        spy = str(Path(sys.executable).with_name("py-spy"))
        spying = [spy, "record", "--nonblocking", "--rate", "100", "--function"]
        command = [*spying, "--format", "flamegraph", "--output", str(path), "--", *reading]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        # py-spy's title is its command line, with this machine's paths.
        titled = re.sub(r'(<text id="title"[^>]*>)[^<]*', rf"\1{case}", path.read_text())
        path.write_text(titled)


def main(case: str, url: str) -> None:
    """Read replies for a while, to be looked at."""
    asyncio.run(_read_for_a_while(case, url))


async def _read_for_a_while(case: str, url: str) -> None:
    async with ASYNC[case]() as read:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            await read(url)


if __name__ == "__main__":
    main(*sys.argv[1:])
