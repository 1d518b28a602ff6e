"""The way of docs/deploying.md past one machine: nginx before two real llama.cpp servers.

Their model is downloaded once.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space.local import LlamaEngine, find_weights

if TYPE_CHECKING:
    from tests.network.conftest import Start

pytestmark = pytest.mark.network

PAGE = Path(__file__).parents[2] / "docs" / "deploying.md"


def read_directives(*addresses: str) -> tuple[str, str]:
    """Return the page's upstream with other addresses, and its location."""
    block = re.compile(r"```nginx\n(upstream .*?\n}\n)server {.*?(location .*?)}\n```", re.DOTALL)
    found = block.search(PAGE.read_text("utf-8"))
    assert found is not None
    upstream, location = found.groups()
    for number, address in enumerate(addresses, 1):
        upstream = upstream.replace(f"10.0.0.{number}:8000", address)
    assert "10.0.0" not in upstream
    return upstream, location


def start_server() -> tuple[Any, str]:
    """Start a llama.cpp server; return it, which ends with its last reference, and its address."""
    import xllamacpp

    engine = LlamaEngine(find_weights(small=True, progress=False), slots=1)
    server = xllamacpp.Server(engine._parameters(xllamacpp, "sk-shared"))
    return server, server.listening_address.removeprefix("http://")


def test_both_servers_answer_and_one_is_enough(nginx: Start, folder: Path) -> None:
    servers = {address: server for server, address in (start_server(), start_server())}
    log = folder / "access.log"
    upstream, location = read_directives(*servers)
    balancer = nginx(
        f"access_log {log} upstreams; {location}",
        f"log_format upstreams '$request_method $status $upstream_addr'; {upstream}",
    )
    options = ["--port", "0", "--parallel", "2", "--max-tokens", "12", "--base-url", balancer]
    with subprocess.Popen(
        [sys.executable, "-m", "qwen_space", "serve", *options],
        env={**os.environ, "OPENAI_API_KEY": "sk-shared"},
        stdout=subprocess.PIPE,
        text=True,
    ) as served:
        assert served.stdout is not None
        url = served.stdout.readline().split(" answers at ")[1].split()[0]
        with ThreadPoolExecutor(2) as pool:
            both = [
                pool.submit(lambda: ChatQwenSpace(space=url).invoke("Count to ten.").text),
                pool.submit(lambda: QwenSpace(space=url).complete("Count to ten.").text),
            ]
            replies = [each.result() for each in both]
        used = set(re.findall(r"^POST 200 (\S+)$", log.read_text(), re.MULTILINE))

        servers.popitem()  # the last reference, which stops it
        after = [ChatQwenSpace(space=url).invoke("Count to ten.").text for _ in range(3)]
        served.send_signal(signal.SIGTERM)
        served.communicate(timeout=20)

    assert all(replies)
    assert len(used) == 2
    assert all(after)
    assert served.returncode == 0
