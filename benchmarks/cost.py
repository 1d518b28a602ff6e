"""Measure the cost of a token: CPU time of the client's process, the least of several runs."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

from benchmarks.clients import ASYNC, SYNC
from benchmarks.worker import Worker

__all__ = ["measure"]

ROUNDS = {2000: 12, 4000: 12, 20_000: 6, 100_000: 3}
HISTORY = 200  # earlier turns
WHOLE = (500, 1000, 2000)  # tokens, where each message has the whole value

# Each response of LlamaIndex holds all text so far, and gradio_client keeps every value: their
# cost for each token grows with the reply, to hours and gigabytes.
_NOT_AT_100_000 = ("gradio_client", "LlamaIndex")
_OURS = ("floor", "SpaceClient", "QwenSpace")


def measure(server: str, *, quick: bool = False) -> dict[str, Any]:
    """Return microseconds a token by case: for each length, with a history, and whole values."""
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(case)) for case in (*ASYNC, *SYNC)]
        lengths: dict[str, dict[int, float]] = {}
        for count, rounds in ROUNDS.items():
            most = 4000 if quick else 20_000  # tokens, of the dearest
            taking_part = [each for each in workers if _takes_part(each.case, count, most)]
            plan = f"{server}/fast-{count}-0"
            costs = _least(taking_part, [plan], count, 3 if quick else rounds)[plan]
            for case, cost in costs.items():
                lengths.setdefault(case, {})[count] = cost
        ours = [each for each in workers if each.case in {"floor", "SpaceClient"}]
        rounds = 2 if quick else 8
        plans = {f"{server}/fast-2000-{turns}": turns for turns in (0, HISTORY)}
        history = {plans[plan]: each for plan, each in _least(ours, [*plans], 2000, rounds).items()}
        whole: dict[str, dict[int, float]] = {}
        for count in WHOLE:
            plan = f"{server}/whole-{count}-0"
            for case, cost in _least(ours, [plan], count, rounds)[plan].items():
                whole.setdefault(case, {})[count] = cost
    return {"lengths": lengths, "history": history, "whole": whole}


def _takes_part(case: str, count: int, most: int) -> bool:
    if count <= most:
        return True
    return case.split(": ")[-1].endswith(_OURS) and not case.startswith(_NOT_AT_100_000)


def _least(
    workers: list[Worker], plans: list[str], count: int, rounds: int
) -> dict[str, dict[str, float]]:
    """Let the workers and the plans take turns, as the machine has moods.

    Returns:
        The least cost of each worker in each plan, in microseconds a token.
    """
    costs: dict[str, dict[str, list[float]]]
    costs = {plan: {each.case: [] for each in workers} for plan in plans}
    for turn in range(rounds + 1):
        for plan, worker in itertools.product(plans, workers):
            seconds = worker.cpu(plan, count)
            if turn:  # the first is the warm-up
                costs[plan][worker.case].append(seconds / count * 1e6)
    return {
        plan: {case: min(each) for case, each in by_case.items()} for plan, by_case in costs.items()
    }
