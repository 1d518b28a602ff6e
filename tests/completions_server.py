"""A server of OpenAI's chat completions, as small as it can be, in a thread of the test's."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any


class Model(http.server.BaseHTTPRequestHandler):
    """A server of completions: it streams a piece, and holds the next until it is let go."""

    go_on: threading.Event
    keys: list[str | None]
    bodies: list[Any]

    def do_GET(self) -> None:
        self._send(b'{"object": "list", "data": [{"id": "served"}]}', "application/json")

    def do_POST(self) -> None:
        self.keys.append(self.headers["Authorization"])
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self._piece({"content": "Hello"})
        self.go_on.wait(30)
        with contextlib.suppress(ConnectionError):  # the server has stopped meanwhile
            self._end()

    def _end(self) -> None:
        self._piece({"content": " there"})
        usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
        self.wfile.write(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def _piece(self, delta: Any) -> None:
        chunk = {"choices": [{"index": 0, "delta": delta}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def running_model() -> Iterator[Any]:
    """Run a server of its own, and give its handler's class, with its `url`."""

    class Handler(Model):
        go_on = threading.Event()
        keys: list[str | None] = []  # noqa: RUF012 - one list for each test's class
        bodies: list[Any] = []  # noqa: RUF012 - as above

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        Handler.url = f"http://user:pass-word@127.0.0.1:{server.server_port}/v1"  # type: ignore[attr-defined]
        try:
            yield Handler
        finally:  # also where the test fails: the thread would hold up the exit
            Handler.go_on.set()
            server.shutdown()
            thread.join()
