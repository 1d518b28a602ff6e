"""What one call may ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict

__all__ = ["CallOptions", "check_options"]


class CallOptions(TypedDict, total=False):
    """What one call may ask for, on top of what the client was made with.

    Attributes:
        model: In place of the client's model.
        stop: Texts, or one, before the first of which the reply ends.
        inputs: Values for further inputs of the app, by parameter name or label.
        sampling: `temperature`, `top_p` and `max_tokens`, where the app has inputs for them.
    """

    model: str | None
    stop: str | Sequence[str]
    inputs: Mapping[str, Any] | None
    sampling: Mapping[str, float] | None


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what a call cannot ask for.

    Raises:
        ValueError: An option is of another type.
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
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise ValueError(f"{name}={value!r:.200} is no number.")


def _are_texts(value: Any) -> bool:
    is_list = isinstance(value, Collection) and not isinstance(value, Mapping)
    return is_list and all(isinstance(each, str) for each in value)
