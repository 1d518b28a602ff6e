"""Copies of pydantic's models, made without its checks. It needs no pydantic itself."""

from __future__ import annotations

from collections.abc import Callable
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

    Attributes:
        copy: Returns a copy with other fields, which are given by their names.
    """

    def __init__(self, model: Model) -> None:
        self._model: Any = model  # no base class is known here
        bare = ((name, type(value)) for name, value in vars(model).items() if value in ([], {}))
        self._bare = tuple(bare)
        self.copy: Callable[..., Model] = self._compared

    def _compared(self, **fields: Any) -> Model:
        """Make the first copy in both ways, and choose the way of the others."""
        documented = self._documented(**fields)
        try:
            by_slots = self._make_by_slots()
            is_equal = _state(by_slots(**fields)) == _state(documented)
        except (AttributeError, StopIteration, TypeError):
            is_equal = False
        self.copy = by_slots if is_equal else self._documented
        return documented

    def _documented(self, **fields: Any) -> Model:
        copy: Model = self._model.model_copy(update=fields)
        bare = {name: container() for name, container in self._bare if name not in fields}
        vars(copy).update(bare)
        if self._model.__pydantic_private__ is not None:
            private = deepcopy(self._model.__pydantic_private__)
            object.__setattr__(copy, "__pydantic_private__", private)
        return copy

    def _make_by_slots(self) -> Callable[..., Model]:
        """Return a function that makes copies through the slots of `BaseModel`.

        A function of its own variables, as reading an attribute for each slot would take longer.
        """
        model, kind, bare = self._model, self._model.__class__, self._bare
        slots = next(vars(base) for base in kind.__mro__ if "__pydantic_fields_set__" in vars(base))
        # By its slots, as pydantic would check again where an attribute is set.
        put_fields = slots["__dict__"].__set__
        put_set = slots["__pydantic_fields_set__"].__set__
        put_extra = slots["__pydantic_extra__"].__set__
        put_private = slots["__pydantic_private__"].__set__
        make = kind.__new__
        shared = make(kind)
        for name, value in vars(model).items():
            object.__setattr__(shared, name, value)
        values = vars(shared)  # a dictionary that shares its keys
        names, extra = model.__pydantic_fields_set__, model.__pydantic_extra__
        private = model.__pydantic_private__

        def copy(**fields: Any) -> Model:
            made: Model = make(kind)
            every = values.copy()
            for name, container in bare:
                every[name] = container()
            every.update(fields)
            put_fields(made, every)
            put_set(made, names.copy())
            put_extra(made, None if extra is None else extra.copy())
            put_private(made, None if private is None else deepcopy(private))
            return made

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
