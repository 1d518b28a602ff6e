"""Runs the Python blocks of a page, and compares their output with the block below each.

A block ```` ```text ```` straight below a block of Python is its output; `...` in it stands for
anything. The blocks of a page share their names, from top to bottom.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import textwrap
from pathlib import Path
from typing import Any

from sybil import Document, Example, Sybil
from sybil.document import PythonDocStringDocument
from sybil.example import NotEvaluated
from sybil.parsers.markdown import CodeBlockParser

__all__ = ["Examples"]

_CHECKER = doctest.OutputChecker()


class _Docstrings(PythonDocStringDocument):
    """The docstrings of a module; its own names are not theirs, as their readers import them."""

    def import_document(self, example: Example) -> None:
        self.pop_evaluator(self.import_document)
        raise NotEvaluated


class Examples:
    """The examples of one page, or of one module's docstrings.

    Args:
        path: The file.
        names: The names that its first block finds.

    Attributes:
        count: How many blocks have run.
        outputs: The line of each block that printed, and its output.
        shown: The lines of those whose output the page shows.
        wrong: The lines of the examples with another output, and a sentence that says so.
    """

    def __init__(self, path: Path, names: dict[str, Any] | None = None) -> None:
        parsers = [
            CodeBlockParser("python", self._run),
            CodeBlockParser("text", self._compare),
        ]
        sybil = Sybil(parsers, document_types={".py": _Docstrings})
        self._document: Document = sybil.parse(path)
        self._document.namespace.update({"__name__": "page", **(names or {})})
        self._last: Example | None = None
        self.count = 0
        self.outputs: dict[int, str] = {}
        self.shown: set[int] = set()
        self.wrong: dict[int, str] = {}

    def run(self) -> None:
        """Run all blocks in order; their errors are raised."""
        for example in self._document.examples():
            example.evaluate()

    def _run(self, example: Example) -> None:
        line = example.line + example.parsed.line_offset
        source = "\n" * (line - 1) + textwrap.dedent(str(example.parsed))
        code = compile(source, example.path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if inspect.iscoroutine(result := eval(code, example.namespace)):
                asyncio.run(_finish(result))
        self._last = example
        self.count += 1
        if printed.getvalue().strip():
            self.outputs[example.line] = printed.getvalue()

    def _compare(self, example: Example) -> None:
        last = self._last
        if last is None or self._document.text[last.end : example.start].strip():
            return  # text that is no output
        wanted, got = str(example.parsed).strip(), self.outputs.get(last.line, "").strip()
        self.shown.add(last.line)
        if not _CHECKER.check_output(wanted, got, doctest.ELLIPSIS):
            self.wrong[last.line] = f"line {example.line} shows\n{wanted}\nfor the output\n{got}"

    def with_outputs(self, text: str) -> str:
        """Return a page with the outputs of this run, where it had none or another."""
        lines = text.splitlines()
        for line in sorted(self.outputs, reverse=True):
            if line in self.wrong or line not in self.shown:
                end = lines.index("```", line) + 1
                old = lines[end:]
                if line in self.wrong:
                    old = old[old.index("```", old.index("```text") + 1) + 1 :]
                shown = self.outputs[line].strip().splitlines()
                lines[end:] = ["", "```text", *shown, "```", *old]
        return "\n".join(lines) + "\n"


async def _finish(awaitable: Any) -> None:
    await awaitable
