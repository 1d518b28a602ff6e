"""A progress bar for downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["bar", "megabytes"]


def megabytes(size: int) -> str:
    """Format a number of bytes, such as `98 MB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


@contextmanager
def bar(total: int, done: int = 0, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances the bar by a number of bytes.

    Without rich there is no bar.
    """
    try:
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
    except ImportError:
        shown = False
    if not shown:
        yield lambda _: None
        return
    from rich.console import Console

    columns = BarColumn(None), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total, completed=done)
        yield lambda count: progress.advance(task, count)
