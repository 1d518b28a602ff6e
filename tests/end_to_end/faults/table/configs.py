"""Answers to `/config`."""

from __future__ import annotations

from qwen_space import QuotaError, SpaceStatusError, SpaceUnavailableError
from tests.end_to_end.faults.acts import ALL, GRADIO, HTML, NO_CONFIG
from tests.end_to_end.faults.script import http
from tests.end_to_end.faults.table.fault import Fails, Fault, Text, bad

CONFIGS = [
    Fault("config-is-missing", Text(ALL), config=[NO_CONFIG]),
    Fault("config-is-not-for-get", Text(ALL), config=[http(405, HTML)]),
    Fault("config-is-html", Text(ALL), config=[http(200, HTML)]),
    Fault("config-fails", Fails(SpaceStatusError), config=[http(500, HTML)], prompts=0, streams=0),
    Fault(
        "config-is-busy",
        Fails(SpaceUnavailableError),
        config=[http(503, HTML)],
        prompts=0,
        streams=0,
    ),
    Fault("config-is-limited", Fails(QuotaError), config=[http(429, HTML)], prompts=0, streams=0),
    Fault("config-is-of-something-else", bad(), config=[http(200, {"a": 1})], prompts=0, streams=0),
    Fault(
        "config-comes-late-in-pieces", Text(ALL), config=[GRADIO[:10], GRADIO[10:90], GRADIO[90:]]
    ),
]
