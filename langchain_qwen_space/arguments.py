"""The constructor's arguments: their names, and what the core makes of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices

from qwen_space.config import SpaceConfig, Timeouts, default_hub, has_password, space_url, token_for

if TYPE_CHECKING:
    from langchain_qwen_space.chat_models import ChatQwenSpace

__all__ = ["SAMPLING", "argument_names", "config_of", "given", "without_secrets"]

SAMPLING = ("temperature", "top_p", "max_tokens")

_HEARTBEAT = 20.0  # seconds; while a job waits, Gradio's server gives a sign of life every 15


@functools.cache
def argument_names(cls: type[ChatQwenSpace]) -> list[str]:
    """Return the constructor's arguments, with those that go by several names under each."""
    names: dict[str, None] = {}
    for name, field in cls.model_fields.items():
        names[name] = None
        if isinstance(field.validation_alias, AliasChoices):
            names.update((str(each), None) for each in field.validation_alias.choices)
        elif field.alias:
            names[field.alias] = None
    return list(names)


def config_of(model: ChatQwenSpace) -> SpaceConfig:
    """Return how a model reaches and uses its Space.

    Raises:
        ValueError: An argument cannot be right.
    """
    return SpaceConfig(
        space=model.space,
        model=model.model,
        hf_token=_token(model),
        proxy=model.proxy,
        timeouts=_timeouts(model),
        max_retries=model.max_retries,
        system_prompt=model.system_prompt,
        history=model.history,
        endpoint=model.endpoint,
        inputs=model.inputs,
        sampling=given({name: getattr(model, name) for name in SAMPLING}),
        headers=model.headers,
        hub=default_hub(),
        max_size=model.max_size,
        max_queue=model.max_queue,
    )


def _token(model: ChatQwenSpace) -> str | None:
    token = None if model.hf_token is None else model.hf_token.get_secret_value()
    return token_for(space_url(model.space), token)


def _timeouts(model: ChatQwenSpace) -> Timeouts:
    if model.timeout is None:
        return model.timeouts
    silence = max(model.timeout, _HEARTBEAT)
    return replace(model.timeouts, first_token=model.timeout, silence=silence)


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def without_secrets(state: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a model's state as it is pickled: the secrets are to be given again."""
    fields, private = state["__dict__"], state["__pydantic_private__"] or {}
    proxy = None if has_password(fields["proxy"]) else fields["proxy"]
    left: dict[str, Any] = {"hf_token": None, "headers": {}, "proxy": proxy}
    return {
        **state,
        "__dict__": {**fields, **left},
        "__pydantic_fields_set__": state["__pydantic_fields_set__"] - {"hf_token"},
        "__pydantic_private__": {**private, "_space": None},
    }
