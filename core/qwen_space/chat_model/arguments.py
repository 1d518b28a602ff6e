"""The arguments of a chat model's constructor, in every framework's adapter."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from qwen_space.config import (
    SpaceConfig,
    Timeouts,
    default_hub,
    has_password,
    is_tls_context,
)
from qwen_space.spaces import drop_entry_secrets, make_config, shared_token

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = [
    "SAMPLING",
    "build_config",
    "drop_none",
    "drop_secrets",
    "find_remedies",
    "format_validation_error",
    "rename",
    "resolve_names",
]

SAMPLING = ("temperature", "top_p", "max_tokens")

_HEARTBEAT = 20.0  # seconds; while a job waits, Gradio's server gives a sign of life every 15


def build_config(model: Any) -> SpaceConfig:
    """Return the configuration that a chat model's fields describe.

    Args:
        model: An object with the fields of `SpaceConfig` as attributes, `temperature`, `top_p`
            and `max_tokens` beside them, and maybe `timeout`. `hf_token` may be pydantic's
            `SecretStr`.

    Raises:
        ValueError: A field cannot be right.
    """
    names = (field.name for field in fields(SpaceConfig) if field.name != "space")
    values = {name: getattr(model, name) for name in names if hasattr(model, name)}
    return make_config(
        model.space,
        **{
            **values,
            "hf_token": shared_token(model.space, _reveal(model.hf_token)),
            "timeouts": _apply_timeout(model.timeouts, getattr(model, "timeout", None)),
            "sampling": drop_none({name: getattr(model, name) for name in SAMPLING}),
            "hub": default_hub(),
        },
    )


def _reveal(token: Any) -> str | None:
    secret = getattr(token, "get_secret_value", None)
    text: str | None = token if secret is None else secret()
    return text


def _apply_timeout(timeouts: Timeouts, timeout: float | None) -> Timeouts:
    """Return limits with one for the first token, and for silence where heartbeats allow it."""
    if timeout is None:
        return timeouts
    return replace(timeouts, first_token=timeout, silence=max(timeout, _HEARTBEAT))


def drop_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def drop_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's fields as they are pickled: without tokens, headers and passwords.

    An `ssl.SSLContext` cannot be pickled, and so certificates are checked by the system's again.
    """
    proxy = None if has_password(values["proxy"]) else values["proxy"]
    verify = True if is_tls_context(values["verify"]) else values["verify"]
    left: dict[str, Any] = {"hf_token": None, "auth": None, "headers": {}}
    space = drop_entry_secrets(values["space"])
    return {**values, **left, "proxy": proxy, "verify": verify, "space": space}


def resolve_names(owner: str, given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Return a constructor's arguments under their own names.

    Args:
        owner: The class's name.
        given: The arguments, maybe by the names that other models have for them.
        known: The names of the class's arguments.

    Raises:
        ValueError: There is no such argument, and the error names the one to give instead; or
            it is given twice.
    """
    names = list(known)
    resolved: dict[str, Any] = {}
    for name, value in given.items():
        meant = name if name in names else _ALIASES.get(name, name)
        if meant not in names:
            raise ValueError(f"{owner} has no argument {name!r}. {_hint(name, names)}")
        if meant in resolved:
            raise ValueError(f"{name!r} is {meant!r}, which is given twice: leave one out.")
        resolved[meant] = value
    return resolved


def _hint(name: str, names: list[str]) -> str:
    if name in _REMEDIES:
        return _REMEDIES[name]
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(names)}."


_ALIASES = {
    "api_base": "space",
    "api_key": "hf_token",
    "base_url": "space",
    "default_headers": "headers",
    "max_completion_tokens": "max_tokens",
    "max_new_tokens": "max_tokens",
    "model_name": "model",
    "num_ctx": "context_window",
    "num_predict": "max_tokens",
    "request_timeout": "timeout",
    "stop_sequences": "stop",
    "token": "hf_token",
}
"""Names that other models have, and ours."""

_INPUT = 'It goes to an input of the app, if that has one: inputs={{"{0}": ...}}.'
_FURTHER = "Values for the app's further inputs are given as inputs={...}."
_JSON = 'Give response_format={"type": "json_object"} with the call.'
_REMEDIES = {
    **{
        name: _INPUT.format(name)
        for name in (
            *("seed", "top_k", "min_p", "typical_p", "repetition_penalty"),
            *("frequency_penalty", "presence_penalty", "repeat_penalty"),
        )
    },
    **dict.fromkeys(["additional_kwargs", "model_kwargs", "extra_body"], _FURTHER),
    **dict.fromkeys(["json_mode", "response_format", "format"], _JSON),
    "context_window": "The app decides how much its model reads; `profile` says what is known.",
    "num_ctx": "The app decides how much its model reads; `profile` says what is known.",
    "tokenizer": "Tokens are counted with Qwen's vocabulary: install the extra `tokens`.",
}
"""What to do about names of other models for which there is no argument."""


def format_validation_error(error: ValidationError) -> str:
    """Return pydantic's findings, field by field, without the input, which may hold a secret."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(_format_finding(each["loc"], each["msg"]) for each in found)


def _format_finding(place: Iterable[int | str], message: str) -> str:
    message = message.removeprefix("Value error, ")  # pydantic's words before our sentence
    field = ".".join(map(str, place))
    return f"{field}: {message}" if field else message


def rename(given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Return a call's keyword arguments, those by other models' names under ours.

    Args:
        given: The arguments.
        known: The names that a call takes; ours win where both are given.
    """
    names = set(known)
    renamed = {name: _ALIASES.get(name, name) for name in given}
    ours = {name for name in given if renamed[name] not in names or renamed[name] in given}
    return {name if name in ours else renamed[name]: value for name, value in given.items()}


def find_remedies(names: Iterable[str]) -> list[str]:
    """Return the sentences on names of other models for which there is no argument."""
    return sorted({_REMEDIES[name] for name in names if name in _REMEDIES})
