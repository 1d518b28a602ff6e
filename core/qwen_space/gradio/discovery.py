"""Finds the function of an app that chats, and the meaning of its inputs.

Where a page answers in steps, and the first only takes the prompt, the endpoint has them
all: such are Qwen's 1M demos, ms-swift's page, and the example in Gradio's own documentation.

Source: an app's `/config`, and its `/info`, which has the names of the functions' parameters from
Gradio 4.20 on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qwen_space.errors import EndpointError, ProtocolError
from qwen_space.gradio.app import (
    CHATS,
    NUMBERS,
    TEXTS,
    TEXTS_WITH_FILES,
    AppComponent,
    AppConfig,
    AppFunction,
)
from qwen_space.gradio.endpoint import SAMPLING, Endpoint, Input, Phase, Role, Shape, bare_name
from qwen_space.gradio.media_inputs import MEDIA_KINDS, MEDIA_ROLES, find_slot
from qwen_space.gradio.roles import Clues, Roles, assign_roles, looks_like_system
from qwen_space.gradio.steps import LOADING, PAGES, Page, find_output

__all__ = ["App", "find_endpoint", "is_unclear", "parameter_names"]

# Names that chat functions have in the Qwen Spaces and in gr.ChatInterface, best first.
_KNOWN_NAMES = ("model_chat_1", "model_chat", "chat", "bot", "respond", "predict")

# Events by which a visitor asks; others, such as "change" or "like", follow from something else.
_ASKING = frozenset({"submit", "click", "key_down"})

_TURNS = re.compile(
    r"histor|memory|(?:chat|context|conversation|previous|past)[a-z ]{0,10}(?:turn|round|message)"
    r"|历史|歷史|轮次|轮数|上文|истори|контекст",
    re.IGNORECASE,
)

_SETTINGS: frozenset[Role | None] = SAMPLING | {"system"}  # that an event of their own may set

_MOST_TOLD = 8  # candidates, or inputs of one, in an error


def find_endpoint(
    config: Any,
    api_name: str | None = None,
    *,
    roles: Mapping[Any, Role | None] | None = None,
    info: Any = None,
) -> Endpoint:
    """Return the function of an app that chats.

    Args:
        config: The JSON of the app's `/config`.
        api_name: The function to take, with or without a slash, or its number as `#3`; None
            chooses one.
        roles: The roles of inputs, by label, parameter or position; None for no role.
        info: The JSON of the app's `/info`, which has the names of parameters; None without.

    Raises:
        ProtocolError: `config` is not Gradio's, or of a Gradio that is too old.
        EndpointError: No function fits, or several do, or none has the inputs of `roles`.
    """
    try:
        app = App(config, roles=roles, info=info)
        return app.best() if api_name is None else app.named(api_name)
    except RecursionError:
        raise ProtocolError("The answer to /config is nested too deeply.") from None


def is_unclear(endpoint: Endpoint) -> bool:
    """Whether the names of its parameters may tell more of its inputs.

    So it is for a text without a role, and for a number without a name. `/info` is asked for
    only then, as it costs a request.
    """
    chat = [step for step in endpoint.before if step.phase == "chat"]
    own = {each for step in chat for each in step.outputs}
    return any(
        each.role is None and each.kind in TEXTS and each.component not in own
        for each in endpoint.chat_inputs
    )


def parameter_names(info: Any, api_name: str | None) -> list[str]:
    """Return the names of a function's parameters in `/info`, which leaves out states."""
    try:
        parameters = info["named_endpoints"][f"/{api_name}"]["parameters"]
        return [str(each["parameter_name"]) for each in parameters]
    except (KeyError, TypeError):
        return []


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A function that can chat.

    Attributes:
        start: The function that the page runs first.
        steps: All functions that a message needs; the last one gives the reply.
        roles: The roles of the components.
        missing: The names in `roles=` that are of no input of its.
    """

    start: AppFunction
    steps: tuple[AppFunction, ...]
    roles: Roles
    missing: tuple[Any, ...]

    @property
    def last(self) -> AppFunction:
        """The function that gives the reply."""
        return self.steps[-1]


class App:
    """An app's functions, as a chat could use them.

    Args:
        config: The JSON of the app's `/config`.
        roles: As for `find_endpoint`.
        info: As for `find_endpoint`.

    Raises:
        ProtocolError: `config` is not Gradio's, or of a Gradio that is too old.
    """

    def __init__(
        self, config: Any, *, roles: Mapping[Any, Role | None] | None = None, info: Any = None
    ) -> None:
        self.config = AppConfig(config)
        self._wanted = dict(roles or {})
        self._info = info
        self._page = Page(self.config.functions)
        candidates = map(self._candidate, self._page.starts)
        self._candidates = [each for each in candidates if each is not None]
        self._replying = {each.last.id: each for each in reversed(self._candidates)}

    def fitting(self, fn_index: int) -> Endpoint | None:
        """Return the endpoint whose reply a function gives; None if it gives none to a chat."""
        found = self._replying.get(fn_index)
        return None if found is None else self._endpoint(found)

    def named(self, name: str) -> Endpoint:
        """Return the endpoint that a function is, or is a step of.

        Raises:
            EndpointError: There is none, or it cannot chat.
        """
        wanted = name.strip().strip("/")
        for each in self._candidates:
            if _is_called(each.last, wanted):
                return self._chosen(each)
        for each in self._candidates:
            if any(_is_called(step, wanted) for step in each.steps):
                return self._chosen(each)
        title = wanted if wanted.startswith("#") else f"/{wanted}"
        for function in self.config.functions:
            if _is_called(function, wanted):
                raise EndpointError(
                    f"{title} takes no text that is known, or gives none back: "
                    f"{self._described(function)}.{_advice(function)} {self._names()}"
                )
        raise EndpointError(f"The app has no endpoint {title}. {self._names()}")

    def best(self) -> Endpoint:
        """Return the endpoint that fits a chat best.

        Raises:
            EndpointError: None fits, or several fit equally well.
        """
        if not self._candidates:
            raise EndpointError(f"The app has no endpoint that fits a chat. {self._unfit()}")
        ranks = [self._rank(each) for each in self._candidates]
        least = min(ranks)
        best = [each for each, rank in zip(self._candidates, ranks, strict=True) if rank == least]
        if len({_likeness(each) for each in best}) > 1:
            shown = [self._titled(each.start, each.roles, each.steps) for each in best]
            raise EndpointError(
                f"Several endpoints of the app fit a chat: {'; '.join(shown[:_MOST_TOLD])}. "
                f'Name one, as with endpoint="{_name(best[0].last)}".'
            )
        chosen = self._chosen(best[0])
        sampling, media = self._with_sampling(best[0]), self._with_media(best[0])
        return replace(
            chosen,
            with_sampling=None if sampling is None else self._chosen(sampling),
            with_media=None if media is None else self._chosen(media),
        )

    def _with_media(self, chosen: _Candidate) -> _Candidate | None:
        """Return the function with the same turns and system prompt that takes files."""
        others = [
            each
            for each in self._candidates
            if _is_public(each) and _turns(each) == _turns(chosen) and _takes_media(each)
        ]
        return min(others, key=self._rank, default=None)

    def _with_sampling(self, chosen: _Candidate) -> _Candidate | None:
        """Return the function of the same chat that takes more sampling parameters; None without.

        The same chat has the same components for the prompt, the turns and the system prompt.
        """
        others = [
            each
            for each in self._candidates
            if _is_public(each)
            and _chat_components(each) == _chat_components(chosen)
            and _sampling_roles(each) > _sampling_roles(chosen)
        ]
        return min(others, key=self._rank, default=None)

    def _rank(self, candidate: _Candidate) -> tuple[int, ...]:
        """Return how well a function fits; less is better.

        gr.ChatInterface keeps the steps of its page out of the app's API: they read the prompt
        from the session's state, which only the step before them fills. They are what is left
        where `multimodal=True` makes its `/chat` fail, in Gradio 4.22 to 4.37: it
        gives its text to a MultimodalTextbox, which takes no plain text.
        """
        first, last = candidate.start, candidate.last
        output = find_output(last)
        fails = output is not None and last.outputs[output].kind == "multimodaltextbox"
        is_asked = not first.events or bool(first.events & _ASKING)
        shows_chat = any(each.kind in CHATS for each in last.outputs)
        name = last.api_name
        known = _KNOWN_NAMES.index(name) if name in _KNOWN_NAMES else len(_KNOWN_NAMES)
        roles = candidate.roles.values()
        told = {(role, component) for component, (role, _) in candidate.roles.items()}
        is_hidden = not (first.public and last.public) or last.api_name is None
        return (
            len(candidate.missing),
            fails,
            not is_asked,
            is_hidden,
            not shows_chat,
            not last.streams,
            known,
            bool(first.events) and "submit" not in first.events,
            output is not None and last.outputs[output].kind in {"json", *PAGES},
            len(SAMPLING.intersection(role for role, _ in roles)) < 2,
            output is not None and ("prompt", last.outputs[output].id) in told,
        )

    # One candidate

    def _candidate(self, start: AppFunction) -> _Candidate | None:
        """Return a start of the page as a candidate; None when it is no chat's."""
        if start.events and start.events <= LOADING:
            return None
        steps = self._page.chain(start, self._takes_prompt)
        if not steps:
            return None
        components = _distinct(steps)
        parameters = self._parameters(steps)
        chosen, missing = _choose(self._wanted, _with_chats(components, steps[-1]), parameters)
        own = {part for part, event in start.targets if event == "submit"}
        clues = Clues(
            own.intersection(each.id for each in components) or self._page.submitting,
            {each.id for each in components if self._page.gives(start, each.id)},
            self._page.elsewhere,
            parameters,
            chosen,
        )
        roles = assign_roles(components, clues)
        if all(role != "prompt" for role, _ in roles.values()):
            return None
        return _Candidate(start, tuple(steps), roles, missing)

    def _takes_prompt(self, function: AppFunction) -> bool:
        """Whether a function takes a text that can be a prompt's, or that the caller says is."""
        if "prompt" in self._wanted.values():
            parameters = self._parameters([function])
            chosen, _ = _choose(self._wanted, function.inputs, parameters)
            if "prompt" in chosen.values():
                return True
        return any(
            each.kind in TEXTS and not each.is_password and looks_like_system(each, Clues()) is None
            for each in function.inputs
        )

    def _parameters(self, steps: Iterable[AppFunction]) -> dict[Any, tuple[str, ...]]:
        """Return the names of the parameters that components are passed as."""
        found: dict[Any, tuple[str, ...]] = {}
        for step in steps:
            names = parameter_names(self._info, step.api_name)
            shown = [each for each in step.inputs if each.kind != "state"]
            if len(names) == len(shown):
                for each, name in zip(shown, names, strict=True):
                    found[each.id] = (*found.get(each.id, ()), name)
        return found

    # The endpoint of a candidate

    def _chosen(self, candidate: _Candidate) -> Endpoint:
        if candidate.missing:
            named = _with_chats(_distinct(candidate.steps), candidate.last)
            names = [f"{at}: {_called(each)}" for at, each in enumerate(named)]
            raise EndpointError(
                f"roles={self._wanted!r:.200}: {_title(candidate.last)} has no input for "
                f"{', '.join(map(repr, candidate.missing))}. Its inputs are {', '.join(names)}."
            )
        return self._endpoint(candidate)

    def _endpoint(self, candidate: _Candidate) -> Endpoint:
        trigger = candidate.start.trigger
        output = _find_chosen_output(candidate)
        remembers = self._page.remembers(candidate.steps) or _forgets(candidate.steps)
        roles = dict(candidate.roles)
        if remembers:
            kept = [each for each, (role, _) in roles.items() if role == "history"]
            for each in kept:
                roles[each] = (None, "")
        parameters = self._parameters(candidate.steps)
        *before, last = (
            self._step(each, roles, trigger, parameters=parameters) for each in candidate.steps
        )
        before = [*self._uploading(candidate, roles), *before]
        before = [*self._setting(candidate), *before]
        before = [*self._loading([*before, last]), *before]
        return replace(
            last,
            output=output,
            before=tuple(before),
            remembers=remembers,
            reasoning_tags=self.config.reasoning_tags,
            shows_page=output is not None and candidate.last.outputs[output].kind in PAGES,
        )

    def _loading(self, steps: Sequence[Endpoint]) -> list[Endpoint]:
        """Return the functions that the page runs as it loads, to fill inputs of these steps."""
        needed = {each.component for step in steps for each in step.inputs}
        return [self._step(each, {}, None, phase="load") for each in self._page.loading(needed)]

    def _setting(self, candidate: _Candidate) -> list[Endpoint]:
        """Return the functions that put a system prompt or a figure into a state of the steps."""
        states = {each.id: each for each in _distinct(candidate.steps) if each.kind == "state"}
        setters = {part.id: (each, part) for each, part in reversed([*self._page.setting(states)])}
        functions = [function for function, _ in setters.values()]
        clues = Clues(parameters=self._parameters(functions))
        taken = {role for role, _ in candidate.roles.values()}
        found = assign_roles([part for _, part in setters.values()], clues).items()
        return [
            self._step(setters[part][0], {part: told}, setters[part][0].trigger, phase="setting")
            for part, told in found
            if told[0] in _SETTINGS - taken
        ]

    def _uploading(self, candidate: _Candidate, roles: Roles) -> list[Endpoint]:
        """Return the functions that the page runs when a file is chosen, to put it in the chat."""
        needed = {each.id for each in _distinct(candidate.steps)}
        found: dict[Role, Endpoint] = {}
        for function in self._page.uploading(needed):
            given = next(each for each in function.inputs if each.id == function.trigger)
            role = next((role for role, kinds in MEDIA_KINDS.items() if given.kind in kinds), None)
            if role is None or given.id in roles or role in found:
                continue
            own: Roles = {**roles, given.id: (role, "its upload starts a function")}
            found[role] = self._step(function, own, function.trigger, phase="upload")
        return [*found.values()]

    def _step(
        self,
        function: AppFunction,
        roles: Roles,
        trigger: Any,
        *,
        phase: Phase = "chat",
        parameters: Mapping[Any, Sequence[str]] | None = None,
    ) -> Endpoint:
        parameters = parameters or {}
        return Endpoint(
            api_name=function.api_name,
            fn_index=function.id,
            trigger_id=trigger,
            inputs=tuple(
                self._input(each, *roles.get(each.id, (None, "")), parameters.get(each.id, ()))
                for each in function.inputs
            ),
            output=None,
            protocol=self.config.protocol,
            prefix=self.config.prefix,
            outputs=tuple(None if each.kind == "state" else each.id for each in function.outputs),
            queued=function.queued,
            phase=phase,
            app_id=self.config.app_id,
            context_window=self.config.context_window,
        )

    def _input(
        self, component: AppComponent, role: Role | None, why: str, parameters: Sequence[str]
    ) -> Input:
        choices = component.choices
        return Input(
            role,
            component.label or component.kind,
            component.value,
            None if choices is None else tuple(choices),
            self._shape(component),
            parameter=parameters[-1] if parameters else None,
            kind=component.kind,
            component=component.id,
            why=why,
            limits=self._limits(component),
            slot=find_slot(component, self.config.release),
        )

    def _limits(self, component: AppComponent) -> tuple[float | None, float | None]:
        """Return the least and greatest value of a slider, where the server refuses others."""
        if component.kind != "slider" or self.config.version.startswith("4."):
            return None, None
        low, high = (component.props.get(name) for name in ("minimum", "maximum"))
        return (
            low if isinstance(low, (int, float)) else None,
            high if isinstance(high, (int, float)) else None,
        )

    def _shape(self, component: AppComponent) -> Shape:
        if component.kind in TEXTS_WITH_FILES:
            return "multimodal"
        if component.kind == "modelscopeprochatbot":
            return "blocks"
        if component.kind == "agentchatbot":
            return "messages"
        if component.kind != "chatbot":
            return "pairs"
        if self.config.version.split(".")[0] in {"4", "5"}:
            return "messages" if component.props.get("type") == "messages" else "pairs"
        return "parts"

    # The sentences of errors

    def _names(self) -> str:
        names = [f"/{each.api_name}" for each in self.config.functions if each.api_name]
        more = ", ..." if len(names) > 30 else ""
        return (
            f"Its endpoints are: {', '.join(names[:30]) or 'none with a name'}{more}. "
            "Name the one to use as endpoint."
        )

    def _unfit(self) -> str:
        """Tell why none of the functions fits, and how to name one with its prompt all the same."""
        able = [each for each in self.config.functions if each.runs and each.inputs]
        able = [each for each in able if any(_is_unknown(part) for part in each.inputs)]
        if not able and any(each.renders for each in self.config.functions):
            return (
                "Its page makes parts of itself only while it is open in a browser (gr.render), "
                f"and /config does not tell of them. {self._names()}"
            )
        if not able:
            return self._names()
        shown = "; ".join(self._described(each) for each in able[:_MOST_TOLD])
        at, part = next(pair for pair in enumerate(able[0].inputs) if _is_unknown(pair[1]))
        key = repr(part.label) if part.label else at
        return (
            f"Candidates with an input of a kind that is not known: {shown}. If one of them takes "
            f'the prompt, say so, as with endpoint="{_name(able[0])}", roles={{{key}: "prompt"}}.'
        )

    def _described(self, function: AppFunction) -> str:
        return self._titled(function, {}, [function])

    def _titled(self, start: AppFunction, roles: Roles, steps: Sequence[AppFunction]) -> str:
        """Describe a candidate by its name, its number and its inputs."""
        shown = [each for each in _distinct(steps) if each.kind != "state"]
        takes = []
        for each in shown[:_MOST_TOLD]:
            role, _ = roles.get(each.id, (None, ""))
            unknown = f", an unknown {each.kind}" if _is_unknown(each) else ""
            takes.append(f"{_called(each)}{f' as {role}' if role else ''}{unknown}")
        more = ", ..." if len(shown) > _MOST_TOLD else ""
        last = steps[-1]
        number = "" if last.api_name is None else f"#{last.id} "
        return f"{_title(last)} ({number}{', '.join(takes)}{more})"


def _distinct(steps: Iterable[AppFunction]) -> tuple[AppComponent, ...]:
    """Return the components that some steps take, each once."""
    return tuple({each.id: each for step in steps for each in step.inputs}.values())


def _with_chats(
    components: Iterable[AppComponent], function: AppFunction
) -> tuple[AppComponent, ...]:
    """Return components and, behind them, the chats that a function shows."""
    shown = [each for each in function.outputs if each.kind in CHATS]
    return tuple({each.id: each for each in (*components, *shown)}.values())


def _find_chosen_output(candidate: _Candidate) -> int | None:
    """Return the position of the reply: of several chats, the one that the turns are put into."""
    chosen = {part for part, (role, _) in candidate.roles.items() if role == "history"}
    for position, each in enumerate(candidate.last.outputs):
        if each.id in chosen and each.kind in CHATS:
            return position
    return find_output(candidate.last)


def _chat_components(candidate: _Candidate) -> Mapping[Any, Any]:
    roles = candidate.roles.items()
    return {role: part for part, (role, _) in roles if role in {"prompt", "history", "system"}}


def _turns(candidate: _Candidate) -> Mapping[Any, Any]:
    parts = _chat_components(candidate).items()
    return {role: part for role, part in parts if role != "prompt"}


def _is_public(candidate: _Candidate) -> bool:
    return candidate.last.public and candidate.last.api_name is not None


def _takes_media(candidate: _Candidate) -> bool:
    prompts = (part for part, (role, _) in candidate.roles.items() if role == "prompt")
    kinds = {each.id: each.kind for each in _distinct(candidate.steps)}
    has_files = any(kinds.get(part) in TEXTS_WITH_FILES for part in prompts)
    return has_files or any(role in MEDIA_ROLES for role, _ in candidate.roles.values())


def _sampling_roles(candidate: _Candidate) -> frozenset[Role | None]:
    return SAMPLING.intersection(role for role, _ in candidate.roles.values())


def _forgets(steps: Sequence[AppFunction]) -> bool:
    """Whether a number of earlier turns that the model gets is 0, as the page has it."""
    numbers = [each for each in _distinct(steps) if each.kind in NUMBERS and each.value == 0]
    return any(_TURNS.search((each.label or "")[:200]) for each in numbers)


def _likeness(candidate: _Candidate) -> tuple[Any, ...]:
    """Return the part that two candidates share which do the same, as a box's and a button's."""
    inputs = tuple(tuple(each.id for each in step.inputs) for step in candidate.steps)
    return inputs, find_output(candidate.last)


def _choose(
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


def _is_unknown(component: AppComponent) -> bool:
    """Whether a component is of no kind of Gradio's or of the libraries that are known."""
    return component.kind not in _KNOWN_KINDS


# The components of Gradio 4 to 6, from `gradio/components`, that take no text to answer.
_KNOWN_KINDS = frozenset(
    {
        "annotatedimage",
        "audio",
        "bargraph",
        "box",
        "browserstate",
        "button",
        "chatbot",
        "checkbox",
        "checkboxgroup",
        "clearbutton",
        "code",
        "colorpicker",
        "dataframe",
        "dataset",
        "datetime",
        "deeplinkbutton",
        "dialogue",
        "downloadbutton",
        "dropdown",
        "duplicatebutton",
        "file",
        "fileexplorer",
        "form",
        "gallery",
        "highlightedtext",
        "html",
        "image",
        "imageeditor",
        "imageslider",
        "json",
        "label",
        "lineplot",
        "loginbutton",
        "logoutbutton",
        "markdown",
        "model3d",
        "multimodaltextbox",
        "nativeplot",
        "navbar",
        "number",
        "paramviewer",
        "plot",
        "radio",
        "row",
        "scatterplot",
        "simpledropdown",
        "simpleimage",
        "simpletextbox",
        "sketchpad",
        "slider",
        "state",
        "textbox",
        "timer",
        "uploadbutton",
        "video",
        "column",
        "tab",
        "tabs",
        "accordion",
        "group",
    }
) | frozenset({*TEXTS, *CHATS})


def _is_called(function: AppFunction, name: str) -> bool:
    return name == (f"#{function.id}" if name.startswith("#") else function.api_name)


def _name(function: AppFunction) -> str:
    return f"#{function.id}" if function.api_name is None else function.api_name


def _title(function: AppFunction) -> str:
    return f"#{function.id}" if function.api_name is None else f"/{function.api_name}"


def _called(component: AppComponent) -> str:
    return component.label or component.kind


def _advice(function: AppFunction) -> str:
    """Return how to say which of a function's inputs is the prompt, if one can be."""
    for at, each in enumerate(function.inputs):
        if each.kind != "state" and each.kind not in CHATS and find_output(function) is not None:
            key = repr(each.label) if each.label else at
            return (
                f' If one of its inputs is the prompt, say so, as with roles={{{key}: "prompt"}}.'
            )
    return ""
