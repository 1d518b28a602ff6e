"""The order of the sources of a model, and an error that names each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qwen_space.local import WeightsError, find_weights
from qwen_space.local.weights import find
from qwen_space.local.weights.catalogue import QWEN_CODER_1_5B, QWEN_HALF_B, SMOLLM2, Unavailable


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Path]:
    """The sources' files, by the model's name; a test fills it."""
    has: dict[str, Path] = {}

    def give(wanted: Any, *_: object, **__: object) -> Path:
        try:
            return has[str(wanted)]
        except KeyError:
            raise Unavailable("it is away") from None

    monkeypatch.setenv("QWEN_SPACE_CACHE", str(tmp_path))
    monkeypatch.setattr(find, "from_hub", give)
    monkeypatch.setattr(find, "from_index", give)
    monkeypatch.setattr(find, "from_hub_cache", lambda wanted, _: has.get(f"cached {wanted}"))
    return has


HALF, CODER, SMALL = str(QWEN_HALF_B), str(QWEN_CODER_1_5B), str(SMOLLM2)


@pytest.mark.parametrize(
    ("there", "small", "taken"),
    [
        pytest.param([f"cached {HALF}", HALF, CODER], False, f"cached {HALF}", id="cache"),
        pytest.param([HALF, CODER, SMALL], False, HALF, id="hub"),
        pytest.param([CODER, SMALL], False, CODER, id="index"),
        pytest.param([SMALL], False, SMALL, id="last-resort"),
        pytest.param([f"cached {HALF}", HALF, CODER, SMALL], True, SMALL, id="small"),
    ],
)
def test_the_first_that_can_be_had_is_taken(
    sources: dict[str, Path], there: list[str], small: bool, taken: str
) -> None:
    sources.update({name: Path(name) for name in there})

    assert find_weights(small=small, say=lambda _: None) == Path(taken)


def test_each_failure_is_one_line_and_the_error_lists_all(
    sources: dict[str, Path], said: list[str]
) -> None:
    with pytest.raises(WeightsError) as caught:
        find_weights(say=said.append)

    assert [line.rpartition(": ")[0] for line in said] == [
        "Not available: Qwen/Qwen2.5-0.5B-Instruct-GGUF on the Hugging Face hub",
        "Not available: Qwen2.5-Coder-1.5B-Instruct (Q4_K_M) from the package index",
    ]
    assert [reason for _, reason in caught.value.tried] == ["it is away"] * 3
    assert "SmolLM2-135M-Instruct (Q4_1) from the package index: it is away" in str(caught.value)
    assert "--model PATH" in str(caught.value)
    assert "--base-url URL" in str(caught.value)


def test_a_path_is_taken_as_it_is(sources: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "any.gguf"
    path.write_bytes(b"")

    assert find_weights(str(path)) == path


@pytest.mark.parametrize("model", ["owner/repo", "owner/repo:file.gguf"])
def test_a_hub_id_is_asked_for(sources: dict[str, Path], model: str) -> None:
    sources[model] = Path("found")

    assert find_weights(model) == Path("found")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("folder/none.gguf", "no such file"),
        ("/nowhere/none.gguf", "no such file"),
        ("nonsense", "no such file"),
        ("https://example.org/a.gguf", "no such file"),
        (".", "this is a folder"),
        ("owner/repo", "it is away"),
    ],
)
def test_a_named_model_that_is_missing_is_an_error_and_not_replaced(
    sources: dict[str, Path], model: str, reason: str
) -> None:
    sources[SMALL] = Path("other")

    with pytest.raises(WeightsError, match=reason):
        find_weights(model)
