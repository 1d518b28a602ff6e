"""Asks an app once more whose page may have to be opened in each session.

    sessions = {}
    demo.load(lambda request: sessions.update({request.session_hash: Agent()}), ...)

`/config` does not show that an app keeps something by a session's hash, and most load functions
start something for all visitors, or fill a menu. So they are run where the app fails without them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable

from qwen_space.client.lookup import EndpointResolver
from qwen_space.client.stream import Opened
from qwen_space.errors import JobError, QwenSpaceError
from qwen_space.gradio.page.endpoint import Endpoint

__all__ = ["Reopening"]

logger = logging.getLogger("qwen_space.client")

# Words of an app that misses a session, or of Python for a value that is missing.
_MISSING = re.compile(r"session|NoneType|KeyError|会话|сесси", re.IGNORECASE)


class Reopening:
    """Opens the page in another session, and asks there, once an app has failed without that.

    An app is asked so once: from then on its page is opened for each call, or never again. It has
    failed before any text, so that nobody has seen a part of its reply.

    Args:
        resolver: Remembers whether that has helped.
        endpoint: The endpoint of the call.
        session_hash: The session in which the app has failed.
        ask: Runs the endpoint's load functions in a new session, and asks in it.
    """

    def __init__(
        self,
        resolver: EndpointResolver,
        endpoint: Endpoint,
        session_hash: str,
        ask: Callable[[], Awaitable[Opened]],
    ) -> None:
        self._resolver = resolver
        self._endpoint = endpoint
        self._session_hash = session_hash
        self._ask = ask
        self._has_asked = False

    async def try_again(self, error: QwenSpaceError) -> Opened | None:
        """Return the new job after an error; None where the error stands.

        Raises:
            QwenSpaceError: The new job cannot be submitted.
        """
        if self._has_asked:
            self._resolver.note_loads(self._endpoint, are_needed=False)
            return None
        if not self._may_miss_session(error):
            return None
        self._has_asked = True
        logger.info("The app failed; its page is opened in this session, and it is asked again")
        self._resolver.note_loads(self._endpoint, are_needed=True)
        try:
            return await self._ask()
        except QwenSpaceError:
            self._resolver.note_loads(self._endpoint, are_needed=False)
            raise

    def _may_miss_session(self, error: QwenSpaceError) -> bool:
        """Whether an error may come of a missing session; most apps keep the reason back."""
        if type(error) is not JobError:
            return False
        reason = error.reason
        return reason is None or self._session_hash in reason or bool(_MISSING.search(reason))
