"""The arguments of a chat model's constructor, in every framework's adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from qwen_space.config import (
    SpaceConfig,
    default_hub,
    drop_entry_secrets,
    has_password,
    is_tls_context,
    make_config,
    shared_token,
)

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = [
    "SAMPLING",
    "build_config",
    "drop_none",
    "drop_secrets",
    "format_validation_error",
]

SAMPLING = ("temperature", "top_p", "max_tokens")

_FIELDS = tuple(field.name for field in fields(SpaceConfig) if field.name != "space")


def build_config(model: Any) -> SpaceConfig:
    """Return the configuration that a chat model's fields describe.

    Args:
        model: An object whose own attributes are the fields of `SpaceConfig`, with `temperature`,
            `top_p` and `max_tokens` beside them, and maybe `timeout`. `hf_token` may be
            pydantic's `SecretStr`.

    Raises:
        ValueError: A field cannot be right.
    """
    given = vars(model)
    values = {name: given[name] for name in _FIELDS if name in given}
    return make_config(
        model.space,
        **{
            **values,
            "hf_token": shared_token(model.space, _reveal(model.hf_token)),
            "timeouts": model.timeouts.within(getattr(model, "timeout", None)),
            "sampling": drop_none({name: getattr(model, name) for name in SAMPLING}),
            "hub": default_hub(),
        },
    )


def _reveal(token: Any) -> str | None:
    secret = getattr(token, "get_secret_value", None)
    text: str | None = token if secret is None else secret()
    return text


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


def format_validation_error(error: ValidationError) -> str:
    """Return pydantic's findings, field by field, without the input, which may hold a secret."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(_format_finding(each["loc"], each["msg"]) for each in found)


def _format_finding(place: Iterable[int | str], message: str) -> str:
    message = message.removeprefix("Value error, ")  # pydantic's words before our sentence
    field = ".".join(map(str, place))
    return f"{field}: {message}" if field else message
