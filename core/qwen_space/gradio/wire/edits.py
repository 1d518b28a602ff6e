"""Gradio's edits: the changes of an output's value since the last message.

Source: `utils.diff` in the server (`gradio/utils.py`) and `apply_diff` in `gradio_client`.
An edit is `[action, path, value]`; the empty path is the whole value.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from typing import Any

from qwen_space.errors import ProtocolError

__all__ = ["EditedValue", "is_edits"]

_ACTIONS = frozenset({"append", "replace", "add", "delete"})

# An edit of a few bytes can have a long text copied, or a long list moved. Each byte of a message
# pays for so many characters or items of that, which takes about 50 ns.
_WORK_A_BYTE = 1_000
_FIRST_WORK = 10_000_000


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


class EditedValue:
    """A value that edits change in place.

    Args:
        value: The value, which becomes this object's own.

    Attributes:
        value: The value as it is now.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self._work = _FIRST_WORK
        # The lists that a delete has cut, by their path; an empty dictionary is smaller than a set.
        self._cut: dict[tuple[Any, ...], None] = {}

    def begin(self, size: int) -> None:
        """Begin with the edits of the next message, which has so many bytes.

        Deletes always cut a list's tail, but their indices count in the old list until Gradio
        5.29.0 and in the shrinking one from 5.29.1 on. Both mean the same when the first delete
        of a list cuts it there and the others of that list in the same message are passed over.
        """
        self._cut.clear()
        self._work += _WORK_A_BYTE * size

    def apply(self, edits: Iterable[Any]) -> None:
        """Apply edits of one message, in order.

        Raises:
            ProtocolError: An action is unknown, a path does not exist in the value, or small edits
                ask for a lot of work. The value is of no use then.
        """
        for edit in edits:
            self._apply(edit)

    def spend(self, work: int) -> bool:
        """Count work, in characters and items, if the messages so far have paid for it."""
        if work > self._work:
            return False
        self._work -= work
        return True

    def _pay(self, work: int) -> None:
        if not self.spend(work):
            raise ProtocolError("The edits of the chat's value ask for too much work.")

    def _apply(self, edit: Any) -> None:
        if not (isinstance(edit, list) and len(edit) == 3 and isinstance(edit[1], list)):
            raise ProtocolError(f"Not an edit: {reprlib.repr(edit)}")
        action, path, new = edit
        if not path:
            self.value = self._edited(action, path, self.value, new)
            return
        parent = self.value
        for key in path[:-1]:
            parent = _child(parent, key, path)
        key = path[-1]
        if action == "add":
            self._add(parent, key, new, path)
        elif action == "delete":
            self._delete(parent, key, path)
        else:
            parent[key] = self._edited(action, path, _child(parent, key, path), new)

    def _edited(self, action: Any, path: list[Any], old: Any, new: Any) -> Any:
        if action == "replace":
            return new
        if action == "append" and isinstance(old, str) and isinstance(new, str):
            self._pay(len(old))
            return old + new
        raise ProtocolError(f"Cannot {reprlib.repr(action)} at {reprlib.repr(path)}")

    def _add(self, parent: Any, key: Any, new: Any, path: list[Any]) -> None:
        if isinstance(parent, dict) and isinstance(key, str):
            parent[key] = new
        elif isinstance(parent, list) and _is_index(key) and 0 <= key <= len(parent):
            self._pay(len(parent) - key)
            parent.insert(key, new)
        else:
            raise ProtocolError(f"Cannot add at {reprlib.repr(path)}")

    def _delete(self, parent: Any, key: Any, path: list[Any]) -> None:
        if isinstance(parent, list) and (where := tuple(path[:-1])) in self._cut:
            return
        _child(parent, key, path)
        if isinstance(parent, list):
            del parent[key:]
            self._cut[where] = None
        else:
            del parent[key]


def _child(parent: Any, key: Any, path: list[Any]) -> Any:
    in_list = isinstance(parent, list) and _is_index(key) and 0 <= key < len(parent)
    if in_list or (isinstance(parent, dict) and isinstance(key, str) and key in parent):
        return parent[key]
    raise ProtocolError(f"An edit's path does not exist in the value: {reprlib.repr(path)}")


def _is_index(key: Any) -> bool:
    return isinstance(key, int) and not isinstance(key, bool)
