"""A conversation on a terminal: turn after turn, until Ctrl-D or /bye."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from qwen_space.chat.media import Media
from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import make_chat
from qwen_space.chat_model.space import Space
from qwen_space.cli.figures import Figures
from qwen_space.cli.live import LiveAnswer
from qwen_space.cli.named_pictures import find_pictures
from qwen_space.cli.plain import describe_error, strip_control_chars
from qwen_space.cli.prompt_line import PromptLine
from qwen_space.config import CallOptions
from qwen_space.errors import QwenSpaceError

__all__ = ["Command", "Conversation"]

_COMMAND = re.compile(r"/(?:[a-z]+|\?)(?=\s|$)|(?:exit|quit)$")
_OF_OTHERS = {"/show": "/model", "/list": "/model"}  # `ollama run` has them


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a conversation.

    Attributes:
        name: Its name, with the slash.
        argument: Its argument in the list of commands; empty where it takes none.
        help: Its line in that list.
        others: Further names of it, which the list leaves out.
        run: Its function, which gets the conversation and the argument. It may raise ValueError,
            OSError and QwenSpaceError, whose sentences are shown, and EOFError to end the chat.
    """

    name: str
    argument: str
    help: str
    run: Callable[[Conversation, str], None]
    others: tuple[str, ...] = ()


class Conversation:
    """A chat between a person at a terminal and a Space.

    Args:
        space: The Space that answers.
        console: The terminal.
        commands: Those that a line can begin with.
        show_thinking: Show thoughts until the answer begins.
        usage: Show tokens and times below an answer.

    Attributes:
        turns: The turns so far, without the system prompt.
        system: The system prompt; None is the Space's own.
        model: The name of the model.
        sampling: Values such as the temperature, on top of the Space's.
        inputs: Values for further inputs of the app, on top of the Space's.
        question: The last question, answered or not; None before the first.
        files: The files that go with the next prompt.
        thoughts: The thoughts before the last answer.
    """

    def __init__(
        self,
        space: Space,
        console: Console,
        commands: Sequence[Command],
        *,
        show_thinking: bool = True,
        usage: bool = False,
    ) -> None:
        self.space = space
        self.turns: list[Turn] = []
        self.system = space.config.system_prompt
        self.model = space.config.model
        self.sampling: dict[str, float] = {}
        self.inputs: dict[str, Any] = {}
        self.question: Turn | None = None
        self.files: list[Path] = []
        self.thoughts = ""
        self._show_thinking = show_thinking
        self._usage = usage
        self._console = console
        self._commands = {
            name: command for command in commands for name in (command.name, *command.others)
        }
        self._line = PromptLine(command.name for command in commands)

    def run(self) -> None:
        """Ask for prompts and show the answers, until the person ends it."""
        self.say(f"{self.space.config.url} - /help lists the commands, Ctrl-D ends the chat")
        with contextlib.suppress(EOFError):
            while True:
                self.take(self._read_prompt())

    def _read_prompt(self) -> str:
        try:
            return self._line.read()
        except KeyboardInterrupt:
            self.say("(Ctrl-D or /bye ends the chat)")
            return ""

    def take(self, text: str) -> None:
        """Run a command, or ask a prompt.

        Raises:
            EOFError: The command ends the chat.
        """
        if not text.strip():
            return
        try:
            if (command := self._find_command(text)) is None:
                self.ask(self._make_question(text.strip()))
            else:
                command.run(self, text.partition(" ")[2].strip())
        except (QwenSpaceError, ValueError, OSError) as exc:
            self.say(describe_error(exc), style="red")
        except KeyboardInterrupt:
            self.say("(cancelled)")

    def _find_command(self, text: str) -> Command | None:
        """Return the command that a text begins with; None for a prompt.

        Raises:
            ValueError: It begins as a command does, and there is none of that name.
        """
        if (word := _COMMAND.match(text)) is None:
            return None
        if word[0] in self._commands:
            return self._commands[word[0]]
        near = difflib.get_close_matches(word[0], self._commands, n=1)
        meant = _OF_OTHERS.get(word[0]) or next(iter(near), None)
        hint = f"did you mean {meant}?" if meant else "/help lists them."
        raise ValueError(
            f"There is no command {word[0]}: {hint} A space before it makes it a prompt."
        )

    def _make_question(self, text: str) -> Turn:
        """Return the turn of a prompt, with the pictures that it names if the app takes them.

        Raises:
            QwenSpaceError: It names some, and the app cannot be asked whether it takes them.
        """
        files = [*self.files]
        if named := find_pictures(text):
            endpoint = asyncio.run(self.space.aendpoint())
            for word, path in named.items():
                if endpoint.chat_takes_media(Media.from_path(path)):
                    text = text.replace(word, path.name)
                    files.append(path)
                    self.say(f"With this prompt: {path}")
        return make_chat(text, files=files)[-1]

    def ask(self, question: Turn) -> None:
        """Show the answer to a question, and keep both for the turns to come.

        Half an answer is kept when the person cancelled the rest, and not when it failed.

        Raises:
            QwenSpaceError: The answer does not come to its end.
            KeyboardInterrupt: The person cancelled it.
        """
        self.question, self.files = question, []
        chat = [*self.turns, question]
        answer = LiveAnswer(self._console, show_thinking=self._show_thinking)
        sent = chat if self.system is None else [Turn("system", self.system), *chat]
        figures = Figures(self.space.config, sent)
        try:
            with answer:
                asyncio.run(self._show(sent, answer, figures))
        except QwenSpaceError:
            answer.text = ""
            raise
        finally:
            self.thoughts = answer.thoughts
            if answer.text.strip():
                self.turns = [*chat, Turn("assistant", answer.text)]
        reply = figures.reply
        if not (answer.text.strip() or reply.files or reply.components):
            self.say("(an empty answer)")
        if self._usage:
            self.say(figures.describe())

    async def _show(self, chat: list[Turn], answer: LiveAnswer, figures: Figures) -> None:
        options: CallOptions = {
            "model": self.model,
            "sampling": self.sampling,
            "inputs": self.inputs,
        }
        async with self.space.astream_chat(chat, **options) as events:
            async for event in events:
                figures.see(event)
                answer.show(event)

    def say(self, line: str, style: str = "dim") -> None:
        """Print a line that is no answer."""
        self._console.print(Text(strip_control_chars(line), style=style))
