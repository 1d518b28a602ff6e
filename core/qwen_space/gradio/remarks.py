"""The words that an app says beside its chat, as "Please upload a document first".

They are the reason where it gives no reply.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qwen_space.chat.overflow import is_overflow
from qwen_space.errors import JobError, PromptTooLongError, QwenSpaceError
from qwen_space.gradio.job import Job
from qwen_space.gradio.reply.html_page import read_message

__all__ = ["Remarks"]

_LONGEST = 2_000  # characters of one text
_MOST = 20  # texts
_NO_VALUE = "NoneType"  # in Python's words for a value that is missing
_LONGEST_NAME = 12  # characters beside a short prompt that is shown


class Remarks:
    """Collects the words that an app says during one call.

    Args:
        places: The components that may show some: their labels and first values, by their numbers.
        outputs: The outputs of the function that replies, by their numbers.
        sent: The prompt and the system prompt, which an app may show as it got them.

    Attributes:
        advice: How to get a reply of an app that gives none; "" where that is not known.
        missing: What an app that fails may miss; "" where that is not known.
    """

    def __init__(
        self,
        places: Mapping[Any, tuple[str, Any]] | None = None,
        outputs: Sequence[Any] = (),
        sent: Iterable[str | None] = (),
    ) -> None:
        self._places = places or {}
        self._outputs = outputs
        self._sent = [_in_one_line(each) for each in sent if each]
        self._heard: dict[str, None] = {}
        self._seen: dict[Any, str] = {}
        self.advice = self.missing = ""

    def hear(self, message: str) -> None:
        """Take the text of a notice (`gr.Info`, `gr.Warning`)."""
        if message and len(self._heard) < _MOST:
            self._heard[message[:_LONGEST]] = None

    def see(self, values: Iterable[tuple[Any, Any]]) -> None:
        """Take the values that components got; an update without one changes nothing."""
        for component, given in values:
            is_update = isinstance(given, dict) and given.get("__type__") == "update"
            value = given.get("value") if is_update else given
            if component not in self._places or not isinstance(value, str):
                continue
            label, first = self._places[component]
            is_known = value == first or _in_one_line(value) in self._sent
            text = "" if is_known else read_message(value[:_LONGEST]).strip()
            self._seen[component] = f"{label}: {text}" if label and text else text

    def check(self, job: Job) -> None:
        """Look at a job that has ended, if it is one that replies.

        Raises:
            JobError: It gave no reply, but says something, or its page misses a text or a file; or
                it gave no value at all, as a function does that yields nothing.
        """
        if not job.replies or job.has_reply:
            return
        for values in (job.yielded, job.data):
            self.see(zip(self._outputs, values, strict=False))
        words = [*self._heard, *filter(None, self._seen.values())][:_MOST]
        # Some put theirs in the user's place: history + [("Load a file first.", None)].
        told = read_message(job.unanswered[:_LONGEST]).strip()
        if not words and told and not self._is_sent(told):
            words = [told]
        if words:
            reason = "; ".join(words)
            kind = PromptTooLongError if is_overflow(reason) else JobError
            advice = self.advice and f" Perhaps {self.advice}"
            raise kind(f"{reason}{advice}", "It gave no reply, but says")
        # A reply without a text is one, as a model may end at once; a chat without a row is none.
        missing = self.missing if job.unanswered or job.is_as_sent else ""
        if advice := self.advice or (missing and f"perhaps {missing}"):
            raise JobError(advice, "It gave no reply")
        if job.gave_nothing:
            perhaps = f"Perhaps {self.missing} " if self.missing else ""
            told = f"its function ended without a value. {perhaps}Try again."
            raise JobError(told, "It gave no reply")

    def _is_sent(self, text: str) -> bool:
        """Whether a text is the prompt as some app shows it, such as with a name before it."""
        shown = _words(text)
        return any(_is_near(shown, each) for each in self._sent)

    def explain(self, error: QwenSpaceError) -> JobError | None:
        """Return an error with the words that the app said before it failed without any reason.

        None where it gave a reason, or said nothing. An error that keeps its reason to itself, or
        is Python's own for a value that is missing, gets what the app may miss.
        """
        if type(error) is JobError and (error.reason is None or _NO_VALUE in error.reason):
            error.advice = self.missing
        if type(error) is not JobError or error.reason is not None or not self._heard:
            return None
        told = JobError("; ".join(self._heard), "It gives no reason, but said before")
        told.text, told.may_have_run = error.text, error.may_have_run
        return told


def _is_near(shown: str, sent: str) -> bool:
    """Whether one has the words of the other, and few besides."""
    words = _words(sent)
    if len(sent) >= _LONGEST // 2:  # it was cut, maybe within a word
        words = words.rpartition(" ")[0]
        shown = shown[: len(words) + _LONGEST_NAME]
    short, long = sorted((shown, words), key=len)
    is_near = len(long) - len(short) <= max(_LONGEST_NAME, len(long) // 2)
    return short != "" and is_near and f" {short} " in f" {long} "


def _words(text: str) -> str:
    """Return the words of a text, as an app may mark up or escape all else; its signs if none."""
    text = html.unescape(text).lower()
    words = "".join(each if each.isalnum() else " " for each in text).split()
    return " ".join(words or text.split())


def _in_one_line(text: str) -> str:
    """Return the start of a text without its white space, which Gradio changes."""
    return " ".join(text[:_LONGEST].split())[: _LONGEST // 2]
