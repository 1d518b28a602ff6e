"""A Space of one's own: a real Gradio app on this machine, with a model behind it.

Importing this is cheap. Gradio and the engines are imported when a Space starts; a missing one
is a `MissingExtraError` then, with the remedy: `pip install "qwen-space[local]"`.
"""

from __future__ import annotations

from qwen_space.local.engines import engine_for
from qwen_space.local.engines.base import Engine, Finished, Sampling, Thinking
from qwen_space.local.engines.describing import describe_message
from qwen_space.local.engines.llama import LlamaEngine
from qwen_space.local.engines.ocr import OCREngine
from qwen_space.local.engines.openai import OpenAIEngine
from qwen_space.local.engines.scripted import ScriptedEngine
from qwen_space.local.engines.transformers import TransformersEngine
from qwen_space.local.errors import (
    ContextError,
    EngineError,
    LocalSpaceError,
    MissingExtraError,
    StartError,
    WeightsError,
)
from qwen_space.local.limits import Limits
from qwen_space.local.space import LocalSpace
from qwen_space.local.weights import find_weights

__all__ = [
    "ContextError",
    "Engine",
    "EngineError",
    "Finished",
    "Limits",
    "LlamaEngine",
    "LocalSpace",
    "LocalSpaceError",
    "MissingExtraError",
    "OCREngine",
    "OpenAIEngine",
    "Sampling",
    "ScriptedEngine",
    "StartError",
    "Thinking",
    "TransformersEngine",
    "WeightsError",
    "describe_message",
    "engine_for",
    "find_weights",
]
