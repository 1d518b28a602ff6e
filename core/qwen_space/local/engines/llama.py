"""An engine that runs a GGUF file on this machine, by llama.cpp's own server."""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qwen_space.local.engines.base import Output, Sampling
from qwen_space.local.engines.openai import OpenAIEngine
from qwen_space.local.errors import StartError, require

__all__ = ["LlamaEngine"]


class LlamaEngine:
    """A GGUF file, run in this process and spoken to as any other server of completions.

    The server listens on loopback, at a random port, and wants a random key.

    Args:
        path: The GGUF file.
        context: How many tokens a conversation and its reply may have together.
        slots: How many replies run at once. Each takes memory for a context of its own.
        threads: How many threads compute; chosen by the machine if None.
        gpu_layers: Layers of the model to compute on a GPU; llama.cpp's own choice if None.
        temperature: How freely the model chooses its words.
        max_tokens: Where a reply is cut; at the end of the context if None.
        prompt_cache: Whether the part of a prompt that was there in an earlier turn is not read
            again. Without it a chat takes longer, and temperature 0 repeats a reply to the letter:
            the sums of a prompt that is read in other portions differ in their last digits.
        name: The name on the page; made of the file's name if None.

    Attributes:
        name: The name on the page.
        slots: How many replies run at once.
        context: How many tokens a conversation and its reply may have together.
        defaults: The options of a reply that has none of its own.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        context: int = 4096,
        slots: int = 2,
        threads: int | None = None,
        gpu_layers: int | None = None,
        temperature: float = 0.7,
        max_tokens: int | None = None,
        prompt_cache: bool = True,
        name: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.slots = slots
        self.name = name or _title(self.path)
        self.context = context
        self._threads = threads or _threads()
        self._gpu_layers = gpu_layers
        self.defaults = Sampling(temperature=temperature, max_tokens=max_tokens)
        self._prompt_cache = prompt_cache
        self._lock = threading.Lock()
        self._users = 0
        self._server: Any = None
        self._engine: OpenAIEngine | None = None

    def start(self) -> None:
        """Load the model, if no other Space has.

        Raises:
            MissingExtraError: xllamacpp or openai is not installed.
            StartError: The file is not there, or llama.cpp cannot load it.
        """
        with self._lock:
            if self._users == 0:
                self._load()
            self._users += 1

    def close(self) -> None:
        """Unload the model, if no other Space uses it."""
        with self._lock:
            self._users = max(0, self._users - 1)
            if self._users == 0:
                self._server = self._engine = None  # the last reference stops the server

    def stream(
        self, messages: Sequence[Mapping[str, Any]], sampling: Sampling | None = None
    ) -> AsyncGenerator[Output, None]:
        """Yield the reply's pieces.

        Raises:
            EngineError: The model cannot answer this.
        """
        if self._engine is None:
            raise RuntimeError("The engine does not run: start() it")
        return self._engine.stream(messages, sampling)

    def _load(self) -> None:
        if not self.path.is_file():
            raise StartError(f"There is no model file {self.path}.")
        require("openai")
        key = secrets.token_urlsafe()
        # By default OpenMP's threads spin for long while they wait, which on a shared machine
        # makes everything four times slower. It is read when the library is loaded.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        package = require("xllamacpp")
        try:
            self._server = package.Server(self._parameters(package, key))
        except RuntimeError as exc:
            raise StartError(
                f"llama.cpp cannot load {self.path}: {exc} The file may be damaged or of a kind "
                "that it does not know, or the memory too small for it."
            ) from exc
        self._engine = OpenAIEngine(
            f"{self._server.listening_address}/v1",
            None,  # the one that it has loaded
            key,
        )
        self._engine.defaults = self.defaults
        self._engine.start()

    def _parameters(self, package: Any, key: str) -> Any:
        parameters = package.CommonParams()
        parameters.model.path = str(self.path)
        # Shared among the slots, so that the context of each is the one that was asked for.
        parameters.n_ctx = self.context * self.slots
        parameters.kv_unified = False
        parameters.n_parallel = self.slots
        # Between two batches the server looks whether anyone still waits. By default a batch is
        # 2,048 tokens, which takes a small machine half a minute; small ones cost nothing.
        parameters.n_batch = parameters.n_ubatch = 64
        parameters.cpuparams.n_threads = self._threads
        if self._gpu_layers is not None:
            parameters.n_gpu_layers = self._gpu_layers
        parameters.cache_prompt = self._prompt_cache
        parameters.api_keys = [key]
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        parameters.ui = False
        parameters.verbosity = 0
        return parameters


def _threads() -> int:
    """Half of many processors, as they are mostly two to a core, and all of a few."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        usable = os.cpu_count() or 1
    usable = min(usable, _quota() or usable)
    return usable if usable <= 4 else usable // 2


def _quota(groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the processors that a container may use; None if it has no limit.

    It sees all of its machine's, and one thread too many for its share makes it wait for most
    of the time.
    """
    try:
        limit, period = (groups / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):  # no container, or one of the first version of these groups
        return None
    return None if limit == "max" else max(1, round(int(limit) / int(period)))


_QUANTISED = re.compile(r"[-.](I?Q\d\w*|B?F16|F32)$", re.IGNORECASE)


def _title(path: Path) -> str:
    found = _QUANTISED.search(path.stem)
    return f"{path.stem[: found.start()]} ({found[1].upper()})" if found else path.stem
