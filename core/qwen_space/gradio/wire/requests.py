"""The requests to a queue.

Source: `gradio/routes.py` and `gradio_client/utils.py`. Until Gradio 4.8 (protocol `sse`) the join
is itself the stream, and the arguments are posted when the queue asks for them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec

__all__ = ["JobRequest"]


class JobRequest(msgspec.Struct, frozen=True):
    """One request to a queue.

    Attributes:
        queue: The address of the queue, without a slash at its end.
        fn_index: The function's number.
        trigger_id: The component that starts it on the page, or None.
        data: The function's arguments.
        session_hash: The session, fresh for each request: a used one can bring edits to an
            older value.
    """

    queue: str
    fn_index: int
    trigger_id: int | None
    data: list[Any]
    session_hash: str

    @property
    def join_url(self) -> str:
        """Where `body` is posted."""
        return f"{self.queue}/join"

    @property
    def stream_url(self) -> str:
        """Where the session's stream is read."""
        return f"{self.queue}/data?{urlencode({'session_hash': self.session_hash})}"

    @property
    def body(self) -> dict[str, Any]:
        """The request."""
        return {
            "data": self.data,
            "event_data": None,
            "fn_index": self.fn_index,
            "trigger_id": self.trigger_id,
            "session_hash": self.session_hash,
        }

    # `/call`, Gradio 4.20 and newer

    @property
    def call_body(self) -> dict[str, Any]:
        """The request; a session of our own would break it up to Gradio 5.50."""
        return {"data": self.data}

    # Protocol `sse`

    @property
    def joining_stream_url(self) -> str:
        """The request that joins and is the stream at once."""
        query = {"fn_index": self.fn_index, "session_hash": self.session_hash}
        return f"{self.queue}/join?{urlencode(query)}"

    @property
    def data_url(self) -> str:
        """Where `data_body` is posted when the stream asks for the arguments."""
        return f"{self.queue}/data"

    def data_body(self, event_id: str | None) -> dict[str, Any]:
        """Return the request with the arguments, which names the job."""
        return {**self.body, "event_id": event_id}
