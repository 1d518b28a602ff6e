"""The commands of a conversation, as a table."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from qwen_space.chat.messages import Turn, to_turns
from qwen_space.chat_model.arguments import SAMPLING
from qwen_space.cli.conversation import Command, Conversation
from qwen_space.cli.space_options import read_value
from qwen_space.config import DEFAULT_MODEL, check_options

__all__ = ["COMMANDS"]

_KEYS = """\
Ctrl-C     leave the answer, or the line
Ctrl-D     end the chat
Alt-Enter  begin a new line, and so does Ctrl-J; a paste stays whole
\"\"\"        begin a prompt of several lines, and end it"""


def _help(chat: Conversation, _: str) -> None:
    left = [f"{command.name} {command.argument}".rstrip() for command in COMMANDS]
    width = max(map(len, left))
    for name, command in zip(left, COMMANDS, strict=True):
        chat.say(f"{name:{width}}  {command.help}")
    chat.say(_KEYS)


def _system(chat: Conversation, text: str) -> None:
    if text:
        chat.system = None if text == "-" else text
    shown = "the Space's own" if chat.system is None else chat.system
    chat.say(f"System prompt: {shown}")


def _model(chat: Conversation, name: str) -> None:
    if name:
        chat.model = DEFAULT_MODEL if name == "-" else name
    chat.say(f"Model: {chat.model}")
    if not name and (offered := asyncio.run(chat.space.aoffered_models())):
        chat.say(f"Offered: {', '.join(offered)}")


def _set(chat: Conversation, text: str) -> None:
    first, _, rest = text.removeprefix("parameter ").partition(" ")  # as `ollama run` has it
    if first == "system":
        _system(chat, rest.strip())
        return
    if text:
        _set_value(chat, *_split_setting(f"{first} {rest}".strip()))
    config = chat.space.config
    values = {**config.sampling, **config.inputs, **chat.sampling, **chat.inputs}
    for name, value in values.items():
        chat.say(f"{name}: {value}")
    if not values:
        chat.say("No value is set.")


def _split_setting(text: str) -> tuple[str, str]:
    """Return the name and the value of `NAME VALUE` or `NAME=VALUE`; a name may have spaces.

    Raises:
        ValueError: One of them is missing.
    """
    name, _, value = text.partition("=") if "=" in text else text.rpartition(" ")
    if not (name.strip() and value.strip()):
        raise ValueError("/set NAME VALUE: give both, such as /set temperature 0.2.")
    return name.strip(), value.strip()


def _set_value(chat: Conversation, name: str, text: str) -> None:
    kind = "sampling" if name in SAMPLING else "inputs"
    values: dict[str, Any] = getattr(chat, kind)
    if text == "-":
        values.pop(name, None)
    else:
        value = read_value(text)
        check_options({kind: {name: value}})
        values[name] = value


def _clear(chat: Conversation, _: str) -> None:
    chat.turns, chat.question, chat.files = [], None, []
    chat.say("The chat is forgotten.")


def _retry(chat: Conversation, _: str) -> None:
    if chat.question is None:
        raise ValueError("There is no prompt to ask again.")
    if chat.turns[-2:-1] == [chat.question]:
        chat.turns = chat.turns[:-2]
    chat.ask(chat.question)


def _thinking(chat: Conversation, _: str) -> None:
    chat.say(chat.thoughts.strip() or "There were no thoughts.")


def _file(chat: Conversation, name: str) -> None:
    if name == "-":
        chat.files = []
    elif name:
        path = Path(name.strip("\"'")).expanduser()
        if not path.is_file():
            raise ValueError(f"/file: there is no file {str(path)!r}.")
        chat.files.append(path)
    names = ", ".join(str(path) for path in chat.files)
    chat.say(f"With the next prompt: {names or 'no file'}")


def _save(chat: Conversation, name: str) -> None:
    if not name:
        raise ValueError("/save FILE: give the file's name, such as chat.md or chat.json.")
    path = Path(name).expanduser()
    path.write_text(_as_json(chat) if path.suffix == ".json" else _as_markdown(chat), "utf-8")
    chat.say(f"Saved as {path}")


def _load(chat: Conversation, name: str) -> None:
    if not name:
        raise ValueError("/load FILE: give the name of a .json file that /save wrote.")
    messages = _read_json(Path(name).expanduser())
    turns = to_turns(messages if isinstance(messages, list) else [messages])
    systems = [turn.text for turn in turns if turn.is_system]
    chat.system = "\n".join(systems) if systems else chat.system
    chat.turns = [turn for turn in turns if not turn.is_system]
    chat.question = next((turn for turn in chat.turns[::-1] if turn.role == "user"), None)
    chat.say(f"Loaded {len(chat.turns)} messages")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as exc:  # no JSON, or no text
        raise ValueError(f"/load: {path} is no .json file that /save wrote.") from exc


def _bye(_: Conversation, __: str) -> None:
    raise EOFError


def _messages(chat: Conversation) -> list[Turn]:
    return [*([] if chat.system is None else [Turn("system", chat.system)]), *chat.turns]


def _as_json(chat: Conversation) -> str:
    messages = [{"role": turn.role, "content": turn.described_text} for turn in _messages(chat)]
    return json.dumps(messages, ensure_ascii=False, indent=2) + "\n"


def _as_markdown(chat: Conversation) -> str:
    return "\n".join(
        f"## {turn.role.title()}\n\n{turn.described_text}\n" for turn in _messages(chat)
    )


COMMANDS = (
    Command("/help", "", "list the commands", _help, ("/?",)),
    Command("/system", "[TEXT]", "show or set the system prompt; - is the Space's own", _system),
    Command("/model", "[NAME]", "show or choose the model; - is the Space's own", _model),
    Command("/set", "[NAME VALUE]", "set the temperature, or another input; - takes it back", _set),
    Command("/clear", "", "forget the chat", _clear),
    Command("/retry", "", "ask the last prompt again", _retry),
    Command("/thinking", "", "show the thoughts before the last answer", _thinking),
    Command("/file", "[FILE]", "send a picture or file with the next prompt; - is none", _file),
    Command("/save", "FILE", "write the chat as Markdown, or as .json", _save),
    Command("/load", "FILE", "go on with a chat that was saved as .json", _load),
    Command("/bye", "", "end the chat", _bye, ("/exit", "/quit", "exit", "quit")),
)
