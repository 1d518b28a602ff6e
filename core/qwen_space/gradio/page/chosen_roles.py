"""Finds the inputs whose role the caller gives, by label, parameter or position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qwen_space.errors import EndpointError
from qwen_space.gradio.page.app import AppComponent
from qwen_space.gradio.page.endpoint import Role, bare_name

__all__ = ["choose_roles"]


def choose_roles(
    wanted: Mapping[Any, Role | None],
    components: Sequence[AppComponent],
    parameters: Mapping[Any, Sequence[str]],
) -> tuple[dict[Any, Role | None], tuple[Any, ...]]:
    """Return the roles that the caller gave, by component, and the names of no input.

    Raises:
        EndpointError: Several inputs have a name.
    """
    if not wanted:
        return {}, ()
    named: dict[str, dict[Any, None]] = {}
    for each in components:
        for name in (each.label, *parameters.get(each.id, ())):
            if name and bare_name(name):
                named.setdefault(bare_name(name), {})[each.id] = None
    chosen: dict[Any, Role | None] = {}
    missing = []
    for name, role in wanted.items():
        found = list(named.get(bare_name(str(name)), ()))
        position = str(name)
        if not found and position.isdecimal() and int(position[:6]) < len(components):
            found = [components[int(position[:6])].id]
        if len(found) > 1:
            places = [str(at) for at, each in enumerate(components) if each.id in found]
            raise EndpointError(
                f"roles: {len(found)} inputs are called {name!r}; "
                f"give a position instead: {', '.join(places)}."
            )
        if found:
            chosen[found[0]] = role
        else:
            missing.append(name)
    return chosen, tuple(missing)
