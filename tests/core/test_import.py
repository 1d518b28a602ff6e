from __future__ import annotations

import subprocess
import sys

import pytest

import qwen_space

HEAVY = ["aiohttp", "gradio", "langchain_core", "llama_index", "pydantic", "rich", "openai"]


def modules_after(script: str) -> set[str]:
    script += "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "script",
    [
        "import qwen_space",
        "import qwen_space.chat_model.space",
        "import qwen_space.provider",
        "from qwen_space import SpaceConfig; SpaceConfig()",
    ],
)
def test_importing_is_cheap(script: str) -> None:
    assert modules_after(script).isdisjoint(HEAVY)


@pytest.mark.parametrize(
    ("script", "unneeded"),
    [
        ("import qwen_space", {"msgspec", "mimetypes", "html.entities", "difflib"}),
        ("import qwen_space.chat_model.call", {"mimetypes", "html.entities", "difflib"}),
    ],
)
def test_an_import_brings_nothing_that_only_a_call_needs(script: str, unneeded: set[str]) -> None:
    assert modules_after(script).isdisjoint(unneeded)


def test_the_client_needs_nothing_but_aiohttp() -> None:
    loaded = modules_after("from qwen_space import SpaceClient")

    assert loaded & set(HEAVY) == {"aiohttp"}


PURE = ["chat.prompt", "chat.structured", "gradio.job", "gradio.page.discovery", "tools"]


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_load_no_io(module: str) -> None:
    loaded = modules_after(f"import qwen_space.{module}")

    assert loaded.isdisjoint({"asyncio", "socket", "aiohttp", "random", "ssl"})


def test_public_names_exist_and_are_sorted() -> None:
    assert qwen_space.__all__ == sorted(qwen_space.__all__)
    assert all(hasattr(qwen_space, name) for name in qwen_space.__all__)
    assert set(qwen_space.__all__) <= set(dir(qwen_space))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = qwen_space.nope
