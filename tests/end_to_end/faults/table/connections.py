"""Connections that break before the stream opens."""

from __future__ import annotations

from qwen_space import SpaceUnreachableError
from tests.end_to_end.faults.acts import GRADIO, JOINED
from tests.end_to_end.faults.script import CUT, RESET, STOP_LISTENING, http, sse
from tests.end_to_end.faults.table.fault import Fails, Fault, cut
from tests.scripted_server import CONFIG, EVENT_ID

CONNECTIONS = [
    Fault("config-is-reset", cut(), config=[RESET], prompts=0, streams=0),
    Fault("config-is-cut", cut(), config=[CUT], prompts=0, streams=0),
    Fault("config-is-cut-in-its-head", cut(), config=[GRADIO[:30], CUT], prompts=0, streams=0),
    Fault(
        "config-is-cut-in-its-body",
        cut(),
        config=[GRADIO[:-40], CUT],
        prompts=0,
        streams=0,
    ),
    Fault(
        "config-is-reset-in-its-body",
        cut(),
        config=[GRADIO[:-40], RESET],
        prompts=0,
        streams=0,
    ),
    Fault(
        "join-is-refused-by-the-system",
        Fails(SpaceUnreachableError, says="refused"),
        config=[STOP_LISTENING, http(200, CONFIG, Connection="close"), CUT],
        prompts=0,
        streams=0,
    ),
    # Each of these may have been accepted, so the session's stream is opened and closed.
    Fault("join-is-reset", cut(), join=[RESET]),
    Fault("join-is-cut", cut(), join=[CUT]),
    Fault("join-is-cut-in-its-head", cut(), join=[JOINED[:30], CUT]),
    Fault("join-is-cut-in-its-body", cut(), join=[JOINED[:-5], CUT]),
    Fault("join-is-reset-in-its-body", cut(), join=[JOINED[:-5], RESET]),
    Fault(
        "data-is-refused-by-the-system",
        Fails(SpaceUnreachableError, says="refused"),
        join=[STOP_LISTENING, http(200, {"event_id": EVENT_ID}, Connection="close"), CUT],
        streams=0,
    ),
    Fault("data-is-reset", cut(), data=[RESET], streams=None),
    Fault("data-is-cut", cut(), data=[CUT], streams=None),
    Fault("data-is-cut-in-its-head", cut(), data=[sse()[0][:40], CUT], streams=None),
    Fault("data-is-reset-in-its-head", cut(), data=[sse()[0][:40], RESET], streams=None),
]
