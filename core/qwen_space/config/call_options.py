"""The options of one call."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, TypedDict, get_args

__all__ = ["CallOptions", "History", "check_headers", "check_options"]

History = Literal["auto", "split", "native"]
"""How earlier turns reach an app."""

_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class CallOptions(TypedDict, total=False):
    """The options of one call, on top of the client's own.

    Attributes:
        model: In place of the client's model.
        stop: Texts, or one, before the first of which the reply ends.
        inputs: Values for further inputs of the app, by parameter name or label.
        sampling: `temperature`, `top_p` and `max_tokens`, on top of the client's.
        headers: Headers of this call's requests to the Space, on top of the client's, such as the
            `X-IP-Token` of the visitor for whom it asks.
        history: In place of the client's history.
        timeout: Seconds for the first token, and for silence, of which 20 are waited at least; in
            place of those of the client's `timeouts`.
    """

    model: str | None
    stop: str | Sequence[str]
    inputs: Mapping[str, Any] | None
    sampling: Mapping[str, float] | None
    headers: Mapping[str, str] | None
    history: History | None
    timeout: float | None


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that a call cannot have.

    Raises:
        ValueError: An option has a wrong type or value.
    """
    stop, model = options.get("stop"), options.get("model")
    if stop is not None and not _are_texts(stop):
        raise ValueError(f"stop={stop!r:.200} is neither a text nor a list of texts.")
    if model is not None and not isinstance(model, str):
        raise ValueError(f"model={model!r:.200} is no text: give a model's name, or None.")
    for name in ("inputs", "sampling"):
        value = options.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise ValueError(f"{name}={value!r:.200} is no mapping: give a value for each name.")
    for name, value in (options.get("sampling") or {}).items():
        if not _is_number(value):
            raise ValueError(f"{name}={value!r:.200} is no number.")
    timeout = options.get("timeout")
    if timeout is not None and not (_is_number(timeout) and timeout > 0):
        raise ValueError(f"timeout={timeout!r:.200}: seconds above 0, or None.")
    check_headers(options.get("headers") or {})
    if (history := options.get("history")) is not None and history not in get_args(History):
        raise ValueError(f'history={history!r:.200}: "auto", "split" or "native".')


def check_headers(headers: Any) -> None:
    """Refuse headers that cannot be sent. Their values, which may be secret, are not shown.

    Raises:
        ValueError: They are no mapping of texts to texts, or one holds a control character.
    """
    if not isinstance(headers, Mapping):
        raise ValueError("headers must be a mapping of texts to texts.")
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers: {name!r:.200} is no name of a header.")
        if not isinstance(value, str) or _CONTROL.search(value):
            raise ValueError(f"headers: the value of {name!r} is no text in one line.")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    is_list = isinstance(value, Collection) and not isinstance(value, Mapping)
    return is_list and all(isinstance(each, str) for each in value)
