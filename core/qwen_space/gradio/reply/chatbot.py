"""A chat component's value to answer and thoughts.

The shapes are those that Gradio's and ModelScope's chat components have had:

    "text"                                            Textbox, ChatInterface
    [["user", "bot"], [None, "bot"], ...]             gr.Chatbot, pairs; an agent's further messages
    [[{"text": "user"}, {"text": "bot"}], ...]        modelscope_studio's Chatbot
    [{"role": "assistant", "content": "bot"}, ...]    gr.Chatbot, messages, Gradio 4 and 5
    [{..., "content": [{"type": "text", "text": "bot"}]}, ...]           the same, Gradio 6
    ["One.", {"text": "Two.", "files": []}, ...]      a list that a ChatInterface's function returns
    ["One.", "<gradio....Plot object at 0x7f1c>"]     the same with a component, by `/chat` only
    "{'role': 'assistant', 'content': 'bot'}"         a message in Python's words, by `/chat` of 4
    {"component": "code", "value": "x = 1", ...}      any component in place of a message
    {"html": "<div>...</div>", ...}                   gr.JSON, from which a script makes the page
    {"response": "bot", "usage": {}}                  gr.JSON, of an app's own
    {"messages": [{"role": "bot", "text": "bot"}]}    gr.HTML with a template of the app's own
    {"__type__": "update", "value": any of these}     from gr.update
    {"__type__": "update", "value": "/x/red.png"}     a picture, by `/chat` only
    {"__type__": "update", "items": messages}         Ant Design X's list of bubbles

Thoughts are messages that the app marks: a message with a title in its metadata (gr.ChatMessage,
which `gr.Chatbot(reasoning_tags=...)` makes too), those that name it as their parent there, and a
part of one of these types, beside the parts of the answer. So are the steps of an agent whose page
tells them from its final answer, as smolagents' does: `**Step 1**` alone in a message begins them,
`**Final answer:**` ends them. Where the model's own text is streamed, they have a foot in place of
that heading: `**Step 1** | 2 s`.

    {"type": "thinking", "thinking": "hm"}            or "reasoning"; "text" and "content" too
    {"type": "tool", "content": "hm", "options": {"title": ...}}         modelscope_studio's pro
    {"type": "thought", "content": "hm", ...}                            Chatbot, today and once
    {..., "content": "hm", "thought_metadata": {"tool_name": ...}}       gradio_agentchatbot's

A crew's page gives all messages titles, the last as "Final Article" or "Error": that is the answer.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from msgspec.structs import replace

from qwen_space.errors import ProtocolError
from qwen_space.events import ReplyComponent
from qwen_space.gradio.reply.agent_steps import (
    Part,
    is_step,
    mark_steps,
    may_be_step,
    titles_answer,
)
from qwen_space.gradio.reply.component_text import (
    component_text,
    to_named_file,
    to_named_object,
    to_reply_component,
)
from qwen_space.gradio.reply.inline_pictures import split_pictures
from qwen_space.gradio.reply.message_words import read_message_words
from qwen_space.gradio.wire.files import captioned, find_files

__all__ = [
    "Reply",
    "changes_nothing",
    "count_known",
    "find_prompt",
    "find_reply",
    "find_unanswered",
    "shows_same",
]

_THOUGHTS = ("thinking", "reasoning", "thought", "tool")
_TEXTS = ("text", "content", "html")
_THOUGHT_TEXTS = ("thinking", "reasoning", *_TEXTS)
_ANSWERS = (
    *("response", "answer", "reply", "generated_text", "completion"),
    *("choices", "message", "output", "result", "data"),
)
_CHATS = ("messages", "history", "chat", "conversation", "turns")
_ROLES = {
    **dict.fromkeys(("ai", "agent", "bot", "chatbot", "model"), "assistant"),
    **dict.fromkeys(("human", "you"), "user"),
}
_DEEPEST = 5  # objects within each other
_ROW_KEYS = ("content", "text", "component")
# One of these is in each message, part of one, component and file; an app's own may have a "type".
_PART_KEYS = {*_THOUGHT_TEXTS, "role", "component", "file", "files", "path", "url", "data"}
# Of these types, a content lists paths or suggestions, and no text.
_NO_TEXTS = frozenset({"file", "files", "suggestion", "image", "image_url", "audio", "video"})

_LONGEST_TITLE = 200  # characters

_MAX_PARTS = 10_000  # of a reply, empty ones and files among them
_MAX_FILES = 1_000  # and as many components
_MAX_DEPTH = 32  # of a text or a file in the value; a chat's are at 6


@dataclass(frozen=True, slots=True)
class Reply:
    """The last reply in a chat component's value.

    Attributes:
        text: The answer; several parts are joined by a blank line.
        path: The keys and indices that lead to the string which grows while the answer is
            written, or None when there is no such string yet.
        thinking: The thoughts, joined as the parts are.
        thinking_path: Where the last thought grows, as `path`.
        parts: How many parts of the value were looked at.
        files: The `FileData` of the files in it, in order.
        components: The components in it that are neither text nor files, in order.
        may_begin_steps: Whether all of the answer is the heading of a step: with a message after
            it, it is one; with more text in it, it is an answer.
        may_be_step: Whether all of it is, or may go on as, a text that begins with "Thought:",
            which is a step where an agent's tools have been used since.
        is_object: Whether it is the JSON of an object, in which an answer may come later.
    """

    text: str
    path: list[Any] | None
    thinking: str = ""
    thinking_path: list[Any] | None = None
    parts: int = field(default=0, compare=False)
    files: tuple[Any, ...] = ()
    components: tuple[ReplyComponent, ...] = ()
    may_begin_steps: bool = field(default=False, compare=False)
    may_be_step: bool = field(default=False, compare=False)
    is_object: bool = field(default=False, compare=False)


def find_reply(
    value: Any, *, is_final: bool = False, is_response: bool = False, known: int = 0
) -> Reply | None:
    """Return the last reply in a chat component's value.

    Args:
        value: The value.
        is_final: Whether nothing follows: the last text in the steps of an agent without a final
            answer is the answer then.
        is_response: Whether it is that of `/chat` of a `gr.ChatInterface`, which gives Python's
            words for a component, or the path of its file; elsewhere these are words.
        known: How many of the chat's rows were there before the message, as `count_known` has it.

    Returns:
        The reply; None when the value is an update that leaves everything as it was.

    Raises:
        ProtocolError: The value has none of the known shapes.
    """
    value, path = _unwrapped(value)
    if path is None:
        return None
    if known < 0 and isinstance(value, list):
        value = value[:known]
    found = list(islice(_rows(value, path, known), _MAX_PARTS + 1))
    if is_response:
        found = [_named(each, is_update=bool(path)) for each in found]
    if len(found) > _MAX_PARTS:
        raise ProtocolError(f"The reply has more than {_MAX_PARTS} parts.")
    parts = [part for part in found if isinstance(part, Part)]
    if titles_answer([part.title for part in parts]):
        # A message after it would tell that it was a step: until the end it is neither.
        parts[-1:] = [replace(parts[-1], thought=False)] if is_final else []
    else:
        parts = [*mark_steps(parts, is_final=is_final)]
    answer = [part for part in parts if not part.thought]
    thoughts = [part for part in parts if part.thought]
    files = tuple(part for part in found if isinstance(part, dict))
    if len(files) > _MAX_FILES:
        raise ProtocolError(f"The reply has more than {_MAX_FILES} files.")
    components = tuple(part for part in found if isinstance(part, ReplyComponent))
    if len(components) > _MAX_FILES:
        raise ProtocolError(f"The reply has more than {_MAX_FILES} components.")
    return Reply(
        *_joined(answer),
        *_joined(thoughts),
        parts=len(found),
        files=files,
        components=components,
        may_begin_steps=len(answer) == 1 and answer[0] is parts[-1] and is_step(answer[0]),
        may_be_step=len(answer) == 1 and may_be_step(answer[0], parts[-1]),
        is_object=isinstance(value, dict) and any(part.path == path for part in answer),
    )


def changes_nothing(value: Any) -> bool:
    """Whether a value is an update without one, which leaves the component as it was."""
    return _unwrapped(value)[1] is None


def find_prompt(value: Any) -> str:
    """Return the user's last message in a chat component's value; empty where there is none."""
    value, _ = _unwrapped(value)
    try:
        return "\n\n".join(part.text for part in _prompt_parts(value) if isinstance(part, Part))
    except ProtocolError:
        return ""


def find_unanswered(value: Any, before: Any = None) -> str:
    """Return the user's last message where it has no reply and is new; empty elsewhere.

    Args:
        value: The chat component's value.
        before: Its value before the message; None if the app does not get it.
    """
    value, _ = _unwrapped(value)
    count = len(before) if isinstance(before, list) else 0
    if not isinstance(value, list) or len(value) <= count:
        return ""
    last = value[-1]
    waits = last[1:] == [None] if isinstance(last, list) else _role(last) == "user"
    return find_prompt(value) if waits else ""


def shows_same(value: Any, other: Any) -> bool:
    """Whether two values of a chat have as many rows, and the same last message and reply.

    White space does not count, as Gradio cleans it.
    """
    value, _ = _unwrapped(value)
    if not isinstance(value, list) or not isinstance(other, list):
        return bool(value == other)
    try:
        return len(value) == len(other) and _last_words(value) == _last_words(other)
    except ProtocolError:
        return False


def count_known(value: Any, before: Any) -> int:
    """Return how many rows of a chat were there before the message, where others follow them.

    It is 0 where the app has changed them, or left some out. Where they follow the new ones, as on
    a page that shows the newest turn first, it is a negative number.
    """
    value, _ = _unwrapped(value)
    if not isinstance(value, list) or not isinstance(before, list):
        return 0
    count = len(before)
    if not len(value) > count > 0:
        return 0
    if shows_same(value[:count], before):
        return count
    return -count if find_prompt(before) and shows_same(value[-count:], before) else 0


def _last_words(chat: list[Any]) -> list[list[str]]:
    """Return the words of the last message and of the reply to it."""
    reply = find_reply(chat, is_final=True)
    texts = (find_prompt(chat), *((reply.text, reply.thinking) if reply else ()))
    return [each.split() for each in texts]


def _prompt_parts(value: Any) -> Iterator[_Found]:
    if not isinstance(value, list) or not value:
        return
    if isinstance(value[-1], list):
        row = value[_last_asked(value)]
        if isinstance(row, list) and row:
            yield from _content(row[0], [])
        return
    for row in islice(reversed(value), _MAX_PARTS):
        if _role(row) == "user":
            yield from _content(row.get("content"), [])
            return


def _unwrapped(value: Any) -> tuple[Any, list[Any] | None]:
    """Return the value that an update gives, and the path to it; None if it gives none."""
    path: list[Any] = []
    while isinstance(value, dict) and value.get("__type__") == "update":
        key = next((each for each in ("value", "items") if each in value), None)
        if key is None:
            return None, None
        value = value[key]
        path.append(key)
    for key in _CHATS if isinstance(value, dict) and value.keys().isdisjoint(_ANSWERS) else ():
        chat = value.get(key)
        if isinstance(chat, list) and chat and all(map(_has_role, chat[-2:])):
            return chat, [*path, key]
    return value, path


def _has_role(row: Any) -> bool:
    return isinstance(row, dict) and "role" in row


# A text, the `FileData` of a file, a component that is neither, or a place without any.
_Found = Part | Mapping[str, Any] | ReplyComponent | None


def _joined(parts: list[Part]) -> tuple[str, list[Any] | None]:
    """Return the parts as one text, and the path to the string at its end.

    Empty parts, which wait for their text, make no blank lines. So where one of them is the
    last after others, what is appended to it is not all that comes to the text.
    """
    texts = [part.text for part in parts if part.text]
    ends = bool(parts) and (bool(parts[-1].text) or not texts)
    return "\n\n".join(texts), parts[-1].path if ends else None


def _rows(value: Any, path: list[Any], known: int) -> Iterator[_Found]:
    """Yield the parts of the reply, files too, and None for each place that may have none."""
    if isinstance(value, dict):
        found, inner = _answer_within(value)
        if found is value and value and value.keys().isdisjoint(_PART_KEYS):
            yield Part(path, component_text("json", value) or "", thought=False)
        else:
            yield from _content(found, [*path, *inner])
    elif not isinstance(value, list):
        yield from _content(value, path)
    elif value and isinstance(value[-1], list):
        yield from _pairs(value, path, known)
    elif value:
        yield from _messages(value, path, known)


def _named(found: _Found, *, is_update: bool) -> _Found:
    """Return the message, or the name of the component, that a text of `/chat` stands for.

    Other parts are as given.
    """
    if not isinstance(found, Part):
        return found
    if (message := read_message_words(found.text)) is not None:
        text, title = message
        return to_named_object(text) or Part(None, text, thought=bool(title), title=title)
    return to_named_object(found.text) or (is_update and to_named_file(found.text)) or found


def _answer_within(value: Any) -> tuple[Any, list[Any]]:
    """Return the answer in an object of an app's own, as gr.JSON shows it, and where it is.

    The object itself where it has a text of a chat, or no answer by a name that is known.
    """
    path: list[Any] = []
    found = value
    while len(path) < _DEEPEST:
        if isinstance(found, list) and found:
            key: Any = 0
        elif isinstance(found, dict) and found.keys().isdisjoint(_TEXTS):
            key = next((each for each in _ANSWERS if each in found), None)
        else:
            break
        if key is None:
            break
        found = found[key]
        path.append(key)
    return (found, path) if isinstance(found, (str, dict)) else (value, [])


def _pairs(rows: list[Any], path: list[Any], known: int) -> Iterator[_Found]:
    """Yield the parts of the replies in the last pair with a user's message, and in those after."""
    for index in range(max(_last_asked(rows), known), len(rows)):
        row = rows[index]
        if not isinstance(row, list) or len(row) != 2:
            raise ProtocolError(f"A row of the chat is no pair: {reprlib.repr(row)}")
        yield None
        yield from _content(row[1], [*path, index, 1])


def _last_asked(rows: list[Any]) -> int:
    """Return the index of the last pair with a user's message; of the first pair without one.

    An empty message is none only where another stands before it: some apps leave all empty.
    """
    start = _last_without(rows, [None], [""])
    row = rows[start]
    is_asked = not isinstance(row, list) or row[:1] not in ([None], [""])
    return start if is_asked else _last_without(rows, [None])


def _last_without(rows: list[Any], *messages: list[Any]) -> int:
    """Return the index of the last pair with other messages than these; 0 without one."""
    start = len(rows) - 1
    while start and isinstance(rows[start], list) and rows[start][:1] in messages:
        start -= 1
        if len(rows) - start > _MAX_PARTS:
            raise ProtocolError(f"The reply has more than {_MAX_PARTS} messages.")
    return start


def _messages(rows: list[Any], path: list[Any], known: int) -> Iterator[_Found]:
    """Yield the parts of the assistant's messages after the user's last one."""
    start = len(rows)
    while start and _role(rows[start - 1]) != "user":
        start -= 1
        if len(rows) - start > _MAX_PARTS:
            raise ProtocolError(f"The reply has more than {_MAX_PARTS} messages.")
    # Where the user's own message has a title, titles are names.
    named = start > 0 and _is_thought(rows[start - 1])
    parents: set[str] = set()
    for index in range(max(start, known), len(rows)):
        row = rows[index]
        yield None
        if _role(row) == "assistant":
            within = isinstance(row, dict) and _is_within(row, parents)
            thought = isinstance(row, dict) and (_is_thought(row) or within) and not named
            if isinstance(row, dict) and "content" in row:
                found = _content(row["content"], [*path, index, "content"], thought=thought)
            else:
                found = _content(row, [*path, index], thought=thought)
            yield from _titled(found, row) if thought else found
            yield from _options(row)


def _is_within(row: dict[str, Any], parents: set[str]) -> bool:
    """Whether the page shows a message within a thought before it; note its id if it is one."""
    metadata = row.get("metadata")
    if not isinstance(metadata, dict):
        return False
    if metadata.get("id") and metadata.get("title"):
        parents.add(str(metadata["id"])[:_LONGEST_TITLE])
    return str(metadata.get("parent_id"))[:_LONGEST_TITLE] in parents


def _titled(found: Iterator[_Found], row: dict[str, Any]) -> Iterator[_Found]:
    """Yield the parts of a thought with the title of its message."""
    metadata = row.get("metadata")
    title = metadata.get("title") if isinstance(metadata, dict) else None
    title = title[:_LONGEST_TITLE] if isinstance(title, str) else ""
    for part in found:
        yield replace(part, title=title) if isinstance(part, Part) else part


def _options(row: Any) -> Iterator[ReplyComponent]:
    """Yield the choices that the page offers below a message."""
    options = row.get("options") if isinstance(row, dict) else None
    for each in options if isinstance(options, list) else ():
        if isinstance(each, dict) and isinstance(value := each.get("value"), str):
            label = each.get("label")
            yield ReplyComponent("option", label if isinstance(label, str) else value, value)


def _role(row: Any) -> Any:
    """Return the role of a row, which is the assistant's where a chat function returned a list."""
    if isinstance(row, dict) and "role" in row:
        role = row["role"]
        return _ROLES.get(role.lower(), role) if isinstance(role, str) else role
    if isinstance(row, str) or (isinstance(row, dict) and not row.keys().isdisjoint(_ROW_KEYS)):
        return "assistant"
    raise ProtocolError(f"A row of the chat has no role: {reprlib.repr(row)}")


def _is_thought(item: dict[str, Any]) -> bool:
    """Whether the app marks a message, or a part of one, as a thought."""
    metadata = item.get("metadata")
    titled = isinstance(metadata, dict) and bool(metadata.get("title"))
    tool = item.get("thought_metadata")
    titled = titled or (isinstance(tool, dict) and bool(tool.get("tool_name")))
    return titled or item.get("type") in _THOUGHTS


def _content(content: Any, path: list[Any], *, thought: bool = False) -> Iterator[_Found]:
    """Yield the parts of a message's content: a string, a dict with a text, or a list of them."""
    if len(path) > _MAX_DEPTH:
        raise ProtocolError("The chat's value is nested too deeply to be one.")
    if isinstance(content, str):
        text, pictures, goes_on = split_pictures(content)
        yield from pictures
        yield Part(path if goes_on else None, text, thought)
    elif isinstance(content, list):
        for index, part in enumerate(content):
            yield None
            yield from _content(part, [*path, index], thought=thought)
    elif isinstance(content, dict):
        if isinstance(content.get("component"), str):
            yield from _component(content, path, thought=thought)
            return
        yield from find_files(content)
        if isinstance(kind := content.get("type"), str) and kind in _NO_TEXTS:
            return
        thought = thought or _is_thought(content)
        for key in _THOUGHT_TEXTS if thought else _TEXTS:
            if isinstance(content.get(key), (str, list)):
                yield from _content(content[key], [*path, key], thought=thought)
                break
    elif content is not None:
        raise ProtocolError(f"No text can be found in the chat's value: {reprlib.repr(content)}")


def _component(content: dict[str, Any], path: list[Any], *, thought: bool) -> Iterator[_Found]:
    """Yield a component's files and its text; its name where it has neither."""
    named = to_reply_component(content)
    files = [captioned(each, named.label) for each in find_files(content)]
    yield from files
    text = component_text(named.kind, named.value)
    if text is not None:
        yield Part([*path, "value"], text, thought)
    elif not files:
        yield named
