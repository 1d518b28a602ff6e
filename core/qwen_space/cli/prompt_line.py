"""The line at which a person types prompts: its keys, its pastes, its history.

This module imports prompt_toolkit, which the extra `cli` brings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.utils import is_dumb_terminal

__all__ = ["PromptLine"]

_QUOTES = '"""'


class PromptLine:
    """A line of a terminal at which prompts are typed.

    A paste stays whole, however many lines it has. Alt-Enter and Ctrl-J begin a new line, and
    so does Enter after an opening `\"\"\"`. The lines of earlier sessions come back with the arrow
    keys.

    Args:
        words: Words to complete where they begin the line.
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._drawn = 0  # how often the screen was drawn before this prompt
        keys = KeyBindings()
        keys.add("escape", "enter")(_break_line)
        keys.add("c-j", filter=Condition(self._is_ctrl_j))(_break_line)
        self._session: PromptSession[str] = PromptSession(
            "> ",
            completer=WordCompleter(sorted(words), sentence=True),
            complete_while_typing=False,
            enable_open_in_editor=True,
            enable_suspend=True,
            history=_history(_history_file()),
            key_bindings=keys,
            multiline=Condition(lambda: _is_open(get_app().current_buffer.text)),
            prompt_continuation=". ",
        )

    def read(self) -> str:
        r"""Return the next prompt, without the `\"\"\"` around it.

        Raises:
            EOFError: The person typed Ctrl-D.
            KeyboardInterrupt: The person typed Ctrl-C.
        """
        text = self._session.prompt(pre_run=self._begin)
        bare = text.strip()
        if bare.startswith(_QUOTES) and not _is_open(bare):
            return bare.removeprefix(_QUOTES).removesuffix(_QUOTES).strip("\n")
        return text

    def _begin(self) -> None:
        self._drawn = get_app().render_counter

    def _is_ctrl_j(self) -> bool:
        """Whether a newline is a key: in lines typed ahead, and in a dumb terminal, it is Enter.

        Lines typed ahead come in one piece, before their first character could be drawn.
        """
        return get_app().render_counter > self._drawn + 1 and not is_dumb_terminal()


def _break_line(event: KeyPressEvent) -> None:
    event.current_buffer.newline(copy_margin=False)


def _history_file() -> Path | None:
    """Return the file of the lines typed: QWEN_SPACE_HISTORY, or one in the user's state folder.

    Returns:
        None where the variable is empty, which keeps no history.
    """
    named = os.environ.get("QWEN_SPACE_HISTORY")
    if named is not None:
        return Path(named).expanduser() if named else None
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "qwen-space" / "history"


def _history(path: Path | None) -> History:
    """Return the history in a file that only its owner reads; where it cannot be, in memory."""
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)


def _is_open(text: str) -> bool:
    """Whether a text has opening quotes that are not closed yet."""
    text = text.strip()
    return text.startswith(_QUOTES) and not (
        text.endswith(_QUOTES) and len(text) >= 2 * len(_QUOTES)
    )
