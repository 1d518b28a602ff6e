"""Ask a Space ten thousand prompts with Ray Data, and go on where a killed run has stopped.

    pip install "qwen-space[langchain]" "ray[data]" tqdm
    python examples/batches.py prompts.jsonl replies/ --space http://127.0.0.1:7860

A line of the prompts is an object with `id` and `prompt`; of the replies, with `id` and `reply`, or
`error`. The prompts are cut into chunks, and each chunk has one file of replies, to which a worker
appends as they come. A chunk's file tells which of its prompts are left, whichever run or machine
(on one shared folder) wrote it. Run the same command again after a kill, and only prompts without a
reply are asked.

Each worker has one client. How many replies it asks for at once is bounded, for all its chunks
together. With `--workers 0` there is one process, without Ray.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from langchain_qwen_space import ChatQwenSpace
from qwen_space import QueueFullError, TransportError

CHUNK = 64  # prompts


def plan(prompts: Path, replies: Path) -> list[dict[str, int]]:
    """Return the chunks of a file of prompts: their number, first byte, and count of lines.

    Raises:
        SystemExit: The folder has the replies of other prompts.
    """
    chunks, at, digest = [], 0, hashlib.sha256()
    with prompts.open("rb") as file:
        for number, line in enumerate(file):
            if number % CHUNK == 0:
                chunks.append({"chunk": len(chunks), "offset": at, "count": 0})
            chunks[-1]["count"] += 1
            at += len(line)
            digest.update(line)
    replies.mkdir(parents=True, exist_ok=True)
    belongs = replies / "prompts.sha256"
    if belongs.exists() and belongs.read_text() != digest.hexdigest():
        raise SystemExit(f"{replies} has the replies of other prompts: name another folder.")
    belongs.write_text(digest.hexdigest())
    return chunks


class ChunkFile:
    """The replies of one chunk, one on a line."""

    def __init__(self, folder: Path, chunk: int) -> None:
        self._path = folder / f"{chunk:06}.jsonl"

    def read(self) -> dict[str, Any]:
        """Return the replies by their id, and cut off a line that a kill has left unfinished."""
        if not self._path.exists():
            return {}
        whole, _, rest = self._path.read_bytes().rpartition(b"\n")
        if rest:
            os.truncate(self._path, len(whole) + bool(whole))
        rows = [json.loads(line) for line in whole.splitlines()]
        return {row["id"]: row for row in rows if "reply" in row}

    def append(self, row: dict[str, Any]) -> None:
        """Write one reply, in one call, so that it is there or not."""
        with self._path.open("ab", buffering=0) as file:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


class Worker:
    """Asks the prompts of chunks; Ray makes one in each of its processes."""

    def __init__(self, space: str, prompts: str, replies: str, concurrency: int) -> None:
        self._prompts, self._replies = Path(prompts), Path(replies)
        self._places = asyncio.Semaphore(concurrency)
        # The client itself never runs a prompt twice; here one may run twice.
        self._model = ChatQwenSpace(space=space).with_retry(
            retry_if_exception_type=(TransportError, QueueFullError), stop_after_attempt=5
        )

    async def __call__(self, batch: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Yield the number of replies as they come. Ray calls this with one chunk at a time."""
        columns = batch["chunk"], batch["offset"], batch["count"]
        for chunk, offset, count in zip(*columns, strict=True):
            async for _ in self.ask(int(chunk), int(offset), int(count)):
                yield {"replies": [1]}

    async def ask(self, chunk: int, offset: int, count: int) -> AsyncIterator[dict[str, Any]]:
        """Ask the rest of a chunk, and yield each reply after it is written."""
        file = ChunkFile(self._replies, chunk)
        known = file.read()
        rows = [row for row in self._read(offset, count) if row["id"] not in known]
        for asked in asyncio.as_completed([self._reply(row) for row in rows]):
            reply = await asked
            file.append(reply)
            yield reply

    def _read(self, offset: int, count: int) -> Iterator[Any]:
        with self._prompts.open("rb") as file:
            file.seek(offset)
            for _ in range(count):
                yield json.loads(file.readline())

    async def _reply(self, row: dict[str, Any]) -> dict[str, Any]:
        async with self._places:
            try:
                reply = await self._model.ainvoke(row["prompt"])
            except Exception as exc:  # of this prompt alone: the next run asks it again
                return {"id": row["id"], "error": f"{type(exc).__name__}: {exc}"}
        return {"id": row["id"], "reply": reply.text}


def with_ray(
    chunks: list[dict[str, int]], options: argparse.Namespace, update: Callable[[int], None]
) -> None:
    """Ask the chunks in Ray's processes."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    # An address makes it join a cluster, whose machines share the two folders.
    ray.init(address=options.ray_address, include_dashboard=False, log_to_driver=False)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # ours counts prompts
    arguments = (options.space, str(options.prompts), str(options.replies), options.concurrency)
    asked = ray.data.from_items(chunks, override_num_blocks=min(len(chunks), 1000)).map_batches(
        Worker,
        fn_constructor_args=arguments,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=options.workers),
        num_cpus=options.cpus,
    )
    for batch in asked.iter_batches(batch_size=None):
        update(len(batch["replies"]))


def in_one_process(
    chunks: list[dict[str, int]], options: argparse.Namespace, update: Callable[[int], None]
) -> None:
    """Ask the chunks in this process, four at a time, so that none waits for another's last."""
    waiting = iter(chunks)

    async def ask(worker: Worker) -> None:
        for chunk in waiting:
            async for _ in worker.ask(**chunk):
                update(1)

    async def ask_all() -> None:
        paths = str(options.prompts), str(options.replies)
        worker = Worker(options.space, *paths, options.concurrency)
        await asyncio.gather(*(ask(worker) for _ in range(4)))

    asyncio.run(ask_all())


def main() -> None:
    """Ask the rest, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prompts", type=Path)
    parser.add_argument("replies", type=Path, help="a folder")
    parser.add_argument("--space", default="http://127.0.0.1:7860")
    parser.add_argument("--workers", type=int, default=2, help="processes; 0 is this one alone")
    parser.add_argument("--concurrency", type=int, default=16, help="replies at once, of a worker")
    parser.add_argument("--cpus", type=float, default=1.0, help="of a worker, for Ray's planning")
    parser.add_argument("--ray-address", help="of a running cluster; a local one if missing")
    options = parser.parse_args()
    options.prompts, options.replies = options.prompts.absolute(), options.replies.absolute()
    chunks = plan(options.prompts, options.replies)
    done = sum(len(ChunkFile(options.replies, each["chunk"]).read()) for each in chunks)
    total = sum(each["count"] for each in chunks)
    run = with_ray if options.workers else in_one_process
    with tqdm(total=total, initial=done, unit="prompt", smoothing=0.1) as bar:
        run(chunks, options, bar.update)
    files = (ChunkFile(options.replies, each["chunk"]).read() for each in chunks)
    left = total - sum(map(len, files))
    print(f"{total - left} of {total} prompts have a reply" + (f"; {left} failed" if left else ""))


if __name__ == "__main__":
    main()
