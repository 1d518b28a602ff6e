"""Copies of pydantic's models, made without its checks. It needs no pydantic itself."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Generic, TypeVar

__all__ = ["FastCopy"]

Model = TypeVar("Model")


class FastCopy(Generic[Model]):
    """Makes copies of a model with other fields, which are taken as they are.

    pydantic's checks would be most of a token's cost in a framework, and find nothing. The copies
    are smaller than pydantic's own, too: the names of their fields are in one place for all of
    them, where Python looks for those of a class's instances.

    They are made through slots that pydantic does not document. So the first copy is compared
    with one by `model_copy`; if it differs, or a slot is not there, `model_copy` makes them all.

    Args:
        model: An instance of a subclass of `pydantic.BaseModel`. Fields that are an empty list or
            dictionary in it are new ones in each copy, and private attributes are copied; all
            else is shared. Fields that are given to a copy have to be set in it already.
    """

    def __init__(self, model: Model) -> None:
        self._model: Any = model  # no base class is known here
        self._class = model.__class__
        self._make = self._class.__new__
        self._fields = vars(model).copy()
        self._bare = tuple(
            (name, type(value)) for name, value in self._fields.items() if value in ([], {})
        )
        self._copy = self._compared

    def copy(self, **fields: Any) -> Model:
        """Return a copy with other fields."""
        return self._copy(fields)

    def _compared(self, fields: dict[str, Any]) -> Model:
        """Make the first copy in both ways, and choose the way of the others."""
        documented = self._documented(fields)
        try:
            self._read_slots()
            is_equal = _state(self._by_slots(fields)) == _state(documented)
        except (AttributeError, StopIteration, TypeError):
            is_equal = False
        self._copy = self._by_slots if is_equal else self._documented
        return documented

    def _documented(self, fields: dict[str, Any]) -> Model:
        copy: Model = self._model.model_copy(update=fields)
        bare = {name: container() for name, container in self._bare if name not in fields}
        vars(copy).update(bare)
        if self._model.__pydantic_private__ is not None:
            private = deepcopy(self._model.__pydantic_private__)
            object.__setattr__(copy, "__pydantic_private__", private)
        return copy

    def _read_slots(self) -> None:
        slots = next(
            vars(base) for base in self._class.__mro__ if "__pydantic_fields_set__" in vars(base)
        )
        # By its slots, as pydantic would check again where an attribute is set.
        self._put_fields = slots["__dict__"].__set__
        self._put_set = slots["__pydantic_fields_set__"].__set__
        self._put_extra = slots["__pydantic_extra__"].__set__
        self._put_private = slots["__pydantic_private__"].__set__
        shared = self._make(self._class)
        for name, value in self._fields.items():
            object.__setattr__(shared, name, value)
        self._fields = vars(shared)  # a dictionary that shares its keys
        self._set: set[str] = self._model.__pydantic_fields_set__
        self._extra: dict[str, Any] | None = self._model.__pydantic_extra__
        self._private: dict[str, Any] | None = self._model.__pydantic_private__

    def _by_slots(self, fields: dict[str, Any]) -> Model:
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


def _state(model: Any) -> tuple[Any, ...]:
    """Return all that makes up a model, for a comparison."""
    return (
        model.__class__,
        vars(model),
        model.__pydantic_fields_set__,
        model.__pydantic_extra__,
        model.__pydantic_private__,
    )
