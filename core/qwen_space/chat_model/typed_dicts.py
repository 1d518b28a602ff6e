"""`TypedDict`s as pydantic checks them."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Field
from typing_extensions import NotRequired, Required, TypedDict, get_type_hints, is_typeddict

__all__ = ["annotate"]


def annotate(hint: Any, known: dict[Any, Any] | None = None) -> Any:
    """Return a type with LangChain's annotations as pydantic's.

    `Annotated[str, ..., "Where."]` has a default and a description for LangChain, and nothing for
    pydantic, which also takes no `typing.TypedDict` before Python 3.12.

    Args:
        hint: The type.
        known: The `TypedDict`s that have been made, by those that they are made of.
    """
    known = {} if known is None else known
    if is_typeddict(hint):
        if hint not in known:
            known[hint] = hint  # as it is, where it holds itself
            known[hint] = _annotate_dict(hint, known)
        return known[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin in (None, Literal):
        return hint
    if origin is Annotated:
        inner, *rest = args
        described = [Field(description=each) if isinstance(each, str) else each for each in rest]
        kept = [each for each in described if each is not ... and each is not None]
        parts = (annotate(inner, known), *kept)
        return Annotated[parts] if kept else parts[0]
    plain = tuple(annotate(each, known) for each in args)
    if plain == args:
        return hint
    if origin in (Required, NotRequired):
        return origin[plain[0]]
    return Union[plain] if origin is types.UnionType else origin[plain]  # noqa: UP007 - a tuple


def _annotate_dict(kind: Any, known: dict[Any, Any]) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {}
    for name, hint in hints.items():
        fields[name] = annotate(hint, known)
        if not _has_qualifier(hint):
            is_required = name in kind.__required_keys__ and not _has_default(hint)
            fields[name] = (Required if is_required else NotRequired)[fields[name]]
    made: Any = TypedDict(kind.__name__, fields)  # type: ignore[misc] # of names that are not literal
    made.__doc__ = None if kind.__doc__ == dict.__doc__ else kind.__doc__
    made.__module__ = kind.__module__
    return made


def _has_qualifier(hint: Any) -> bool:
    """Whether a field says itself if it is required, which `__required_keys__` may not know."""
    inner = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return get_origin(inner) in (Required, NotRequired)


def _has_default(hint: Any) -> bool:
    return get_origin(hint) is Annotated and len(get_args(hint)) > 2 and get_args(hint)[1] is None
