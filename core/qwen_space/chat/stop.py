"""Stop sequences, honoured on our side: a Space has no parameter for them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["StopScanner", "overlap"]


class StopScanner:
    """Lets text through up to the first stop sequence, whatever the pieces' borders.

    It holds back only a possible start of a stop sequence.

    Args:
        stop: The sequences, none of them empty; a string is a single one.

    Attributes:
        hit: Whether one was found; nothing comes after it.

    Raises:
        ValueError: A sequence is empty.
    """

    def __init__(self, stop: str | Sequence[str]) -> None:
        # A string is a sequence of strings too, and would stop at each of its letters.
        self._stop = [stop] if isinstance(stop, str) else list(stop)
        if not all(self._stop):
            raise ValueError("A stop sequence is empty: it would stop every reply at once.")
        self.hit = False
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take the next piece and return the text that is free to go."""
        text = self._held + piece
        if (free := self.cut(text)) is not None:
            self.hit = True
            self._held = ""
            return free
        keep = max((overlap(text, sequence) for sequence in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def restart(self, text: str) -> str:
        """Take a text that replaces all that came before; return the part to hand out."""
        self._held = ""
        return self.feed(text)

    def cut(self, text: str) -> str | None:
        """Return `text` up to the first stop sequence in it; None when there is none.

        The first is the one that is complete first, so that the pieces' borders do not matter
        where sequences overlap.
        """
        found = [
            (at + len(sequence), at) for sequence in self._stop if (at := text.find(sequence)) >= 0
        ]
        return text[: min(found)[1]] if found else None

    def flush(self) -> str:
        """Return the text held back, as nothing follows."""
        held, self._held = self._held, ""
        return held


def overlap(text: str, sequence: str) -> int:
    """Return how many characters at the end of a text may be the start of a sequence.

    Of the whole sequence there are none: it is found by a search.
    """
    for length in range(min(len(text), len(sequence) - 1), 0, -1):
        if text.endswith(sequence[:length]):
            return length
    return 0
