"""Measures the replies, for `/metrics`."""

from __future__ import annotations

import time
from typing import Any

from qwen_space.local.engines.base import Finished, Thinking
from qwen_space.local.errors import require

__all__ = ["Metrics", "ReplyRecord"]

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The figures of one Space, in Prometheus's format."""

    def __init__(self) -> None:
        self._client = client = require("prometheus_client")
        self._registry = registry = client.CollectorRegistry()
        named: dict[str, Any] = {"registry": registry, "namespace": "qwen_space"}
        self.running = client.Gauge("replies_running", "Replies that are written now.", **named)
        self.waiting = client.Gauge("replies_waiting", "Replies that wait for a slot.", **named)
        self._replies = client.Counter("replies", "Replies by their end.", ["outcome"], **named)
        self._seconds = client.Histogram(
            "reply_seconds", "Seconds of a reply, with its wait.", buckets=_SECONDS, **named
        )
        self._first = client.Histogram(
            "first_token_seconds", "Seconds to the first token.", buckets=_SECONDS, **named
        )
        self._tokens = client.Counter("tokens", "Tokens by their kind.", ["kind"], **named)

    def add(self, record: ReplyRecord) -> None:
        """Count a reply that has ended."""
        self._replies.labels(record.outcome).inc()
        self._seconds.observe(record.seconds)
        if record.first_token is not None:
            self._first.observe(record.first_token)
        for kind, count in record.tokens.items():
            self._tokens.labels(kind).inc(count)

    def render(self) -> tuple[bytes, str]:
        """Return the figures and their content type."""
        return self._client.generate_latest(self._registry), self._client.CONTENT_TYPE_LATEST


class ReplyRecord:
    """The course of one reply.

    Attributes:
        outcome: "done", "cut", "cancelled" or "failed".
        seconds: Its length, once it has ended.
        first_token: Seconds to its first token; None if none came.
        tokens: Tokens by their kind: prompt, cached, reply.
    """

    def __init__(self) -> None:
        self.outcome = "cancelled"
        self.seconds = 0.0
        self.first_token: float | None = None
        self.tokens: dict[str, int] = {}
        self._started = time.monotonic()
        self._pieces = 0

    def add(self, part: object) -> None:
        """Take a part of the reply."""
        if isinstance(part, Finished):
            self.outcome = "cut" if part.is_cut else "done"
            figures = (part.prompt_tokens, part.cached_tokens, part.tokens)
            named = zip(("prompt", "cached", "reply"), figures, strict=True)
            self.tokens = {name: count for name, count in named if count is not None}
        elif isinstance(part, str | Thinking):
            self._pieces += 1
            if self.first_token is None:
                self.first_token = time.monotonic() - self._started

    def end(self, outcome: str | None = None) -> None:
        """Note the end; the outcome of a `Finished` stays where none is given."""
        if outcome is not None and not (outcome == "done" and self.outcome == "cut"):
            self.outcome = outcome
        self.seconds = time.monotonic() - self._started
        self.tokens.setdefault("reply", self._pieces)

    def to_fields(self) -> dict[str, Any]:
        """Return the figures for a line of the log."""
        fields: dict[str, Any] = {"outcome": self.outcome, "seconds": round(self.seconds, 2)}
        if self.first_token is not None:
            fields["first_token"] = round(self.first_token, 2)
        return fields | {f"{kind}_tokens": count for kind, count in self.tokens.items()}
