"""A bot that talks with many people at once, and remembers each one's chat.

    pip install qwen-space
    python examples/bot.py

It reads lines of the form `name: text`. Connect `Bot.answer` to a messenger in place of them: it
answers the messages of one person in order, and those of different people at the same time.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict, deque
from collections.abc import AsyncIterator

from qwen_space import QwenSpaceError, Space

TURNS = 20  # messages of a chat that are remembered, the bot's own among them


class Bot:
    """Answers people, each with a conversation of their own.

    Args:
        space: The Space that answers.
        system: The system prompt.
    """

    def __init__(self, space: Space, system: str = "You are a friendly bot. Be brief.") -> None:
        self._space = space
        self._system = system
        self._turns: dict[str, deque[dict[str, str]]] = defaultdict(lambda: deque(maxlen=TURNS))
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def answer(self, person: str, text: str) -> str:
        """Return the reply to a message; a failure is a sentence, and is not remembered."""
        async with self._locks[person]:
            turns = self._turns[person]
            asked = {"role": "user", "content": text}
            system = {"role": "system", "content": self._system}
            try:
                reply = await self._space.achat([system, *turns, asked])
            except (QwenSpaceError, ValueError) as exc:
                return f"(I cannot answer now: {exc})"
            turns.extend([asked, {"role": "assistant", "content": reply.text}])
            return reply.text

    def forget(self, person: str) -> None:
        """Begin a person's conversation anew."""
        self._turns.pop(person, None)


async def _lines() -> AsyncIterator[str]:
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line.strip()


async def _say(bot: Bot, person: str, text: str) -> None:
    print(f"bot to {person}: {await bot.answer(person, text)}", flush=True)


async def main() -> None:
    """Answer the lines on stdin."""
    bot = Bot(Space(os.environ.get("QWEN_SPACE_URL") or "Qwen/Qwen2.5"))
    answers = set()
    async for line in _lines():
        person, colon, text = line.partition(":")
        if not colon:
            print("Write `name: text`.", flush=True)
            continue
        answers.add(asyncio.create_task(_say(bot, person.strip(), text.strip())))
        answers = {task for task in answers if not task.done()}
    await asyncio.gather(*answers)


if __name__ == "__main__":
    asyncio.run(main())
