"""The notebooks run from top to bottom, and their outputs are those that they show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.replies import reply

if TYPE_CHECKING:
    from conftest import ScriptedSpace

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.timeout(600),  # a kernel imports both frameworks, which is slow on a busy machine
    pytest.mark.filterwarnings("default"),  # those of the kernel's own sockets among them
]

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"


def outputs_of(book: Any) -> list[str]:
    return ["".join(map(_text, cell.get("outputs", ()))) for cell in book.cells]


def _text(output: Any) -> str:
    return str(output.get("text") or output["data"]["text/plain"])


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_and_gives_its_outputs(
    path: Path,
    space: ScriptedSpace,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("QWEN_SPACE_URL", space.url)
    space.engine.reply = reply
    book = nbformat.read(path, as_version=4)
    shown = outputs_of(book)

    NotebookClient(book, timeout=100, record_timing=False, coalesce_streams=True).execute()
    for cell in book.cells:
        seen = [each for each in cell.get("outputs", ()) if each.get("name") != "stderr"]
        cell.update({"outputs": seen} if "outputs" in cell else {})
    book.metadata.get("language_info", {}).pop("version", None)

    if pytestconfig.getoption("--rewrite-outputs"):
        nbformat.write(book, path)
        return
    assert outputs_of(book) == shown
    assert any(shown)
