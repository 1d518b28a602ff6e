"""An app's function as data: its number, the meaning of its inputs, the place of the reply."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from qwen_space.chat.media import Media
from qwen_space.config import DEFAULT_REASONING_TAGS, InputRole
from qwen_space.errors import ModelNotOfferedError
from qwen_space.gradio.page.api_parameters import API
from qwen_space.gradio.page.beside import Beside
from qwen_space.gradio.page.media_inputs import MEDIA_ROLES, MediaSlot
from qwen_space.gradio.wire.files import component_value

__all__ = ["SAMPLING", "Endpoint", "Input", "Phase", "Role", "Shape", "bare_name"]

Role = InputRole | Literal["settings"]
Shape = Literal["pairs", "messages", "parts", "blocks", "multimodal"]
Phase = Literal["load", "change", "setting", "upload", "typing", "chat"]

SAMPLING: frozenset[Role] = frozenset({"max_tokens", "temperature", "top_p"})


@dataclass(frozen=True, slots=True)
class Input:
    """One of a function's inputs.

    Attributes:
        role: Its use in a chat; None for any other, which keeps its default. "settings" is
            one input for the system prompt, the model and more, by the names in its default.
        name: The component's label, or its type when it has none.
        default: The value that the page sends when nobody has touched the component.
        choices: The values that it offers; None when it takes any.
        shape: The form of a history's turns: "pairs" of strings, "messages" with a string as
            content, "parts", messages with a list as content, or "blocks", those of
            modelscope_studio, where only a reply is a list. "multimodal" is a prompt that can
            come with files.
        parameter: The name of the function's parameter, if the app's `/info` was asked for it.
        kind: The component's type.
        component: The component's number in the app's `/config`.
        why: The reason for its role, in words.
        limits: The least and the greatest value that the server takes; None for no limit.
        slot: The way in which it takes pictures and files; None if it takes none.
    """

    role: Role | None
    name: str
    default: Any = None
    choices: tuple[Any, ...] | None = None
    shape: Shape = "pairs"
    parameter: str | None = None
    kind: str = "textbox"
    component: Any = field(default=None, compare=False)
    why: str = field(default="", compare=False)
    limits: tuple[float | None, float | None] = field(default=(None, None), compare=False)
    slot: MediaSlot | None = field(default=None, compare=False)

    @property
    def holds_chat(self) -> bool:
        """Whether it takes the whole chat as a list of messages, the prompt as the last one."""
        return self.role == "prompt" and self.kind == API

    def clamp(self, value: float) -> float:
        """Return the nearest value that the server takes, as the page's own slider does."""
        low, high = self.limits
        value = value if low is None else max(value, low)
        return value if high is None else min(value, high)

    @property
    def key(self) -> Any:
        """Its identity among the inputs of all steps: two steps may take one component."""
        return self.name if self.component is None else self.component

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a value for it may be given by, in one form."""
        own = (bare_name(self.name), *([bare_name(self.parameter)] if self.parameter else []))
        return (*own, *self.default) if self.role == "settings" else own

    @property
    def is_free(self) -> bool:
        """Whether a caller may give it a value by its name."""
        is_state = self.kind == "state" and self.role != "settings"
        return self.role in {None, "settings", *SAMPLING, *MEDIA_ROLES} and not is_state


@dataclass(frozen=True)  # without slots, as each call asks for the cached properties
class Endpoint:
    """A function of an app, and the meaning of its inputs to a chat.

    Where the page answers in steps, it is the last of them, and `before` has the others.

    Attributes:
        api_name: Its name, without a slash; None if it has none.
        fn_index: Its number, by which the queue knows it.
        trigger_id: The component that starts it on the page, or None.
        inputs: Its inputs, in order.
        output: The position of the chat component among its outputs; None if no reply is there.
        protocol: The name of the queue's protocol, such as "sse_v3"; None if not known.
        prefix: The part of a path before the queue's: "" or "/gradio_api".
        before: The functions that the page runs before it, in the same session.
        outputs: The numbers of the components that it gives, None for a state, which stays on
            the server.
        queued: Whether it goes by the queue.
        remembers: Whether it may find the chat in its session, where no history can be put.
        phase: When the page runs it: as it loads, when that has changed a component, when a system
            prompt or a figure is set, when a file is uploaded, as the prompt is typed, or in the
            chat.
        started_by: The components that start it when the load has changed one of them: their
            values before it, by their numbers.
        is_deaf: Whether the server may not see that a stream is left, and has to be asked to stop
            the job.
        app_id: The number that the app drew when it started; None if it has none.
        context_window: How many tokens the app's model takes; None where it does not say so.
        reasoning_tags: The tags between which the page's chat shows thoughts.
        shows_page: Whether its output is HTML that shows the whole chat.
        gives_response: Whether it is for the API alone, as `/chat` of a `gr.ChatInterface`.
        with_sampling: The function that answers the same chat and takes sampling parameters that
            this one does not; None if there is none.
        with_media: The function with the same turns that takes files; None if there is none.
        remark_places: The outputs beside the reply that show a text: their labels and first
            values, by their numbers.
        beside: The outputs that it fills beside the reply.
        locked: The placeholder of the prompt's box where the page locks it at first, as until a
            file is uploaded; "" elsewhere.
        ticks: Whether a timer of the page changes the reply, too, which is not followed.
        kept: The keys of the inputs beside the prompt whose file stays there after a message.
        opening: The functions that may start the app's backend as its page is opened.
        opens_sessions: Whether they may keep something for each session, and not for all.
        loads: All functions that the page runs as it is opened and that a chat may do without.
    """

    api_name: str | None
    fn_index: int
    trigger_id: int | None
    inputs: tuple[Input, ...]
    output: int | None
    protocol: str | None = None
    prefix: str = ""
    before: tuple[Endpoint, ...] = ()
    outputs: tuple[Any, ...] = field(default=(), compare=False)
    queued: bool = field(default=True, compare=False)
    remembers: bool = field(default=False, compare=False)
    phase: Phase = field(default="chat", compare=False)
    started_by: Mapping[Any, Any] = field(default_factory=dict, compare=False)
    is_deaf: bool = field(default=False, compare=False)
    app_id: Any = field(default=None, compare=False)
    context_window: int | None = field(default=None, compare=False)
    reasoning_tags: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    shows_page: bool = field(default=False, compare=False)
    gives_response: bool = field(default=False, compare=False)
    with_sampling: Endpoint | None = field(default=None, compare=False)
    with_media: Endpoint | None = field(default=None, compare=False)
    remark_places: Mapping[Any, tuple[str, Any]] = field(default_factory=dict, compare=False)
    beside: tuple[Beside, ...] = field(default=(), compare=False)
    locked: str = field(default="", compare=False)
    ticks: bool = field(default=False, compare=False)
    kept: frozenset[Any] = field(default=frozenset(), compare=False)
    opening: tuple[Endpoint, ...] = field(default=(), compare=False)
    opens_sessions: bool = field(default=False, compare=False)
    loads: tuple[Endpoint, ...] = field(default=(), compare=False)

    def choose_tags(self, tags: tuple[str, str] | None) -> tuple[tuple[str, str], ...]:
        """Return the tags around thoughts: the caller's, or the page's own beside the default."""
        if tags is None:
            return ()
        return (*self.reasoning_tags, tags) if self.thinks_anywhere(tags) else (tags,)

    def thinks_anywhere(self, tags: tuple[str, str] | None) -> bool:
        """Whether the page's own tags count, between which it shows thoughts wherever they are."""
        return bool(self.reasoning_tags) and tags == DEFAULT_REASONING_TAGS

    @cached_property
    def every_input(self) -> tuple[Input, ...]:
        """The inputs of all the steps."""
        return tuple(each for step in (*self.before, self) for each in step.inputs)

    @property
    def chat_inputs(self) -> tuple[Input, ...]:
        """The inputs of the steps of the chat, each component once; roles count in this order."""
        steps = [step for step in (*self.before, self) if step.phase == "chat"]
        return tuple({each.key: each for step in steps for each in step.inputs}.values())

    @property
    def shown(self) -> Any:
        """The number of the component that shows the reply; None where it is not known."""
        at = self.output
        return None if at is None or at >= len(self.outputs) else self.outputs[at]

    @property
    def is_discovered(self) -> bool:
        """Whether an app's `/config` told of it, and not the table of known Spaces."""
        return any(each.component is not None for each in self.every_input)

    @property
    def title(self) -> str:
        """Its name as people write it, `/chat`, or its number, `#3`: both can be asked for."""
        return f"#{self.fn_index}" if self.api_name is None else f"/{self.api_name}"

    def is_started(self, loaded: Mapping[Any, Any], changed: Container[Any] = ()) -> bool:
        """Whether one of the components that start it has another value than before the load.

        Args:
            loaded: The values that components got since, by their numbers.
            changed: The numbers of the states that have another value, which stays on the server.
        """
        return any(each in changed for each in self.started_by) or any(
            loaded.get(each, before) != before and not (loaded[each] is None and before == "")
            for each, before in self.started_by.items()
        )

    def knows(self, names: Iterable[str]) -> bool:
        """Whether there is an input for each of these names and sampling parameters.

        True also where the names of the parameters are known, as nothing else would help.
        """
        wanted = {bare_name(name) for name in names}
        if not wanted or any(each.parameter for each in self.every_input):
            return True
        free = {name for each in self._free for name in each.names}
        # Where a label does not say it, only the range does, and the parameter would be surer.
        free.update(each.role for each in self._free if each.role and each.name != each.kind)
        return wanted <= free

    def takes(self, role: Role) -> bool:
        """Whether the function has an input for this."""
        if role == "history" and self.remembers:
            return False
        roles = self._roles
        if role in {"system", "history"} and self._holds_chat:
            return True
        return role in roles or (role in {"system", "model"} and "settings" in roles)

    @property
    def history_shape(self) -> Shape:
        """The form of the turns in the input that takes them."""
        taking = (each for each in self.chat_inputs if each.role == "history" or each.holds_chat)
        return next(each.shape for each in taking)

    @cached_property
    def _holds_chat(self) -> bool:
        return any(each.holds_chat for each in self.every_input)

    @cached_property
    def _roles(self) -> frozenset[Role | None]:
        return frozenset(each.role for each in self.every_input)

    @cached_property
    def _free(self) -> tuple[Input, ...]:
        return tuple({each.key: each for each in self.every_input if each.is_free}.values())

    def place_sampling(self, sampling: Mapping[str, float]) -> dict[Any, Any]:
        """Return the values of those sampling parameters that the function has an input for.

        Args:
            sampling: `temperature`, `top_p` and `max_tokens`.

        Returns:
            The values by the inputs' keys, as `data` takes them, within the inputs' limits.
        """
        placed: dict[Any, Any] = {}
        for wanted, value in sampling.items():
            for each in self._free:
                if each.role == wanted:
                    placed[each.key] = each.clamp(value)
                elif each.role == "settings" and wanted in each.default:
                    placed.setdefault(each.key, {})[wanted] = value
        return placed

    def choose_function(
        self,
        sampling: Mapping[str, float],
        inputs: Mapping[str, Any],
        model: str,
        media: Iterable[Media] = (),
    ) -> Endpoint:
        """Return the function of this chat that takes sampling parameters, inputs, model and media.

        It is this one unless another takes all of them, and more of the parameters or the media,
        or a model that this one does not offer.
        A limit of tokens alone is none to change it for, as the client can keep it.
        """
        if self.with_media is not None:
            refused = [each for each in media if not self.takes_media(each)]
            if refused and all(map(self.with_media.takes_media, refused)):
                return self.with_media
        other = self.with_sampling
        asked = {name: value for name, value in sampling.items() if name != "max_tokens"}
        if other is None:
            return self
        takes_more = len(other.place_sampling(asked)) > len(self.place_sampling(asked))
        if (not takes_more and self.offers(model)) or not other.offers(model):
            return self
        try:
            other.place_inputs(inputs)
        except ValueError:
            return self
        return other

    def offers(self, model: str) -> bool:
        """Whether the app's model input has a value that `model` stands for."""
        try:
            self.choose_model(model)
        except ModelNotOfferedError:
            return False
        return True

    def place_inputs(self, inputs: Mapping[str, Any]) -> dict[Any, Any]:
        """Return the values of further inputs, by the inputs' keys, as `data` takes them.

        Args:
            inputs: Values by label or parameter.

        Raises:
            ValueError: There is no further input of such a name, or there are several.
        """
        placed: dict[Any, Any] = {}
        for name, value in inputs.items():
            each = self._named(name, inputs)
            if each.role == "settings" and bare_name(name) in each.default:
                placed.setdefault(each.key, {})[bare_name(name)] = value
            else:
                placed[each.key] = value
        return placed

    def _named(self, name: str, inputs: Iterable[str]) -> Input:
        wanted = bare_name(name)
        found = [each for each in self._free if wanted in each.names]
        by_parameter = [each for each in found if bare_name(each.parameter or "") == wanted]
        found = by_parameter or found
        if len(found) == 1:
            return found[0]
        offered = ", ".join(each.parameter or each.name for each in self._free[:30]) or "none"
        fault = f"has {len(found)} inputs named {name!r:.100}" if found else "has no such input"
        raise ValueError(
            f"inputs={sorted(inputs)!r:.200}: the app {fault}. Its further inputs are: {offered}."
        )

    @cached_property
    def media_inputs(self) -> tuple[Input, ...]:
        """The inputs for media, in the order in which they are filled: the message's own first."""
        found = {each.key: each for each in self.every_input if each.slot is not None}
        places = ("prompt", *MEDIA_ROLES)
        used = [each for each in found.values() if each.role in places]
        return tuple(sorted(used, key=lambda each: places.index(each.role or "")))

    def takes_media(self, media: Media) -> bool:
        """Whether one of the inputs takes a media of this type."""
        return any(each.slot is not None and each.slot.takes(media) for each in self.media_inputs)

    def chat_takes_media(self, media: Media) -> bool:
        """Whether this function, or the one of the chat for files, takes a media of this type."""
        functions = (self, self.with_media)
        return any(each is not None and each.takes_media(media) for each in functions)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that the app offers; none where it has no choice, or fills it in later."""
        given = self._model_input
        own = () if given is None else tuple(map(str, given.choices or ()))
        further = () if self.with_sampling is None else self.with_sampling.models
        return tuple(dict.fromkeys([*own, *further]))

    @cached_property
    def _model_input(self) -> Input | None:
        choosing = (each for each in self.every_input if each.role in {"model", "settings"})
        return next(choosing, None)

    @cached_property
    def _bare_models(self) -> Mapping[str, Any]:
        """The choices of the model's input by their bare names, the first of each name."""
        choices = () if self._model_input is None else self._model_input.choices or ()
        return {_bare_model(str(choice)): choice for choice in reversed(choices)}

    def choose_model(self, model: str) -> Any:
        """Return the value of the app's model input that `model` stands for; None without one.

        Raises:
            ModelNotOfferedError: The app does not offer it.
        """
        given = self._model_input
        wanted = _bare_model(model)
        if given is None:
            if wanted in _DEFAULT_MODELS:
                return None
            raise ModelNotOfferedError(
                f"model={model!r}: this app has one model only; give 'qwen-2.5'."
            )
        if wanted in self._bare_models:
            return self._bare_models[wanted]
        choices = given.choices or ()
        if "coder" in given.name.lower() and wanted.startswith("coder-"):
            return self.choose_model(wanted.removeprefix("coder-"))
        if wanted in _DEFAULT_MODELS:
            default = None if given.role == "settings" else given.default
            return default if default is not None else next(iter(choices), None)
        if given.role == "model" and not choices:  # the page fills them in as it loads
            return model
        offered = ", ".join(self.models)
        raise ModelNotOfferedError(
            f"model={model!r} is not offered by this Space; it offers: {offered}. "
            "'qwen-2.5' takes its default."
        )

    def data(
        self,
        prompt: str,
        system: str | None = None,
        *,
        model: Any = None,
        history: Iterable[Any] = (),
        values: Mapping[Any, Any] | None = None,
        loaded: Mapping[Any, Any] | None = None,
        page: Mapping[Any, Any] | None = None,
        files: Mapping[Any, Sequence[Any]] | None = None,
    ) -> list[Any]:
        """Return the function's arguments, in order.

        Args:
            prompt: The prompt.
            system: The system prompt; None leaves the app's own.
            model: A value that `choose_model` gave; None leaves the app's own.
            history: The earlier turns in the component's own shape, after those of the app.
            values: Values of further inputs, by their keys.
            loaded: Values that components got when the page was loaded, by their numbers.
            page: Values that the steps before left in components, by their numbers.
            files: The `FileData` of media, by the inputs' keys.
        """
        given = {"prompt": prompt, "system": system, "model": model, "history": list(history)}
        given["files"] = files or {}
        apart = not self._roles.isdisjoint({"system", "settings"})
        given["lead"] = [] if apart or system is None else [_message("system", system)]
        return [
            _argument(each, given, values or {}, loaded or {}, page or {}) for each in self.inputs
        ]


def _argument(
    each: Input,
    given: Mapping[str, Any],
    values: Mapping[Any, Any],
    loaded: Mapping[Any, Any],
    page: Mapping[Any, Any],
) -> Any:
    """Return the value that the page would send for an input, with the caller's in their places."""
    if each.component is not None and each.component in page:
        return _shown(each, page[each.component])
    default = _shown(each, loaded.get(each.component, each.default))
    if each.role == "settings":
        return {**default, **dict(_settings(given)), **values.get(each.key, {})}
    if each.role == "history":
        return [*(default if isinstance(default, list) else ()), *given["history"]]
    if each.holds_chat:
        return [*given["lead"], *given["history"], _message("user", given["prompt"])]
    files = given["files"].get(each.key, [])
    if each.role == "prompt" and each.shape == "multimodal":
        return {"text": given["prompt"], "files": files}
    if files and each.slot is not None:
        return component_value(each.slot.shape, files)
    if each.key in values:
        return values[each.key]
    if each.role == "model" and given["model"] == each.default:
        return default
    value = given.get(each.role or "")
    return default if value is None else value


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def _shown(each: Input, value: Any) -> Any:
    """Return a component's value as the page holds it: a box for text that got null is empty."""
    is_box = each.kind in {"textbox", "simpletextbox"} and each.default is not None
    return "" if value is None and is_box else value


def _settings(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the caller's part of an input that holds several settings."""
    for name, role in (("model", "model"), ("sys_prompt", "system")):
        if given[role] is not None:
            yield name, given[role]


_DEFAULT_MODELS = frozenset({"qwen-2.5", "qwen-qwen2-5", "qwen2.5"})
_MODEL_AFFIXES = re.compile(r"^(?:qwen/)?(?:qwen-?2[.-]5-)?|-(?:instruct|chat)$")


def _bare_model(model: str) -> str:
    """Return the part of a model's name that tells it from others: `7b` of Qwen2.5-7B-Instruct."""
    return _MODEL_AFFIXES.sub("", model.strip().lower())


def bare_name(name: str) -> str:
    """Return a parameter's name or label in one form: `max_new_tokens` for "Max new tokens"."""
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")
