"""How well a real model remembers, with the split and with native history.

Twenty short dialogues; each ends in a question about something said earlier. The local
Space answers them with its model (`qwen-space serve` says which), once with the earlier turns
rendered into the prompt and once with them in the app's own history. Prints a table.

    python -m benchmarks.history [--small] [--model NAME]
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Literal

from qwen_space import SpaceClient
from qwen_space.chat.messages import Turn
from qwen_space.local import LocalSpace, engine_for

History = Literal["split", "native"]

# The user's words, the assistant's answer, the question, and the words one of which a right answer
# has in it. `BETWEEN` comes before the question.
DIALOGUES = [
    ("My name is Ada.", "Nice to meet you, Ada!", "What is my name?", "ada"),
    ("I live in Lisbon.", "Lisbon is a lovely city.", "Which city do I live in?", "lisbon"),
    ("My dog is called Rex.", "Rex is a fine name.", "What is my dog called?", "rex"),
    ("I was born in 1987.", "Noted.", "In which year was I born?", "1987"),
    ("My favourite colour is green.", "Green it is.", "What is my favourite colour?", "green"),
    ("I play the cello.", "A beautiful instrument.", "Which instrument do I play?", "cello"),
    ("My train leaves at 7:45.", "I will keep that in mind.", "When does my train leave?", "7:45"),
    ("The password is tulip.", "All right.", "What is the password?", "tulip"),
    ("I am allergic to peanuts.", "Be careful then.", "What am I allergic to?", "peanut"),
    ("My sister is a pilot.", "How exciting.", "What does my sister do?", "pilot"),
    ("I have three cats.", "Three cats, how nice.", "How many cats do I have?", "three|3"),
    ("We meet on Thursday.", "Thursday, noted.", "On which day do we meet?", "thursday"),
    ("My car is a red Fiat.", "A classic.", "Which make is my car?", "fiat"),
    ("The code word is falcon.", "Understood.", "Tell me the code word.", "falcon"),
    ("I am learning Finnish.", "Good luck with it!", "Which language am I learning?", "finnish"),
    ("My office is on floor 12.", "Floor 12.", "On which floor is my office?", "12|twelve"),
    ("I drink my tea with lemon.", "With lemon, fine.", "How do I drink my tea?", "lemon"),
    ("My teacher was Mr. Okoro.", "I see.", "Who was my teacher?", "okoro"),
    ("The parcel weighs 4 kg.", "4 kilograms.", "How much does the parcel weigh?", "4|four"),
    ("I support Ajax.", "A club with history.", "Which club do I support?", "ajax"),
]
BETWEEN = ("What is 2 + 3?", "2 + 3 is 5.")
SYSTEM = "Answer in one short sentence."


def turns(said: str, answered: str, question: str) -> list[Turn]:
    texts = (said, answered, *BETWEEN, question)
    roles = ("user", "assistant") * 3
    return [Turn("system", SYSTEM), *map(Turn, roles, texts)]


async def right_answers(url: str, history: History) -> tuple[int, float, list[str]]:
    """Return how many answers were right, the seconds for each, and the wrong ones."""
    wrong, start = [], time.monotonic()
    async with SpaceClient(url, history=history) as client:
        for said, answered, question, expected in DIALOGUES:
            answer = (await client.chat(turns(said, answered, question))).text
            if not any(word in answer.lower() for word in expected.split("|")):
                wrong.append(f"{question} {answer!r}")
    return len(DIALOGUES) - len(wrong), (time.monotonic() - start) / len(DIALOGUES), wrong


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--model")
    options = parser.parse_args()
    engine = engine_for(options.model, small=options.small, temperature=0.0, max_tokens=64)
    with LocalSpace(engine) as space:
        print(f"{engine.name}\n")
        print(f"| history | right of {len(DIALOGUES)} | seconds each |\n|---|---|---|")
        for history in ("split", "native"):
            count, seconds, wrong = asyncio.run(right_answers(space.url, history))
            print(f"| `{history}` | {count} | {seconds:.1f} |", flush=True)
            for each in wrong:
                print(f"<!-- wrong: {each} -->")


if __name__ == "__main__":
    main()
