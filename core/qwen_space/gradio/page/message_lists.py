"""Finds the list that takes a whole chat, as functions without a page have it.

    def chat(messages: list[dict], temperature: float = 0.7) -> str

Such a function has no text for the prompt, which is the last of the messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qwen_space.gradio.page.api_parameters import API, may_hold_messages
from qwen_space.gradio.page.app import AppComponent, AppConfig
from qwen_space.gradio.page.endpoint import bare_name

__all__ = ["find_message_list", "has_lists"]

_WHOLE = frozenset(
    {"messages", "chat_messages", "conversation", "conversations", "chat", "dialog", "dialogue"}
)
# Beside a text that may be the prompt they hold the turns before it.
_EARLIER = frozenset({"history", "chat_history", "conversation_history"})


def find_message_list(
    components: Sequence[AppComponent],
    parameters: Mapping[Any, Sequence[str]],
    has_prompt: Callable[[bool], bool] = lambda _: False,
) -> tuple[AppComponent, str] | None:
    """Return the list of messages whose last one is the prompt, and the reason; None without one.

    Args:
        components: The inputs of a function.
        parameters: The names of the parameters that they are passed as, by their numbers. As long
            as they are not known, any list may be one.
        has_prompt: Whether a text may be the prompt; asked for one that surely asks for a message
            where the list has a name of whole chats.
    """
    lists = [each for each in components if each.is_parameter and may_hold_messages(each.props)]
    for names in (_WHOLE, _EARLIER):
        for each in lists:
            named = [name for name in parameters.get(each.id, ()) if bare_name(name) in names]
            is_known = bool(parameters.get(each.id))
            if (named or not is_known) and not has_prompt(bool(named) and names is _WHOLE):
                return each, f"the parameter is called {named[0]}" if named else "the first list"
    return None


def has_lists(config: Any) -> bool:
    """Whether a function without a page takes a list or an object, by whose name it may chat."""
    return any(
        each.is_parameter and each.kind == API
        for function in AppConfig(config).functions
        for each in function.inputs
    )
