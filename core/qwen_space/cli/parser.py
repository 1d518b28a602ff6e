"""The parser of the command line: argparse, with free order and suggestions."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Parser"]

_MISTYPED = re.compile(r"(?:unrecognized arguments: |invalid choice: ')([^\s'=]+)")
_FILES = frozenset({"DIR", "FILE", "PATH"})


class Parser(argparse.ArgumentParser):
    """An argparse parser that takes options between words, and suggests a name for a mistyped one.

    argparse itself, before Python 3.12.7, takes `chat SPACE --model 7B PROMPT` for a mistake, and
    names the usage of the whole program for the mistyped option of one command.
    """

    _is_intermixing = False

    def parse_known_args(  # type: ignore[override] # its overloads are about the namespace's type
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse a command's words and options, in any order."""
        if self._subparsers is not None or self._is_intermixing:
            return super().parse_known_args(args, namespace)
        self._is_intermixing = True  # it calls this method
        try:
            options, unknown = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_intermixing = False
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown

    def complete_files(self, completion: Mapping[str, object]) -> None:
        """Have arguments that name a file, or a folder, completed with the files that are there.

        Args:
            completion: shtab's `FILE`.
        """
        for action in self._actions:
            if isinstance(action.choices, dict):
                for command in action.choices.values():
                    command.complete_files(completion)
            elif action.metavar in _FILES:
                action.complete = completion  # type: ignore[attr-defined] # shtab reads it

    def error(self, message: str) -> Any:
        """End the program with status 2, the message, and the name that is nearest to a mistake."""
        if message.endswith("required: COMMAND"):
            self.print_help(sys.stderr)
            self.exit(2, f"\n{self.prog}: error: a COMMAND is missing\n")
        super().error(message + self._suggestion(message))

    def _suggestion(self, message: str) -> str:
        mistyped = _MISTYPED.search(message)
        if mistyped is None or "maybe you meant" in message:  # Python 3.14's own
            return ""
        choices = [choice for action in self._actions for choice in action.choices or ()]
        names = [*self._option_string_actions, *map(str, choices)]
        near = difflib.get_close_matches(mistyped[1], names, n=1)
        if near:
            return f" (did you mean {near[0]}?)"
        return f" ({self.prog} --help lists the options)" if "unrecognized" in message else ""
