"""Ask a Space about each row of a CSV file, with a progress bar, and go on where a run has stopped.

    pip install qwen-space tqdm
    python examples/csv_batch.py in.csv out.csv "Translate into French: {text}"

The template's fields are the columns. Each row goes to `out.csv` as soon as it has its reply, with
the columns `reply` and `error` beside its own. Run the same command again after Ctrl-C, a crash, or
errors: only rows without a reply are asked. For more than one machine, see `batches.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from qwen_space import QwenSpaceError, Space

Row = dict[str, str]
NUMBER = "row"  # the column of a row's number in the input


def read_answered(path: Path) -> dict[str, Row]:
    """Return the rows that have a reply, by their number; a row cut off by a crash is left out."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if None not in row.values()]
    return {row[NUMBER]: row for row in rows if row.get(NUMBER) and not row["error"]}


def write_answered(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write the rows that have a reply, in one step: no crash leaves less than there was."""
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)


async def ask(space: Space, template: str, row: Row) -> Row:
    """Return the row with its reply, or with the sentence of its error."""
    try:
        reply = await space.acomplete(template.format_map(row))
    except (QwenSpaceError, ValueError) as exc:
        return {**row, "reply": "", "error": str(exc)}
    return {**row, "reply": reply.text, "error": ""}


async def ask_all(
    space: Space, template: str, rows: Sequence[Row], at_once: int
) -> AsyncIterator[Row]:
    """Yield the rows with their replies, as they come."""
    free = asyncio.Semaphore(at_once)

    async def one(row: Row) -> Row:
        async with free:
            return await ask(space, template, row)

    for done in asyncio.as_completed([one(row) for row in rows]):
        yield await done


async def run(options: argparse.Namespace) -> int:
    """Ask for the missing answers; return how many rows have an error."""
    with options.input.open(newline="", encoding="utf-8") as file:
        rows = [{NUMBER: str(at), **row} for at, row in enumerate(csv.DictReader(file), 1)]
    if not rows:
        return 0
    answered = read_answered(options.output)
    missing = [row for row in rows if row[NUMBER] not in answered]
    columns = [*rows[0], "reply", "error"]
    write_answered(options.output, columns, answered.values())
    failed = 0
    with (
        options.output.open("a", newline="", encoding="utf-8") as file,
        tqdm(total=len(rows), initial=len(answered), unit="row") as bar,
    ):
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        async for row in ask_all(options.space, options.template, missing, options.at_once):
            writer.writerow(row)
            file.flush()
            failed += bool(row["error"])
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()
    return failed


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status, which is 1 if a row has an error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("template", help='such as "Translate into French: {text}"')
    parser.add_argument("--at-once", type=int, default=4, help="(default: %(default)s)")
    parser.add_argument(
        "--space",
        type=Space,
        default=os.environ.get("QWEN_SPACE_URL") or "Qwen/Qwen2.5",
        help="owner/name, or an address (default: QWEN_SPACE_URL)",
    )
    failed = asyncio.run(run(parser.parse_args(arguments)))
    if failed:
        print(f"Rows with an error: {failed}. Run the same command again to ask for them.")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
