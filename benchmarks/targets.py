"""The aims, and whether they were reached: the points of the table, from the results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Point", "points"]


@dataclass(frozen=True)
class Point:
    """One thing to be reached.

    Attributes:
        number: Its section.
        what: Its name.
        measured: How it came out.
        most: Its limit; None where nothing is asked and the figure is only shown.
        unit: Of both.
    """

    number: int
    what: str
    measured: float
    most: float | None
    unit: str = ""

    @property
    def is_reached(self) -> bool:
        """Whether it is as it should be."""
        return self.most is None or self.measured <= self.most


def points(data: dict[str, Any]) -> list[Point]:
    """Return the points of those parts that `python -m benchmarks` has measured."""
    parts = {"cost": _cost, "latency": _latency, "crowd": _crowd, "start": _start}
    return [point for name, of in parts.items() if name in data for point in of(data[name])]


def _cost(cost: dict[str, Any]) -> Iterator[Point]:
    yield from _core(cost)
    yield from _frameworks(cost["lengths"])


def _core(cost: dict[str, Any]) -> Iterator[Point]:
    lengths, floor = cost["lengths"]["SpaceClient"], cost["lengths"]["floor"]
    peer = cost["lengths"]["gradio_client"]
    yield Point(1, "4,000 tokens, over the floor", lengths["4000"] / floor["4000"], 1.5, "x")
    yield Point(1, "20,000 tokens, more than the floor", lengths["20000"] - floor["20000"], 3, "µs")
    growth = lengths["100000"] / lengths["2000"]
    yield Point(1, "a token of 100,000, over one of 2,000", growth, 1.3, "x")
    history = {turns: costs["SpaceClient"] for turns, costs in cost["history"].items()}
    yield Point(1, "200 earlier turns, over none", history["200"] / history["0"], 1.3, "x")
    yield Point(1, "whole values: a byte at 2,000 tokens, over one at 500", _growth(cost), 1.3, "x")
    yield Point(1, "4,000 tokens, over gradio_client", lengths["4000"] / peer["4000"], 1, "x")


def _growth(cost: dict[str, Any]) -> float:
    """Return how the cost of a byte grows where each token brings the whole value.

    A reply of n tokens has n² / 2 of them on the wire, and so n / 2 for each token.
    """
    whole = cost["whole"]["SpaceClient"]
    return float((whole["2000"] / 2000) / (whole["500"] / 500))


def _frameworks(lengths: dict[str, Any]) -> Iterator[Point]:
    def at_2000(case: str) -> float:
        return float(lengths[case]["2000"])

    ours = at_2000("LangChain astream: ChatQwenSpace")
    yield Point(2, "`ChatQwenSpace.astream`", ours, 20, "µs")
    share = ours / at_2000("LangChain astream: ChatOllama")
    yield Point(2, "`ChatQwenSpace.astream`, over ChatOllama's", share, 0.75, "x")
    ours = at_2000("LangChain stream: ChatQwenSpace")
    yield Point(2, "`ChatQwenSpace.stream`", ours, 30, "µs")
    share = ours / at_2000("LangChain stream: ChatOllama")
    yield Point(2, "`ChatQwenSpace.stream`, over ChatOllama's", share, 1, "x")
    ours = at_2000("LlamaIndex astream_chat: QwenSpace")
    share = ours / at_2000("LlamaIndex astream_chat: Ollama")
    yield Point(2, "`QwenSpace.astream_chat`, over Ollama's", share, 0.75, "x")
    ours = at_2000("LlamaIndex stream_chat: QwenSpace")
    share = ours / at_2000("LlamaIndex stream_chat: Ollama")
    yield Point(2, "`QwenSpace.stream_chat`, over Ollama's", share, 1, "x")


def _latency(latency: dict[str, Any]) -> Iterator[Point]:
    floor = latency["floor"]
    for case, late in latency.items():
        if case != "floor":
            is_peer = "Ollama" in case
            called, _, setting = case.partition(", ")
            within = f" with `{setting}`" if setting else ""
            name = f"`{called}`{within}, 100 streams, more than the floor"
            median, p99 = late["median"] - floor["median"], late["p99"] - floor["p99"]
            yield Point(3, f"{name}: median", median, None if is_peer else 0.5, "ms")
            yield Point(3, f"{name}: 99th percentile", p99, None if is_peer else 5, "ms")


def _crowd(crowd: dict[str, Any]) -> Iterator[Point]:
    memory = crowd["memory"]
    ours = [case for case in memory if case != "floor" and "1000" in memory[case]]
    for case in ours:
        for count in sorted({"1000", "5000"} & memory[case].keys()):
            over = memory[case][count] - memory["floor"][count]
            what = f"`{case}`, {int(count):,} streams, more than the floor, each"
            yield Point(4, what, over, 40, "KB")
    for case in [each for each in memory if each not in {"floor", *ours}]:
        over = memory[case]["100"] - memory["floor"]["100"]
        yield Point(4, f"`{case}`, 100 streams, more than the floor, each", over, None, "KB")
    seconds = crowd["threads"]["seconds"]
    yield Point(4, "200 threads of `invoke`, 200 tokens each", seconds, None, "s")


def _start(start: dict[str, Any]) -> Iterator[Point]:
    for module, milliseconds in start["imports"].items():
        most = 60 if module == "qwen_space" else 40
        yield Point(5, f"`import {module}`", milliseconds, most, "ms")
    for name, milliseconds in start["constructors"].items():
        most = 0.1 if name in {"SpaceClient", "ChatQwenSpace", "QwenSpace"} else None
        yield Point(5, f"`{name}(...)`", milliseconds, most, "ms")
    requests = start["requests"]
    yield Point(5, "connections of three replies in a row", requests["connections"], 1)
    yield Point(5, "requests for `/config` in them", requests["paths"]["/config"], 1)
