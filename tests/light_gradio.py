"""Takes work from Gradio that no test looks at, and that costs all of them a quarter of their time.

Programs in processes of their own run Gradio as it is.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

__all__ = ["lighten", "only_asked_routes", "write_no_stubs"]

# An older FastAPI adds each once more, with the prefix of the router that includes them.
_ASKED = re.compile(
    r"(?:/gradio_api)?/(?:"
    r"(?:config|info|login|login_check|token|user|app_id|cancel|upload|theme\.css)?"
    r"|(?:queue/|call/|run/|heartbeat/|file=|proxy=).*)"
)
_only_asked = ContextVar("only_asked", default=False)


@contextlib.contextmanager
def only_asked_routes() -> Iterator[None]:
    """Leave out of the apps that are made now the routes that no client of ours asks.

    An app takes half of its start for its eighty routes. The local Space keeps them all: they are
    to be guarded.
    """
    before = _only_asked.set(True)
    try:
        yield
    finally:
        _only_asked.reset(before)


def write_no_stubs() -> None:
    """Have `import gradio` take half of its time; to be called before it.

    Gradio parses its components' sources at each import, and writes stubs for editors beside them.
    It passes over a class without a file.
    """
    get_file = inspect.getfile

    def get_no_file_of_a_component(thing: Any) -> str:
        if isinstance(thing, type) and hasattr(thing, "EVENTS"):
            raise OSError(f"{thing} needs no stub")
        return get_file(thing)

    inspect.getfile = get_no_file_of_a_component


@functools.cache
def lighten() -> None:
    """Have apps start in half the time, and wait for jobs with less work. This imports Gradio."""
    import gradio.blocks
    import gradio.route_utils
    import gradio.routes
    import gradio.state_holder
    import gradio.utils
    from fastapi import APIRouter
    from gradio.queueing import Queue
    from gradio.routes import App
    from gradio.state_holder import SessionState

    class Unserved(App):
        """Makes the apps that `Blocks` makes as it begins, as it ends and for its queue.

        The queue uses the last, but nothing asks them. The eighty routes of each are a tenth of a
        second.
        """

        @staticmethod
        def create_app(blocks: Any, *args: Any, **options: Any) -> App:
            if args or options != {"mcp_server": False}:  # as `launch` makes it
                return App.create_app(blocks, *args, **options)
            app = App()
            app.configure_app(blocks)
            return app

    class BriefState(SessionState):
        """Describes no component of the page for the session, neither all at first nor each later.

        Links to a page as it is now have these descriptions. A session is a chat here.
        """

        def __init__(self, blocks: Any) -> None:
            nothing: dict[int, Any] = {}
            empty: Any = SimpleNamespace(default_config=blocks.default_config, blocks=nothing)
            super().__init__(empty)

        def _update_value_in_config(self, key: int, value: Any) -> None:
            pass

        def _update_config(self, key: int) -> None:
            pass

    add_route = APIRouter.add_api_route

    def add_asked_route(self: APIRouter, path: str, *args: Any, **options: Any) -> None:
        if not _only_asked.get() or _ASKED.fullmatch(path):
            add_route(self, path, *args, **options)

    begin = Queue.__init__

    def begin_calmly(self: Queue, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        self.sleep_when_free = 0.01  # a thousand looks a second are 6 % of a processor

    copy, put_root = gradio.utils.safe_deepcopy, gradio.route_utils.update_root_in_config

    def names_files(thing: Any) -> bool:
        return b'"_type":"gradio.FileData"' in gradio.routes.ORJSONResponse._render(thing)

    # Each answer to `/config` has a copy of all that the page is, for the addresses of its files to
    # be written into. That is a quarter of a short reply's time, and few pages have files.
    def copy_addresses(thing: Any) -> Any:
        is_page = isinstance(thing, dict) and "dependencies" in thing
        return {**thing} if is_page and not names_files(thing) else copy(thing)

    def put_root_before_addresses(config: Any, root: str) -> Any:
        return put_root(config, root) if names_files(config) else {**config, "root": root}

    # Each piece of a reply looks twice whether matplotlib is there now.
    sys.modules.setdefault("matplotlib", None)  # type: ignore[arg-type]
    gradio.blocks.App = Unserved  # type: ignore[misc]
    APIRouter.add_api_route = add_asked_route  # type: ignore[method-assign]
    gradio.utils.safe_deepcopy = copy_addresses
    gradio.route_utils.update_root_in_config = put_root_before_addresses  # type: ignore[assignment]
    gradio.state_holder.SessionState = BriefState  # type: ignore[misc]
    Queue.__init__ = begin_calmly  # type: ignore[method-assign]
