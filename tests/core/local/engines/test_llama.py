"""The settings that the engine of a file chooses by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_space.local.engines.llama import _quota


@pytest.mark.parametrize(
    ("text", "processors"),
    [
        pytest.param("200000 100000\n", 2, id="two"),
        pytest.param("150000 100000\n", 2, id="one-and-a-half"),
        pytest.param("50000 100000\n", 1, id="half"),
        pytest.param("max 100000\n", None, id="no-limit"),
        pytest.param("nonsense", None, id="nonsense"),
        pytest.param(None, None, id="no-container"),
    ],
)
def test_threads_fit_a_containers_share_of_the_processors(
    tmp_path: Path, text: str | None, processors: int | None
) -> None:
    if text is not None:
        (tmp_path / "cpu.max").write_text(text)

    assert _quota(tmp_path) == processors
