"""Redirects: of all requests, only that for `/config` is followed, and only within the host."""

from __future__ import annotations

from qwen_space import SpaceStatusError
from tests.end_to_end.faults.acts import ALL, GRADIO, JOINED, REPLY
from tests.end_to_end.faults.script import END, http, sse
from tests.end_to_end.faults.table.fault import Fails, Fault, Text


def moved(status: int, path: str) -> bytes:
    return http(status, "", Location=path)


REDIRECTS = [
    Fault(
        "config-moves-on-its-host",
        Text(ALL),
        config=[moved(308, "/app/config")],
        others={
            "/app/config": [GRADIO],
            "/app/queue/join": [JOINED],
            "/app/queue/data": sse(*REPLY, END),
        },
        streams=0,
    ),
    Fault(
        "config-moves-away",
        Fails(SpaceStatusError, says="moved to http://127.0.0.1:1/"),
        config=[moved(302, "http://127.0.0.1:1/config")],
        prompts=0,
        streams=0,
    ),
    Fault(
        "config-moves-in-a-circle",
        Fails(SpaceStatusError, says="moved to"),
        config=[moved(302, "/config")],
        prompts=0,
        streams=0,
    ),
    *(
        fault
        for status in (301, 302, 303, 307, 308)
        for where, path in (("near", "/queue/join"), ("away", "http://127.0.0.1:1/"))
        for fault in (
            Fault(
                f"join-moves-{where}-{status}",
                Fails(SpaceStatusError, says=f"moved to {path}"),
                join=[moved(status, path)],
                streams=0,
            ),
            Fault(
                f"data-moves-{where}-{status}",
                Fails(SpaceStatusError, says=f"moved to {path}"),
                data=[moved(status, path)],
                streams=2,
            ),
        )
    ),
]
