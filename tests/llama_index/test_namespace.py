"""`llama_index.llms.qwen_space`, the name that LlamaIndex's own integrations have."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import llama_index

from llama_index_qwen_space import QwenSpace

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
NAMESPACE = "llama_index_qwen_space/namespace"


def test_the_familiar_import_gives_the_same_class() -> None:
    familiar = importlib.import_module("llama_index.llms.qwen_space")

    assert familiar.QwenSpace is QwenSpace
    assert familiar.__all__ == ["QwenSpace"]


def test_llama_index_stays_a_namespace_package() -> None:
    assert llama_index.__file__ is None
    assert importlib.import_module("llama_index.llms").__file__ is None
    assert importlib.import_module("llama_index.core").__file__ is not None


def test_its_source_has_one_module_and_no_package_above_it() -> None:
    sources = {
        str(path.relative_to(ROOT / NAMESPACE)) for path in ROOT.glob(f"{NAMESPACE}/**/*.py")
    }

    assert sources == {"llama_index/llms/qwen_space/__init__.py"}


def test_the_wheel_has_it_once_and_llamahub_is_told_the_name() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    wheel = tool["hatch"]["build"]["targets"]["wheel"]

    assert wheel["force-include"][f"{NAMESPACE}/llama_index"] == "llama_index"
    assert NAMESPACE in wheel["exclude"]
    assert tool["llamahub"]["import_path"] == "llama_index.llms.qwen_space"
    assert list(tool["llamahub"]["class_authors"]) == ["QwenSpace"]
