"""Schemas of objects that langchain-core cannot read, as ones that it can."""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from typing_extensions import NotRequired, Required, TypedDict, get_type_hints, is_typeddict

__all__ = ["readable"]

_TITLE = "answer"
_NAMES = frozenset({"title", "name", "function", "toolSpec"})
_QUALIFIERS = frozenset({Required, NotRequired})


def readable(schema: Any) -> Any:
    """Return a schema, or one that says the same and that langchain-core can convert.

    It wants a title of a JSON schema, and knows neither `NotRequired` nor `total=False`.

    Raises:
        ValueError: It is the schema of something else than an object.
    """
    if isinstance(schema, Mapping):
        kind = schema.get("type", "object")
        if kind not in {"object", "function"}:  # langchain-core would make an empty object of it
            raise _no_object(f"A schema of type {kind!r}")
        has_name = _NAMES & schema.keys()
        return schema if has_name else {"title": _TITLE, "type": "object", **schema}
    if isinstance(schema, type) and issubclass(schema, enum.Enum):
        raise _no_object(f"The enumeration {schema.__name__}")
    return _plain(schema, {}) if is_typeddict(schema) else schema


def _no_object(what: str) -> ValueError:
    return ValueError(f"{what} cannot be asked for: give an object that has it as a property.")


def _plain(hint: Any, known: dict[Any, Any]) -> Any:
    """Return a type without what langchain-core does not know, in the types that it holds too.

    Args:
        hint: The type.
        known: What has come of each `TypedDict`; one that is not ready yet is left as it is.
    """
    if is_typeddict(hint):
        if hint not in known:
            known[hint] = hint
            known[hint] = _plain_dict(hint, known)
        return known[hint]
    origin, held = get_origin(hint), get_args(hint)
    if origin in _QUALIFIERS:
        return _plain(held[0], known)
    if origin is Annotated:
        return _annotated(_plain(held[0], known), *held[1:])
    if origin in {None, Literal}:
        return hint
    plain = tuple(_plain(each, known) for each in held)
    if plain == held:
        return hint
    return Union[plain] if origin is types.UnionType else origin[plain]  # noqa: UP007 - a tuple


def _plain_dict(kind: Any, known: dict[Any, Any]) -> Any:
    try:
        hints = get_type_hints(kind, include_extras=True)
    except NameError:  # of a type that is known only where it is made; langchain-core says so
        return kind
    plain = {name: _plain(hint, known) for name, hint in hints.items()}
    for name, hint in hints.items():
        if _may_be_absent(hint, default=name in kind.__optional_keys__):
            plain[name] = _with_default(plain[name])
    if plain == hints:
        return kind
    made: Any = TypedDict(kind.__name__, plain)  # type: ignore[misc] # of names that are not literal
    made.__doc__ = kind.__doc__
    return made


def _may_be_absent(hint: Any, *, default: bool) -> bool:
    """Whether a key may; `__optional_keys__` does not see what is in an annotation of text."""
    origin = get_origin(hint)
    if origin is Annotated:
        return _may_be_absent(get_args(hint)[0], default=default)
    return origin is NotRequired if origin in _QUALIFIERS else default


def _with_default(hint: Any) -> Any:
    """Return how langchain-core writes down that a key may be left out."""
    inner, *said = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    return _annotated(inner, None, *said[1:])


def _annotated(*parts: Any) -> Any:
    return Annotated[parts]
