"""Answers that refuse."""

from __future__ import annotations

from typing import Any

from qwen_space import (
    AuthenticationError,
    JobError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceUnavailableError,
)
from tests.end_to_end.faults.acts import HTML
from tests.end_to_end.faults.script import CUT, HANG, RESET, Pause, http, sse
from tests.end_to_end.faults.table.fault import Fails, Fault


def refusing(
    status: int, body: Any, error: type[QwenSpaceError], says: str = "", kind: str = ""
) -> list[Fault]:
    """Return the faults of a request that is refused: the join, and the stream.

    After a join that was refused as unknown, `/call` is tried, which is unknown here too. One that
    ended in a status of 5xx may have been accepted behind a proxy: it is given up.
    """
    kind = kind or ("html" if isinstance(body, str) else "json")
    answer = [http(status, body)]
    outcome = Fails(error, "", says)
    prompts, streams = 1 + (status in {404, 405}), int(status >= 500)
    return [
        Fault(f"join-{status}-{kind}", outcome, join=answer, prompts=prompts, streams=streams),
        Fault(f"data-{status}-{kind}", outcome, data=answer, streams=2),
    ]


FULL = {"detail": "Queue is full. Max size is 1 and size is 1."}

# A function's `validator`, in Gradio 5.50 and 6.31; each parameter has an item.
INVALID = {
    "detail": [
        {"is_valid": False, "message": "Be polite, please", "parameter_name": "query"},
        {"is_valid": True, "message": "", "parameter_name": "history"},
    ]
}

REFUSALS = [
    *refusing(401, {"detail": "Not authenticated"}, AuthenticationError, "Not authenticated"),
    *refusing(
        401,
        {"detail": {"error": "Not for you"}},
        AuthenticationError,
        "Not for you",
        kind="gradio-5",
    ),
    *refusing(403, HTML, AuthenticationError),
    *refusing(404, {"detail": "Not Found"}, SpaceStatusError, "HTTP 404"),
    *refusing(404, HTML, SpaceStatusError, "HTTP 404"),
    *refusing(405, {"detail": "Method Not Allowed"}, SpaceStatusError, "HTTP 405"),
    *refusing(405, HTML, SpaceStatusError, "HTTP 405"),
    *refusing(422, {"detail": [{"type": "missing"}]}, SpaceStatusError, "missing"),
    *refusing(422, HTML, SpaceStatusError, "HTTP 422"),
    *refusing(422, INVALID, JobError, "Be polite", kind="validator"),
    *refusing(429, {"detail": "Slow down"}, QuotaError, "Slow down"),
    *refusing(429, HTML, QuotaError, "HTTP 429"),
    *refusing(500, {"detail": "Oh"}, SpaceStatusError, "Oh"),
    *refusing(500, "Internal Server Error", SpaceStatusError, "Internal Server Error"),
    *refusing(502, {"detail": "Bad gateway"}, SpaceUnavailableError, "Bad gateway"),
    *refusing(502, HTML, SpaceUnavailableError, "HTTP 502"),
    *refusing(503, {"detail": "Queue is stopped."}, SpaceUnavailableError, "Queue is stopped"),
    *refusing(503, HTML, SpaceUnavailableError, "HTTP 503"),
    *refusing(504, HTML, SpaceUnavailableError, "HTTP 504"),
    # A validator that raises, as in Gradio 5.50 and 6.31
    *(
        Fault(
            f"validator-{name}",
            Fails(JobError, says=says),
            join=[http(400, {"detail": raised})],
            streams=0,
        )
        for name, raised, says in (
            ("raises", "No key is set", "not take this input: No key is set"),
            ("raises-a-gradio-error", "'Log in first'", "not take this input: Log in first"),
            ("raises-nothing", "", "does not say why"),
        )
    ),
    Fault(
        "queue-is-full",
        Fails(QueueFullError, says="Max size is 1"),
        join=[http(503, FULL)],
        streams=0,
    ),
    Fault(
        "queue-is-full-says-the-stream",
        Fails(QueueFullError),
        data=sse({"msg": "queue_full"}, HANG),
    ),
    # The body says why the status came, as far as it arrives.
    Fault(
        "queue-is-full-says-a-body-in-two-packets",
        Fails(QueueFullError, says="Max size is 1"),
        join=[http(503, FULL)[:-20], Pause(), http(503, FULL)[-20:]],
        streams=0,
    ),
    Fault(
        "join-is-refused-and-cut",
        Fails(SpaceStatusError, says="HTTP 400: 'Bad'"),
        join=[http(400, "Bad", Content_Length="99"), Pause(), CUT],
        streams=0,
    ),
    Fault(
        "join-is-refused-and-reset",
        Fails(SpaceStatusError, says="HTTP 400"),
        join=[http(400, "Bad", Content_Length="99"), Pause(), RESET],
        streams=0,
    ),
]
