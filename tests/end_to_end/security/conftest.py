"""Servers in a thread of their own, as for the faults."""

from __future__ import annotations

from tests.end_to_end.faults.conftest import (
    _background,
    _no_kept_connections,
    _nothing_is_left,
    in_ways,
    serve,
)

__all__ = ["_background", "_no_kept_connections", "_nothing_is_left", "in_ways", "serve"]
