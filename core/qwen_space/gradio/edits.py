"""Gradio's edits: what changed of an output's value since the last message.

Source: `utils.diff` in the server (`gradio/utils.py`) and `apply_diff` in `gradio_client`.
An edit is `[action, path, value]`; the empty path is the whole value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qwen_space.errors import ProtocolError

__all__ = ["apply_edits", "is_edits"]

_ACTIONS = frozenset({"append", "replace", "add", "delete"})


def is_edits(item: Any) -> bool:
    """Whether an output's item can only be edits, not a value."""
    return (
        isinstance(item, list)
        and len(item) > 0
        and all(
            isinstance(edit, list)
            and len(edit) == 3
            and isinstance(edit[0], str)
            and edit[0] in _ACTIONS
            and isinstance(edit[1], list)
            for edit in item
        )
    )


def apply_edits(value: Any, edits: Sequence[Any]) -> Any:
    """Return `value` after `edits`, applied in order; `value` itself is left as it was.

    Only the containers on an edit's path are copied, so that a long conversation costs its
    depth and not its size for each message.

    Deletes always cut a list's tail, but their indices count in the old list until Gradio
    5.29.0 and in the shrinking one from 5.29.1 on. Both mean the same when the first delete
    of a list cuts it there and the others of that list in the same message are passed over.

    Raises:
        ProtocolError: An action is unknown, or a path does not exist in `value`.
    """
    patch = _Patch(value)
    for edit in edits:
        patch.apply(edit)
    return patch.value


class _Patch:
    """A value while it is being edited."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self._own: dict[int, Any] = {}  # the containers that are copies already, kept alive
        self._cut: set[tuple[Any, ...]] = set()  # the lists that a delete has cut, by their path

    def apply(self, edit: Any) -> None:
        if not (isinstance(edit, list) and len(edit) == 3 and isinstance(edit[1], list)):
            raise ProtocolError(f"Not an edit: {edit!r:.200}")
        action, path, new = edit
        if not path:
            self.value = self._edited(action, path, self.value, new)
            return
        parent = self._parent(path)
        key = path[-1]
        if action == "add":
            _add(parent, key, new, path)
        elif action == "delete":
            self._delete(parent, key, path)
        else:
            parent[key] = self._edited(action, path, _child(parent, key, path), new)

    def _edited(self, action: Any, path: list[Any], old: Any, new: Any) -> Any:
        if action == "replace":
            return new
        if action == "append" and isinstance(old, str) and isinstance(new, str):
            return old + new
        raise ProtocolError(f"Cannot {action!r:.50} at {path!r:.200}")

    def _parent(self, path: list[Any]) -> Any:
        """Return the container that holds the path's last key, free to be changed."""
        self.value = node = self._owned(self.value)
        for key in path[:-1]:
            node[key] = child = self._owned(_child(node, key, path))
            node = child
        return node

    def _owned(self, container: Any) -> Any:
        if id(container) in self._own or not isinstance(container, (list, dict)):
            return container
        copy = container.copy()
        self._own[id(copy)] = copy
        return copy

    def _delete(self, parent: Any, key: Any, path: list[Any]) -> None:
        if isinstance(parent, list) and (where := tuple(path[:-1])) in self._cut:
            return
        _child(parent, key, path)
        if isinstance(parent, list):
            del parent[key:]
            self._cut.add(where)
        else:
            del parent[key]


def _add(parent: Any, key: Any, new: Any, path: list[Any]) -> None:
    if isinstance(parent, dict) and isinstance(key, str):
        parent[key] = new
    elif isinstance(parent, list) and _is_index(key) and 0 <= key <= len(parent):
        parent.insert(key, new)
    else:
        raise ProtocolError(f"Cannot add at {path!r:.200}")


def _child(parent: Any, key: Any, path: list[Any]) -> Any:
    in_list = isinstance(parent, list) and _is_index(key) and 0 <= key < len(parent)
    if in_list or (isinstance(parent, dict) and isinstance(key, str) and key in parent):
        return parent[key]
    raise ProtocolError(f"An edit's path does not exist in the value: {path!r:.200}")


def _is_index(key: Any) -> bool:
    return isinstance(key, int) and not isinstance(key, bool)
