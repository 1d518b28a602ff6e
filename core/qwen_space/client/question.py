"""Makes the request of one call: the chat and its options, in the endpoint's own terms."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from qwen_space.chat.media import Media, describe_media
from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import RenderedPrompt, pair_turns, render_prompt
from qwen_space.config import CallOptions, SpaceConfig
from qwen_space.gradio.page.app import CHATS, CHOICES, KEEPING, TEXTS
from qwen_space.gradio.page.endpoint import Endpoint, Input, Shape
from qwen_space.gradio.page.media_places import find_repeated, find_uploads, has_room, place_media
from qwen_space.gradio.remarks import Remarks
from qwen_space.gradio.wire.files import history_content

__all__ = ["Question", "build_question", "pair_history"]

_KEYS = re.compile(r"\b(?:keys?|token|password)\b|密钥|密鑰|ключ|キー|키", re.IGNORECASE)
_OPTIONAL = re.compile(r"op[tc]ion|facultati|可选|選填|选填|任意|선택|необяз", re.IGNORECASE)


class Question(msgspec.Struct):
    """One call of an endpoint: the values for the inputs of its steps, and those of the page.

    Attributes:
        endpoint: The function that answers, with the steps before it.
        prompt: The value of the prompt's input.
        system: The system prompt; None leaves the app's own.
        model: A value that `Endpoint.choose_model` gave.
        history: The earlier turns in the shape of the app's own history, with `Media` in the place
            of their files; empty with the split.
        values: Values for further inputs, by the inputs' keys.
        media: The media of the prompt, by the inputs' keys.
        files: The `FileData` of all media, once they are uploaded.
        max_tokens: Tokens after which the reply is to be ended here, as the app has no input for
            it, or one that goes no lower; None if it has.
        loaded: Values that components got before the message was written, by their numbers.
        changed: The numbers of the states that got another value before the message was written.
        page: Values that components got since, by their numbers.
        remarks: The words that the app says beside its reply.
    """

    endpoint: Endpoint
    prompt: str
    system: str | None
    model: Any
    history: list[Any]
    values: Mapping[Any, Any]
    media: Mapping[Any, Sequence[Media]] = msgspec.field(default_factory=dict)
    files: Mapping[Media, Any] = msgspec.field(default_factory=dict)
    max_tokens: float | None = None
    loaded: dict[Any, Any] = msgspec.field(default_factory=dict)
    changed: frozenset[Any] = frozenset()
    page: dict[Any, Any] = msgspec.field(default_factory=dict)
    remarks: Remarks = msgspec.field(default_factory=Remarks)

    @property
    def every_media(self) -> tuple[Media, ...]:
        """All media to upload, each once."""
        placed = (media for several in self.media.values() for media in several)
        return tuple(dict.fromkeys([*_find_media(self.history), *placed]))

    @property
    def calls(self) -> Iterator[tuple[Endpoint, Mapping[Any, Sequence[Any]]]]:
        """The steps before the endpoint, each with the files for it, and the endpoint itself.

        The app's own settings need no step. Those that upload are run for each file, if they take
        one only.
        """
        files = {key: [self.files[each] for each in media] for key, media in self.media.items()}
        uploads = {steps[0].fn_index: steps for steps in find_uploads(self.endpoint)}
        shared = {each.key for each in self.endpoint.chat_inputs} if uploads else frozenset()
        for step in self.endpoint.before:
            if step.phase == "upload":
                yield from _uploads(uploads.pop(step.fn_index, ()), files, shared)
            elif self._needs(step):
                yield step, files
        yield self.endpoint, files

    def _needs(self, step: Endpoint) -> bool:
        """Whether a step has a value of the caller's to set, or the load has started it."""
        if step.phase == "change":
            return step.is_started({**self.loaded, **self.values}, self.changed)
        if step.phase != "setting":
            return True
        given = (each for each in step.inputs if each.key in self.values)
        return any(given) or (self.system is not None and step.takes("system"))

    def data(
        self,
        step: Endpoint,
        files: Mapping[Any, Sequence[Any]],
        page: Mapping[Any, Any] | None = None,
    ) -> list[Any]:
        """Return the arguments of the endpoint itself, or of a step before it.

        Args:
            step: The function.
            files: The files for it, by the inputs' keys.
            page: Values that components got since the message was written; None for the page's.
        """
        return step.data(
            self.prompt,
            self.system,
            model=self.model,
            history=[_filled(each, self.files) for each in self.history],
            values=self.values,
            loaded=self.loaded,
            page=self.page if page is None else page,
            files=files,
        )

    @property
    def chat_before(self) -> Any:
        """The value of the reply's component before the message; None if no step takes it."""
        shown = self.endpoint.shown
        for step in (*self.endpoint.before, self.endpoint):
            # A prompt's own box, in which some show the answer, is no chat: it may be an echo.
            inputs = [None if each.role == "prompt" else each.component for each in step.inputs]
            if shown is not None and shown in inputs and step.phase == "chat":
                return self.data(step, {}, {})[inputs.index(shown)]
        return None

    def receive(
        self, step: Endpoint, values: Mapping[Any, Any], states: Iterable[Any] = ()
    ) -> None:
        """Put the values that a step has given into the page's components.

        Args:
            step: The step.
            values: The values, by the components' numbers.
            states: The numbers of the states that it has changed.
        """
        self.changed |= frozenset(states)
        is_chat = step.phase in {"chat", "upload", "typing"}
        if is_chat:
            self.remarks.see(values.items())
        elif step.phase == "change":
            values = self._without_turns(values)
        if step.phase == "upload":
            values = self._with_ours(step, values)
        (self.page if is_chat else self.loaded).update(values)

    def _with_ours(self, step: Endpoint, values: Mapping[Any, Any]) -> Mapping[Any, Any]:
        """Return the values of an upload, but the caller's prompt and turns in their places.

        A page's visitor writes after it. A file that the chat does not take, such as a recording,
        may give the prompt. Rows that it shows without a look at the chat come after the turns.
        """
        own = {each.key for each in self.endpoint.chat_inputs}
        may_give = any(key not in own for key in self.media)
        taken = {each.component for each in step.inputs}
        left = dict(values)
        for each in self.endpoint.every_input:
            value = values.get(each.component)
            if each.role == "prompt" and not (value and may_give):
                left.pop(each.component, None)
            is_new = each.role == "history" and not (value and each.component in taken)
            if is_new and isinstance(value, list):
                turns = [_filled(turn, self.files) for turn in self.history]
                left[each.component] = [*turns, *value]
        return left

    def _without_turns(self, values: Mapping[Any, Any]) -> Mapping[Any, Any]:
        """Return the values of a step without an earlier chat that it restores.

        A call is a chat of its own: it goes on with nobody's turns, nor is it kept in their place.
        """
        known = {each.component: each for each in self.endpoint.every_input}
        parts = {each: known[each] for each in values if each in known}
        turns = {
            number
            for number, part in parts.items()
            if part.kind in CHATS | KEEPING and values[number] not in (None, [], part.default)
        }
        choices = {number for number, part in parts.items() if turns and part.kind in CHOICES}
        return {each: value for each, value in values.items() if each not in turns | choices}

    def advise(self) -> str:
        """Return the advice for an app that gives no reply; "" without any.

        It may miss a text that its page fills in when something else is chosen, a file, or a
        choice; or its page shows the reply after the function has ended.
        """
        values = {**self.loaded, **self.values}
        for step in self.endpoint.before:
            empty = [
                each.name
                for each in self.endpoint.chat_inputs
                if each.is_free
                and each.component in step.outputs
                and values.get(each.key, each.default) == ""
            ]
            if step.phase == "change" and empty:
                chosen = [
                    f"{{{one.name!r}: {next(filter(None, one.choices or ()), None)!r}}}"
                    for one in self.endpoint.every_input
                    if one.is_free and one.choices and one.key in step.started_by
                ]
                ways = [*chosen[:1], f"{{{empty[0]!r}: ...}}"]
                return (
                    f"its page fills {empty[0]!r} only when something else there is chosen. Give "
                    f"a value, as with inputs={' or inputs='.join(ways)}."
                )
        if self.endpoint.locked and not self.media:
            return f"its page locks the prompt's box at first, and says {self.endpoint.locked!r}."
        if advice := self._find_unchosen():
            return advice
        if self.endpoint.ticks:
            return "its page fills the reply in by a timer, which this client does not follow."
        return ""

    def _find_unchosen(self) -> str:
        values = {**self.loaded, **self.values}
        for each in self.endpoint.chat_inputs:
            choices = () if each.choices is None or None in each.choices else each.choices
            if each.is_free and any(choices) and values.get(each.key, each.default) is None:
                given = {each.name: next(filter(None, choices))}
                return f"nothing is chosen for {each.name!r}. Choose, as with inputs={given!r}."
        return ""

    def find_missing(self) -> str:
        """Return what an app that fails may miss: a key, a file that it takes, a choice, a text."""
        values = {**self.loaded, **self.values}
        texts = [each for each in self.endpoint.chat_inputs if each.is_free and each.kind in TEXTS]
        unwritten = [one.name for one in texts if values.get(one.key, one.default) in {"", None}]
        empty = [name for name in unwritten if name not in TEXTS and not _OPTIONAL.search(name)]
        key = next(filter(_KEYS.search, empty), "")
        prompts = {each.key for each in self.endpoint.every_input if each.role == "prompt"}
        # A recording that is written into the prompt's box stands in for what was typed.
        uploads = (step for step in self.endpoint.before if step.phase == "upload")
        steps = (step for step in uploads if not prompts.isdisjoint(step.outputs))
        spoken = {each.key for step in steps for each in step.inputs}
        slots = [each for each in self.endpoint.media_inputs if each.key not in prompts | spoken]
        has_file = self.media or any(values.get(each.key, each.default) for each in slots)
        if slots and not has_file and not key:
            names = " or ".join(repr(each.name) for each in slots)
            return f"it needs a file in {names}: send one with the message."
        if not key and (advice := self._find_unchosen()):
            return advice
        name = key or next(iter(empty), "")
        return name and f"it needs a text in {name!r}: give it, as with inputs={{{name!r}: ...}}."


def _uploads(
    steps: Sequence[Endpoint], files: dict[Any, list[Any]], shared: Collection[Any]
) -> Iterator[tuple[Endpoint, Mapping[Any, Sequence[Any]]]]:
    """Yield the steps of an upload with its files; its own, which are not shared, are used up.

    A shared file starts it where it was put into the input whose event that is.
    """
    slots = {each.key: each.slot for step in steps for each in step.inputs if each.key in files}
    given = {key: files[key] if key in shared else files.pop(key) for key in slots}
    starting = {each.key for step in steps for each in step.inputs if step.trigger_id == each.key}
    if given.keys() <= {*shared} - starting:
        return
    batches: list[Mapping[Any, Sequence[Any]]] = [given]
    for key in find_repeated(steps) & given.keys():
        if (slot := slots[key]) is not None and slot.is_single:
            batches = [{**given, key: [each]} for each in given[key]]
    for batch in batches:
        yield from ((step, batch) for step in steps)


def _find_media(value: Any) -> Iterator[Media]:
    if isinstance(value, Media):
        yield value
    elif isinstance(value, (list, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _find_media(each)


def _filled(value: Any, files: Mapping[Media, Any]) -> Any:
    """Return a row of a history with the files in the places of their media."""
    if isinstance(value, Media):
        return files[value]
    if isinstance(value, list):
        return [_filled(each, files) for each in value]
    if isinstance(value, dict):
        return {key: _filled(each, files) for key, each in value.items()}
    return value


def build_question(
    config: SpaceConfig, endpoint: Endpoint, chat: Sequence[Turn], options: CallOptions
) -> Question:
    """Return the request for a chat.

    Raises:
        ValueError: The app does not offer the model, has no such input, or does not take a media.
    """
    sampling = {**config.sampling, **(options.get("sampling") or {})}
    inputs = {**config.inputs, **(options.get("inputs") or {})}
    model = options.get("model") or config.model
    model = config.models.get(model, model)
    chat = [_without_own_media(turn) for turn in chat]
    endpoint = endpoint.choose_function(
        sampling, inputs, model, (each for turn in chat for each in turn.media)
    )
    placed = endpoint.place_inputs(inputs)
    if config.system_prompt is not None and not any(turn.is_system for turn in chat):
        chat = [Turn("system", config.system_prompt), *chat]
    chat = [_without_results(endpoint, turn) for turn in chat]
    parts, history, media = _split_chat(config, endpoint, chat, options)
    return Question(
        endpoint,
        parts.prompt,
        parts.system,
        endpoint.choose_model(model),
        history,
        {**_place_sampling(config, endpoint, sampling), **placed},
        place_media(endpoint, media),
        max_tokens=_own_limit(endpoint, sampling.get("max_tokens")),
        remarks=Remarks(endpoint.remark_places, endpoint.outputs, (parts.prompt, parts.system)),
    )


def _without_own_media(turn: Turn) -> Turn:
    """Return a turn with lines in the place of the model's own files, which need not go back."""
    if turn.role != "assistant" or not turn.media:
        return turn
    return replace(turn, text=turn.described_text, media=())


_NO_FILES = "only text can be read here"


def _without_results(endpoint: Endpoint, turn: Turn) -> Turn:
    """Return a turn with lines in the place of a tool's media, if the app does not take them."""
    if not turn.is_result or all(map(endpoint.takes_media, turn.media)):
        return turn
    return replace(turn, text=describe_media(turn.text, turn.media, left_out=_NO_FILES), media=())


def _split_chat(
    config: SpaceConfig, endpoint: Endpoint, chat: Sequence[Turn], options: CallOptions
) -> tuple[RenderedPrompt, list[Any], Sequence[Media]]:
    """Return a chat as system prompt and prompt, the app's history, and the prompt's media."""
    mode = options.get("history") or config.history
    if mode == "native" or (mode == "auto" and endpoint.is_discovered):
        if endpoint.takes("history") and (mode == "native" or endpoint.history_shape != "blocks"):
            told, boxed = _without_boxed(endpoint, chat)
            if (native := pair_history(endpoint, told)) is not None:
                for each in _find_media(native[1]):
                    place_media(endpoint, [each])  # raises where it is not taken
                return *native, boxed
        elif mode == "native" and any(turn.role == "assistant" for turn in chat):
            _warn(
                f"history='native': {endpoint.title} of {config.url} has no input for a history "
                "that it reads: it keeps its own in the session, as gr.ChatInterface does; "
                "earlier turns go into the prompt, as with history='split'."
            )
    chat = _without_displaced(config, endpoint, chat)
    media = [each for turn in chat for each in turn.media]
    return render_prompt(chat, system_apart=endpoint.takes("system")), [], media


def _without_displaced(
    config: SpaceConfig, endpoint: Endpoint, chat: Sequence[Turn]
) -> Sequence[Turn]:
    """Return a chat without the earlier files in whose place later ones are sent.

    On a page that takes one picture, a visitor puts the next one in its place.
    """
    turns: list[Turn] = []
    kept: list[Media] = []
    for turn in reversed(chat):
        if turn.media and kept and not has_room(endpoint, kept, turn.media):
            text = describe_media(turn.text, turn.media, left_out="only a later one is sent")
            turns.append(replace(turn, text=text, media=()))
        else:
            turns.append(turn)
            kept[:0] = turn.media
    left_out = sum(len(turn.media) for turn in chat) - len(kept)
    if left_out:
        _warn(
            f"{endpoint.title} of {config.url} takes no more files, so {left_out} of earlier turns "
            "are left out: the text has a line in the place of each."
        )
    return turns[::-1]


def _without_boxed(
    endpoint: Endpoint, chat: Sequence[Turn]
) -> tuple[Sequence[Turn], Sequence[Media]]:
    """Return a chat without the earlier files that are still in the page's boxes, and all of these.

    The page has no place in its chat for such a file, and sends it with each message.
    """
    boxed = [*chat[-1].media]
    if not endpoint.kept or not any(turn.media for turn in chat[:-1]):
        return chat, boxed
    filled = set(place_media(endpoint, boxed))
    turns = [chat[-1]]
    for turn in reversed(chat[:-1]):
        placed = place_media(endpoint, turn.media)
        if placed and placed.keys() <= endpoint.kept:
            boxed += [each for key in placed if key not in filled for each in placed[key]]
            filled |= placed.keys()
            turns.append(replace(turn, text=turn.described_text, media=()))
        else:
            turns.append(turn)
    return turns[::-1], boxed


def pair_history(
    endpoint: Endpoint, chat: Sequence[Turn]
) -> tuple[RenderedPrompt, list[Any]] | None:
    """Return a chat as its last message, and the turns before it in the shape of the app's history.

    None when it does not alternate strictly between user and assistant: a history holds
    nothing else.
    """
    found = pair_turns(chat)
    if found is None:
        return None
    earlier, prompt = found
    shape = endpoint.history_shape
    spoken = [turn for turn in chat if not turn.is_system]
    last = [Turn("user", prompt, media=spoken[-1].media)]
    system = [turn for turn in chat if turn.is_system]
    parts = render_prompt([*system, *last], system_apart=endpoint.takes("system"))
    asked = [turn.media for turn in spoken[:-1:2]]
    return parts, [
        row
        for pair, media in zip(earlier, asked, strict=True)
        for row in (*_media_rows(media, shape), *_history_rows(pair, shape))
    ]


def _media_rows(media: Sequence[Media], shape: Shape) -> Iterator[Any]:
    """Yield the rows of a user's media, which Gradio's own page puts before the text."""
    for each in media:
        content = history_content(shape, each)
        yield [content, None] if shape == "pairs" else {"role": "user", "content": content}


def _history_rows(pair: tuple[str, str], shape: Shape) -> list[Any]:
    if shape == "pairs":
        return [list(pair)]
    named = zip(("user", "assistant"), pair, strict=True)
    if shape == "messages":
        return [{"role": role, "content": text} for role, text in named]
    if shape == "blocks":
        said, answered = pair
        reply = [{"type": "text", "content": answered}]
        return [{"role": "user", "content": said}, {"role": "assistant", "content": reply}]
    return [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in named]


def _place_sampling(
    config: SpaceConfig, endpoint: Endpoint, sampling: Mapping[str, float]
) -> dict[Any, Any]:
    placed = endpoint.place_sampling(sampling)
    # Tokens are counted here where the app has no input for them.
    missing = [
        name
        for name in sampling
        if name != "max_tokens" and not endpoint.place_sampling({name: sampling[name]})
    ]
    if missing:
        _warn(f"{config.url} has no input for {' and '.join(missing)}: the app keeps its own.")
    for each in {each.key: each for each in endpoint.every_input}.values():
        wanted = sampling.get(each.role or "")
        sent = placed.get(each.key)
        if wanted is None or sent == wanted or _keeps_limit(each, wanted):
            continue
        low, high = each.limits
        _warn(f"{each.role}={wanted}: {each.name!r} goes from {low} to {high}, so {sent} is sent.")
    return placed


def _own_limit(endpoint: Endpoint, most: float | None) -> float | None:
    """Return the limit of tokens that has to be kept here; None where the app keeps it."""
    if most is None or not endpoint.place_sampling({"max_tokens": most}):
        return most
    return most if any(_keeps_limit(each, most) for each in endpoint.every_input) else None


def _keeps_limit(given: Input, most: float) -> bool:
    """Whether an app's limit of tokens goes no lower than one that is above the wanted one."""
    return given.role == "max_tokens" and given.clamp(most) > most


_REGISTRY: dict[Any, Any] = {}


def _warn(message: str) -> None:
    """Warn in one line: the caller is in another thread or task, so no line of code is shown."""
    warnings.warn_explicit(
        message, UserWarning, "qwen_space", 1, module="qwen_space", registry=_REGISTRY
    )
