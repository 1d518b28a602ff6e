"""Takes work from Gradio that no test looks at, and that costs all of them a quarter of their time.

Programs in processes of their own run Gradio as it is.
"""

from __future__ import annotations

import functools
import inspect
import sys
from types import SimpleNamespace
from typing import Any

__all__ = ["lighten", "write_no_stubs"]


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
    import gradio.state_holder
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
        """Describes a component when it changes, and not all of the page for each session.

        Links to a page as it is now have these descriptions. A session is a chat here.
        """

        def __init__(self, blocks: Any) -> None:
            nothing: dict[int, Any] = {}
            empty: Any = SimpleNamespace(default_config=blocks.default_config, blocks=nothing)
            super().__init__(empty)

    begin = Queue.__init__

    def begin_calmly(self: Queue, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        self.sleep_when_free = 0.01  # a thousand looks a second are 6 % of a processor

    # Each piece of a reply looks twice whether matplotlib is there now.
    sys.modules.setdefault("matplotlib", None)  # type: ignore[arg-type]
    gradio.blocks.App = Unserved  # type: ignore[misc]
    gradio.state_holder.SessionState = BriefState  # type: ignore[misc]
    Queue.__init__ = begin_calmly  # type: ignore[method-assign]
