"""The event loops that programs run on: an asynchronous test asks for them with a marker.

`@pytest.mark.every_loop` runs a test on asyncio's loop and on uvloop; `pytest --every-loop` runs
all asynchronous tests on each loop below.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

__all__ = ["LOOPS"]


def _debugging() -> asyncio.AbstractEventLoop:
    """Make a loop as `PYTHONASYNCIODEBUG=1` does."""
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 60.0  # it logs those, which is no fault on a busy machine
    return loop


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}

if sys.platform != "win32":
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop

LOOPS["debug"] = _debugging

if sys.version_info >= (3, 12):

    def _eager() -> asyncio.AbstractEventLoop:
        """Make a loop whose tasks begin to run as they are made."""
        loop = asyncio.new_event_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    LOOPS["eager"] = _eager
