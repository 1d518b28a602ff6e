"""The table of faults: the server's acts, and the outcome for every caller.

A reply is complete and exact, or a typed error that carries the text so far. Where that leaves a
choice, the comment says why it was made so.
"""

from __future__ import annotations

from tests.end_to_end.faults.table.answers import ANSWERS
from tests.end_to_end.faults.table.bodies import BODIES
from tests.end_to_end.faults.table.configs import CONFIGS
from tests.end_to_end.faults.table.connections import CONNECTIONS
from tests.end_to_end.faults.table.fault import Fails, Fault, Text
from tests.end_to_end.faults.table.grammar import GRAMMAR
from tests.end_to_end.faults.table.limits import LIMITS
from tests.end_to_end.faults.table.messages import MESSAGES
from tests.end_to_end.faults.table.queues import CALLS, OLD
from tests.end_to_end.faults.table.redirects import REDIRECTS
from tests.end_to_end.faults.table.refusals import REFUSALS
from tests.end_to_end.faults.table.streams import BREAKS, NO_HTTP

__all__ = ["FAULTS", "Fails", "Fault", "Text"]

FAULTS = [
    *CONNECTIONS,
    *CONFIGS,
    *REFUSALS,
    *ANSWERS,
    *BREAKS,
    *NO_HTTP,
    *BODIES,
    *GRAMMAR,
    *MESSAGES,
    *CALLS,
    *OLD,
    *REDIRECTS,
    *LIMITS,
]
