from __future__ import annotations

import os
from pathlib import Path

import pytest

from qwen_space.cli.named_pictures import find_pictures

CASES = [
    pytest.param("{}/a.png", "{}/a.png", "a.png", id="alone"),
    pytest.param("'{}/my cat.PNG' and you?", "'{}/my cat.PNG'", "my cat.PNG", id="quotes"),
    pytest.param(
        "{}/my\\ cat.PNG ",
        "{}/my\\ cat.PNG",
        "my cat.PNG",
        id="backslash",
        marks=pytest.mark.skipif(os.sep == "\\", reason="a backslash separates folders on Windows"),
    ),
    pytest.param("Hear {}/b.wav, please", "{}/b.wav", "b.wav", id="sound"),
    pytest.param("Is it ({}/a.png)?", "", "", id="in brackets"),
    pytest.param("What is {}/none.png", "", "", id="not there"),
    pytest.param("What is {}/text.txt", "", "", id="text"),
    pytest.param("What is a.png", "", "", id="name"),
    pytest.param("What is https://x.org{}/a.png", "", "", id="address"),
    pytest.param("Somebody wrote:\n{}/a.png", "", "", id="lines"),
    pytest.param("It's {}/a.png", "{}/a.png", "a.png", id="apostrophe"),
]


@pytest.mark.parametrize(("prompt", "word", "name"), CASES)
def test_pictures_that_a_prompt_names(tmp_path: Path, prompt: str, word: str, name: str) -> None:
    for each in ("a.png", "my cat.PNG", "b.wav", "text.txt"):
        (tmp_path / each).touch()
    here = tmp_path.as_posix()

    found = find_pictures(prompt.format(here))

    assert found == ({word.format(here): tmp_path / name} if name else {})
