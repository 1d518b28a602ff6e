"""`qwen-space chat` on a terminal: turn after turn, until Ctrl-C or Ctrl-D at the prompt."""

from __future__ import annotations

import asyncio
import contextlib

from rich.console import Console
from rich.text import Text

from qwen_space.chat.messages import Turn
from qwen_space.chat_model.space import Space
from qwen_space.cli.live import LiveAnswer
from qwen_space.cli.plain import strip_control_chars
from qwen_space.errors import QwenSpaceError

__all__ = ["Conversation"]


class Conversation:
    """A chat between a person at a terminal and a Space.

    Args:
        space: The Space that answers.
        console: The terminal.
    """

    def __init__(self, space: Space, console: Console) -> None:
        self._space = space
        self._console = console
        self._turns: list[Turn] = []

    def run(self) -> None:
        """Ask for prompts and show the answers, until there are no more prompts."""
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - importing it gives `input` its line editing
        self._say(f"{self._space.config.url} - Ctrl-C cancels an answer, Ctrl-D ends the chat")
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            while True:
                if prompt := input("> ").strip():
                    self._ask(prompt)
        self._console.print()

    def _ask(self, prompt: str) -> None:
        """Show the answer to a prompt, and keep both for the turns to come.

        Half an answer is kept when the person cancelled the rest, and not when it failed.
        """
        chat = [*self._turns, Turn("user", prompt)]
        answer = LiveAnswer(self._console)
        try:
            with answer:
                asyncio.run(self._read(chat, answer))
        except KeyboardInterrupt:
            self._say("(cancelled)")
        except (QwenSpaceError, ValueError) as exc:
            self._say(str(exc), style="red")
            return
        if answer.text.strip():
            self._turns = [*chat, Turn("assistant", answer.text)]

    async def _read(self, chat: list[Turn], answer: LiveAnswer) -> None:
        async with self._space.astream_chat(chat) as events:
            async for event in events:
                answer.show(event)

    def _say(self, line: str, style: str = "dim") -> None:
        self._console.print(Text(strip_control_chars(line), style=style))
