from __future__ import annotations

import threading

import pytest

from qwen_space.cli import waiting as module
from qwen_space.cli.waiting import waiting


def have_ended(threads: set[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(20)
    return not any(thread.is_alive() for thread in threads)


def test_a_wait_is_named_at_once_and_again_until_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_INTERVAL", 0.01)
    said: list[str] = []
    twice = threading.Event()
    before = set(threading.enumerate())

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 3:
            twice.set()

    with waiting("Godot", say) as end:
        assert said[0] == "Wait      for Godot"
        assert twice.wait(20)
        end()
        assert have_ended(set(threading.enumerate()) - before)

    assert said[1].endswith("s so far for Godot")


def test_a_wait_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_INTERVAL", 0.01)
    said: list[str] = []
    before = set(threading.enumerate())

    with pytest.raises(ValueError, match="late"), waiting("Godot", said.append):
        raise ValueError("late")

    assert have_ended(set(threading.enumerate()) - before)
