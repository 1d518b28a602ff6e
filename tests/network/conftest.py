"""Real servers on the way: nginx in front of the app, Squid or microsocks in front of the client.

They are those of Debian's packages. They listen on loopback, live in a test's folder, and end with
the test.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qwen_space.local import LocalSpace, ScriptedEngine

Start = Callable[..., str]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the servers' own users may enter."""
    with tempfile.TemporaryDirectory(prefix="network-") as name:
        path = Path(name)
        path.chmod(0o777)
        yield path


@pytest.fixture
def nginx(folder: Path) -> Iterator[Start]:
    """Starts nginx with directives of a server, and some beside it; gives the server's address."""
    with contextlib.ExitStack() as stack:

        def start(server: str, http: str = "", *, tls: bool = False) -> str:
            port = _free_port()
            paths = "\n".join(
                f"{kind}_temp_path {folder};"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            config = folder / "nginx.conf"
            config.write_text(f"""
                daemon off;
                user root;
                pid {folder}/nginx.pid;
                error_log {folder}/nginx.log;
                events {{}}
                http {{
                    access_log off;
                    {paths}
                    {http}
                    server {{
                        listen 127.0.0.1:{port}{" ssl" if tls else ""};
                        proxy_http_version 1.1;
                        proxy_set_header Host $http_host;
                        {server}
                    }}
                }}
            """)
            stack.enter_context(_running(["nginx", "-p", str(folder), "-c", str(config)], port))
            return f"{'https' if tls else 'http'}://127.0.0.1:{port}"

        yield start


@pytest.fixture
def squid(folder: Path) -> Iterator[Start]:
    """Starts Squid with directives of its own; gives its address. `space.test` is this machine."""
    with contextlib.ExitStack() as stack:

        def start(rules: str) -> str:
            port = _free_port()
            (folder / "hosts").write_text("127.0.0.1 space.test\n")
            config = folder / "squid.conf"
            config.write_text(f"""
http_port 127.0.0.1:{port}
hosts_file {folder}/hosts
pid_filename none
cache deny all
access_log none
cache_log /dev/null
coredump_dir {folder}
shutdown_lifetime 0 seconds
{rules}
""")
            stack.enter_context(_running(["squid", "-N", "-f", str(config)], port))
            return f"http://127.0.0.1:{port}"

        yield start


@pytest.fixture
def microsocks() -> Iterator[Start]:
    """Starts microsocks, a SOCKS5 proxy, with a user and a password; gives its address."""
    with contextlib.ExitStack() as stack:

        def start(user: str, password: str) -> str:
            port = _free_port()
            command = ["microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", user, "-P", password]
            stack.enter_context(_running(command, port))
            return f"127.0.0.1:{port}"

        yield start


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextlib.contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    program = shutil.which(command[0], path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert program is not None, f"{command[0]} is missing: apt-get install nginx squid microsocks"
    with subprocess.Popen([program, *command[1:]], stderr=subprocess.PIPE, text=True) as server:
        try:
            _await_port(server, port)
            yield
        finally:
            server.terminate()
            server.communicate(timeout=20)


def _await_port(server: subprocess.Popen[str], port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(server.communicate()[1])
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
    raise TimeoutError(f"{server.args!r} does not listen")


@pytest.fixture
def other_space() -> Iterator[tuple[str, ScriptedEngine]]:
    """A second local Space with the same app, as another replica."""
    engine = ScriptedEngine(["Hello", " ", "there", "."])
    with LocalSpace(engine) as running:
        yield running.url, engine
