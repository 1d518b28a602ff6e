"""A model's abilities, as LangChain asks for them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import ModelProfile

from qwen_space.config import SpaceLike
from qwen_space.tokens.limits import Limits, get_full_name, get_limits

__all__ = ["find_limits", "make_profile"]


def make_profile(
    name: str, limits: Limits | None, media: frozenset[str] = frozenset()
) -> ModelProfile:
    """Return a model's profile.

    Structured output is not in it: nothing but the prompt asks for that. Where it is, LangChain's
    agents rely on the provider for it.

    Args:
        name: The model's full name.
        limits: Its limits, if they are known.
        media: The kinds of media that the app takes: "image", "audio", "video", "file".
    """
    return _make_profile(name, limits, media).copy()


@functools.lru_cache(maxsize=128)  # each model object asks for it when it is made
def _make_profile(name: str, limits: Limits | None, media: frozenset[str]) -> ModelProfile:
    profile = ModelProfile(
        name=name,
        text_inputs=True,
        image_inputs="image" in media,
        image_url_inputs="image" in media,
        pdf_inputs="file" in media,
        audio_inputs="audio" in media,
        video_inputs="video" in media,
        image_tool_message="image" in media,
        pdf_tool_message="file" in media,
        text_outputs=True,
        image_outputs=False,
        audio_outputs=False,
        video_outputs=False,
        tool_calling=True,
        tool_choice=True,
        tool_call_streaming=True,
        structured_output=False,
    )
    if limits is not None:
        profile["max_input_tokens"] = limits.max_input
        profile["max_output_tokens"] = limits.max_output
    return profile


def find_limits(profile: Mapping[str, Any] | None, model: str, space: SpaceLike) -> Limits | None:
    """Return how much a model takes, if that is known or a profile of it says so."""
    profile = profile or {}
    name = get_full_name(model, space)
    most = profile.get("max_input_tokens")
    if most is None or profile.get("name", name) != name:
        return get_limits(model, space)
    return Limits(name, most, most, profile.get("max_output_tokens", 0))
