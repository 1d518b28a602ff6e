"""Whether turns as turns are answered as well as the split, and the cost of a second turn's start.

Forty-four dialogues of two and three turns, each with a question that only its earlier turns make
sense of. Neither the split's wording nor any prompt was tried on them before. A real model
on the local Space answers each with `history="split"` and with `history="native"`, which `"auto"`
takes there. An answer is right that has the expected text. The first token is timed on the last
turn, after the turn before it was answered in the same mode, so that a model's prompt cache holds
as much as it can in a real chat.

    python -m benchmarks.turns [--model NAME] [--first N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Literal

from qwen_space import SpaceClient, TextDelta
from qwen_space.chat.messages import Turn
from qwen_space.local import LlamaEngine, LocalSpace, find_weights

RESULT = Path(__file__).with_name("results") / "turns.json"
SYSTEM = "Answer in one short sentence."
Mode = Literal["split", "native"]

# The turns before the last question, which are the user's and the assistant's in turn; the
# question; and what a right answer has in it, as a pattern.
DIALOGUES: list[tuple[tuple[str, ...], str, str]] = [
    (("What is the capital of France?", "Paris."), "And of Italy?", "rome"),
    (("What is the capital of Japan?", "Tokyo."), "And of Spain?", "madrid"),
    (("How many legs has a spider?", "Eight."), "And an ant?", "six|6"),
    (("What is 6 times 7?", "42."), "Add 8 to that.", "50|fifty"),
    (("What is 20 minus 5?", "15."), "Double it.", "30|thirty"),
    (("Say hello in Spanish.", "Hola."), "And in French?", "bonjour|salut"),
    (("Translate 'cat' into German.", "Katze."), "Now 'dog'.", "hund"),
    (("Who wrote Hamlet?", "William Shakespeare."), "In which country was he born?", "england"),
    (("Name a red fruit.", "A strawberry."), "Now a yellow one.", "banana|lemon|mango|pineapple"),
    (("What gas do plants take in?", "Carbon dioxide."), "And which do they give?", "oxygen"),
    (("Which planet is closest to the sun?", "Mercury."), "And the next one?", "venus"),
    (("What is the opposite of hot?", "Cold."), "And of big?", "small|little|tiny"),
    (("What is the plural of mouse?", "Mice."), "And of child?", "children"),
    (("What is the past tense of go?", "Went."), "And of eat?", "ate"),
    (("I have 3 apples.", "All right, three apples."), "I eat one. How many are left?", "two|2"),
    (("I have 10 coins.", "Ten coins, noted."), "I find 5 more. How many now?", "fifteen|15"),
    (("My son Tom is 8.", "Tom is 8, I see."), "How old will he be next year?", "nine|9"),
    (("My flight is at 9 in the morning.", "Noted."), "At what time is my flight?", "9|nine"),
    (("I bought a blue bicycle.", "How nice."), "Which colour is my bicycle?", "blue"),
    (("My cat is called Misu.", "A sweet name."), "What is my cat called?", "misu"),
    (("Write a Python list of 1 and 2.", "[1, 2]"), "Append 3 to it.", r"3"),
    (("Spell the word 'sun'.", "S-U-N."), "And 'moon'?", r"m\W*o\W*o\W*n"),
    (("Which animal barks?", "A dog."), "Which one meows?", "cat"),
    (("How many days has a week?", "Seven."), "And a year?", "365|366"),
    (("Which month comes after March?", "April."), "And after that?", "may"),
    (("What colour is the sky?", "Blue."), "And grass?", "green"),
    (("What do bees make?", "Honey."), "And cows give?", "milk"),
    (
        ("Who painted the Mona Lisa?", "Leonardo da Vinci."),
        "In which century?",
        "16|15|six|fif",
    ),
    # Three turns
    (
        ("My name is Olga.", "Hello, Olga.", "I work as a baker.", "A fine trade."),
        "What is my name?",
        "olga",
    ),
    (
        ("My name is Pavel.", "Hello, Pavel.", "I work as a nurse.", "An important job."),
        "What is my job?",
        "nurse",
    ),
    (("I live in Oslo.", "A nice city.", "What is 2 + 2?", "4."), "Where do I live?", "oslo"),
    (
        ("Call me Captain.", "Yes, Captain.", "What is 3 + 3?", "6, Captain."),
        "What should you call me?",
        "captain",
    ),
    (("Pick a number.", "Seven.", "Add one to it.", "Eight."), "Add two more.", "ten|10"),
    (("Start with 100.", "100.", "Subtract 10.", "90."), "Subtract 20 more.", "70|seventy"),
    (("Count: one.", "Two.", "Three.", "Four."), "Five.", "six|6"),
    (("a, b", "c", "d", "e"), "f", r"\bg\b"),
    (("Capital of Germany?", "Berlin.", "Of Poland?", "Warsaw."), "Of Greece?", "athens"),
    (("Sea animal?", "Shark.", "Farm animal?", "Pig."), "My first question was about?", "sea"),
    (
        ("Remember: key under mat.", "I will.", "How are you?", "Fine, thanks."),
        "Where is the key?",
        "mat",
    ),
    (("I am 30.", "Noted.", "My wife is 28.", "Noted."), "Who is older?", "you|i am|30"),
    (("Lunch was soup.", "Tasty.", "Dinner was rice.", "Good."), "What was lunch?", "soup"),
    (("Lunch was pasta.", "Tasty.", "Dinner was fish.", "Good."), "What was dinner?", "fish"),
    (("A is red.", "OK.", "B is blue.", "OK."), "Which colour is B?", "blue"),
    (("X is 5.", "OK.", "Y is 4.", "OK."), "What is X plus Y?", "9|nine"),
]


def make_chat(earlier: tuple[str, ...], question: str) -> list[Turn]:
    roles = ("user", "assistant") * (len(earlier) // 2) + ("user",)
    return [Turn("system", SYSTEM), *map(Turn, roles, (*earlier, question))]


async def ask(client: SpaceClient, chat: list[Turn]) -> tuple[str, float]:
    """Return the reply's first line or sentence, and the seconds until its first token."""
    start, first, text = time.monotonic(), 0.0, ""
    async with client.stream_chat(chat, stop=["\n"]) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                first = first or time.monotonic() - start
                text = event.text
                if len(text) > 160:
                    break
    return text, first


async def run(url: str, mode: Mode, count: int) -> dict[str, Any]:
    right, firsts, wrong = 0, [], []
    async with SpaceClient(url, history=mode) as client:
        for earlier, question, pattern in DIALOGUES[:count]:
            # The turn before, so that the model's cache is as in a chat.
            before = make_chat(earlier[:-2], earlier[-2])
            async with client.stream_chat(before, stop=["\n"]) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        break
            text, first = await ask(client, make_chat(earlier, question))
            firsts.append(first)
            if re.search(pattern, text.lower()):
                right += 1
            else:
                wrong.append({"question": [*earlier, question], "answer": text})
            print(mode, question, "->", text, f"{first:.2f} s", file=sys.stderr, flush=True)
    return {
        "right": right,
        "of": len(firsts),
        "first_token_median": round(statistics.median(firsts), 2),
        "first_token_90": round(statistics.quantiles(firsts, n=10)[-1], 2),
        "wrong": wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description=__doc__)
    parser.add_argument("--model", help="as for qwen-space serve")
    parser.add_argument("--first", type=int, default=len(DIALOGUES), metavar="N")
    options = parser.parse_args()
    weights = find_weights(options.model)
    # Processes that wanted a processor, over the minute before: others' work slows every figure.
    results: dict[str, Any] = {"model": weights.name, "load": round(os.getloadavg()[0], 1)}
    modes: tuple[Mode, ...] = ("split", "native")
    for mode in modes:
        # One slot, and so one prompt cache, as a Space for one visitor has; new for each mode.
        engine = LlamaEngine(weights, context=1024, slots=1, temperature=0)
        with LocalSpace(engine) as space:
            results[mode] = asyncio.run(run(space.url, mode, options.first))
    RESULT.write_text(json.dumps(results, indent=1) + "\n")
    for mode in modes:
        found = results[mode]
        print(
            f"{mode:7} {found['right']} of {found['of']} right, first token of the last turn "
            f"after {found['first_token_median']} s (median), {found['first_token_90']} s (90 %)"
        )


if __name__ == "__main__":
    main()
