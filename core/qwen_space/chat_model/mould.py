"""Copies of pydantic's models, made without its checks. It needs no pydantic itself."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Generic, TypeVar

__all__ = ["Mould"]

Model = TypeVar("Model")


class Mould(Generic[Model]):
    """Makes models that are like one, but for some fields, which are taken as they are.

    pydantic's checks would be most of what a token costs in a framework, and find nothing. The
    copies are smaller than what pydantic makes, too: the names of their fields are in one place
    for all of them, where Python looks for those of a class's instances.

    Args:
        model: An instance of a subclass of `pydantic.BaseModel`. Fields that are an empty list or
            dictionary in it are new ones in each copy, and private attributes are copied; all
            else is shared. Fields that are given to a copy have to be set in it already.
    """

    def __init__(self, model: Model) -> None:
        self._class = model.__class__
        self._make = self._class.__new__
        slots = next(
            vars(base) for base in self._class.__mro__ if "__pydantic_fields_set__" in vars(base)
        )
        # By its slots, as what pydantic does where an attribute is set would be a check again.
        self._put_fields = slots["__dict__"].__set__
        self._put_set = slots["__pydantic_fields_set__"].__set__
        self._put_extra = slots["__pydantic_extra__"].__set__
        self._put_private = slots["__pydantic_private__"].__set__
        shared = self._make(self._class)
        for name, value in vars(model).items():
            object.__setattr__(shared, name, value)
        given: Any = model  # of which no base class is known here
        self._fields = vars(shared)
        self._set: set[str] = given.__pydantic_fields_set__
        self._extra: dict[str, Any] | None = given.__pydantic_extra__
        self._private: dict[str, Any] | None = given.__pydantic_private__
        self._bare = tuple(
            (name, type(value)) for name, value in self._fields.items() if value in ([], {})
        )

    def copy(self, **fields: Any) -> Model:
        """Return a copy with other fields."""
        copy = self._make(self._class)
        every = self._fields.copy()
        for name, container in self._bare:
            every[name] = container()
        every.update(fields)
        self._put_fields(copy, every)
        self._put_set(copy, self._set.copy())
        self._put_extra(copy, None if self._extra is None else self._extra.copy())
        self._put_private(copy, None if self._private is None else deepcopy(self._private))
        return copy
