"""Imports that take a while, and that a fork waits for.

The child of a fork has the half of a module that another thread was importing, and waits for the
other half for ever.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401
import importlib
import logging  # noqa: F401
import os
import threading

__all__ = ["import_client", "import_lock"]

import_lock = threading.RLock()
"""Is held during such an import, and during a fork."""

# After those of the modules above, as the last hook is the first to be called: logging's lock must
# not be held while an import is waited for, nor a hook be added meanwhile, which would release a
# lock that it has not taken.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=import_lock.acquire,
        after_in_parent=import_lock.release,
        after_in_child=import_lock.release,
    )


def import_client() -> None:
    """Import the client, and with it aiohttp, in the caller's thread.

    Blocking callers do it themselves: at the end of a program no thread can be had for it.
    """
    with import_lock:
        importlib.import_module("qwen_space.client.client")
