"""Finds the function of an app that chats, and the meaning of its inputs.

Where a page answers in steps, and the first only takes the prompt, the endpoint has them
all: such are Qwen's 1M demos, ms-swift's page, and the example in Gradio's own documentation.

Source: an app's `/config`, and its `/info`, which has the names of the functions' parameters from
Gradio 4.20 on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from qwen_space.errors import EndpointError, ProtocolError
from qwen_space.gradio.page.advice import (
    MOST_TOLD,
    describe,
    explain_status,
    explain_unfit,
    function_name,
    function_title,
    input_name,
    list_names,
    prompt_advice,
)
from qwen_space.gradio.page.api_parameters import API
from qwen_space.gradio.page.app import CHATS, TEXTS, AppComponent, AppConfig, AppFunction
from qwen_space.gradio.page.beside import find_beside
from qwen_space.gradio.page.candidate import (
    Candidate,
    choose_first,
    distinct_inputs,
    visitor_inputs,
    with_chats,
    with_rivals,
)
from qwen_space.gradio.page.chosen_roles import choose_roles
from qwen_space.gradio.page.endpoint import SAMPLING, Endpoint, Phase, Role
from qwen_space.gradio.page.function_endpoint import to_endpoint
from qwen_space.gradio.page.media_inputs import MEDIA_KINDS, MEDIA_ROLES
from qwen_space.gradio.page.message_lists import find_message_list
from qwen_space.gradio.page.opening import find_loads, find_opening
from qwen_space.gradio.page.outputs import PAGES, find_remark_places
from qwen_space.gradio.page.roles import Clues, Roles, assign_roles, looks_like_system
from qwen_space.gradio.page.steps import LOADING, Page

__all__ = ["App", "find_endpoint", "is_unclear", "parameter_names"]

_SETTINGS: frozenset[Role | None] = SAMPLING | {"system"}  # that an event of their own may set


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

    So it is for a text without a role, for a number without a name, and for a list or an object
    that a function of `gr.api` takes, whatever its role. `/info` is asked for only then, as it
    costs a request.
    """
    chat = [step for step in endpoint.before if step.phase == "chat"]
    own = {each for step in chat for each in step.outputs}
    return any(
        (each.role is None and each.kind in {*TEXTS, API} and each.component not in own)
        or each.holds_chat
        for each in endpoint.chat_inputs
    )


def parameter_names(info: Any, api_name: str | None) -> list[str]:
    """Return the names of a function's parameters in `/info`, which leaves out states."""
    try:
        parameters = info["named_endpoints"][f"/{api_name}"]["parameters"]
        return [str(each["parameter_name"]) for each in parameters]
    except (KeyError, TypeError):
        return []


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
        self._page = Page(self.config.functions, self.config.hidden)
        self._candidates = self._find_candidates(TEXTS) or self._find_candidates({"code"})
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
        names = list_names(self.config.functions)
        for function in self.config.functions:
            if _is_called(function, wanted):
                raise EndpointError(
                    f"{title} takes no text that is known, or gives none back: "
                    f"{describe([function])}.{prompt_advice(function)} {names}"
                )
        raise EndpointError(f"The app has no endpoint {title}. {names}")

    def best(self) -> Endpoint:
        """Return the endpoint that fits a chat best.

        Raises:
            EndpointError: None fits, or several fit equally well.
        """
        if not self._candidates:
            raise EndpointError(
                f"The app has no endpoint that fits a chat. {explain_unfit(self.config.functions)}"
            )
        ranks = [each.rank for each in self._candidates]
        least = min(ranks)
        best = [each for each, rank in zip(self._candidates, ranks, strict=True) if rank == least]
        if len({each.likeness for each in best}) > 1:
            best = choose_first(self._submitted(best))
        if len({each.likeness for each in best}) > 1:
            shown = [describe(each.steps, each.roles) for each in best]
            raise EndpointError(
                f"Several endpoints of the app fit a chat: {'; '.join(shown[:MOST_TOLD])}. "
                f'Name one, as with endpoint="{function_name(best[0].last)}".'
            )
        if best[0].only_reports and "prompt" not in self._wanted.values():
            told = explain_status(best[0].steps, best[0].roles)
            raise EndpointError(f"The app has no endpoint that fits a chat. {told}")
        chosen = self._chosen(best[0])
        media = self._with_media(best[0])
        sampling = self._with_sampling(best[0], media)
        return replace(
            chosen,
            with_sampling=None if sampling is None else self._chosen(sampling),
            with_media=None if media is None else self._chosen(media),
        )

    def _submitted(self, rivals: list[Candidate]) -> list[Candidate]:
        """Return the functions that the submit event of the rivals' box starts; these without one.

        Buttons may do other things with an answer of theirs, as put one of several into the chat.
        A function that is less fit than they are, as without an input of `roles=`, tells nothing.
        """
        unfitness, is_hidden = rivals[0].unfitness, rivals[0].is_hidden
        boxes = {part.id for each in rivals for part in each.prompts}
        taken = [{part.id for part in distinct_inputs(each.steps)} - boxes for each in rivals]
        submitted = [
            each
            for each in self._candidates
            if each.unfitness == unfitness
            and each.is_hidden == is_hidden
            and any(event == "submit" and part in boxes for part, event in each.start.targets)
            and not any(parts.isdisjoint(part.id for part in each.last.outputs) for parts in taken)
        ]
        return submitted if len(boxes) == 1 and submitted else rivals

    def _with_media(self, chosen: Candidate) -> Candidate | None:
        """Return the function with the same turns and system prompt that takes files."""
        others = [
            each
            for each in self._candidates
            if each.is_public and each.turn_parts == chosen.turn_parts and each.takes_media
        ]
        return min(others, key=lambda each: each.rank, default=None)

    def _with_sampling(self, chosen: Candidate, media: Candidate | None) -> Candidate | None:
        """Return the function of the same chat that takes more sampling parameters; None without.

        The same chat has the same components for the prompt, the turns and the system prompt. The
        function for its files answers a text, too, if its prompt is a box of texts with files and
        it takes the same turns; one with a picture beside its text may ask for it.
        """
        answers_text = (
            media is not None and media.takes_files_in_message and "history" in media.turn_parts
        )
        others = [
            each
            for each in self._candidates
            if each.is_public
            and (each.chat_parts == chosen.chat_parts or (answers_text and each is media))
            and each.sampling > chosen.sampling
        ]
        return min(others, key=lambda each: each.rank, default=None)

    def _find_candidates(self, prompts: Collection[str]) -> list[Candidate]:
        """Return the functions that chat, with a prompt of one of these kinds."""
        self._prompts = prompts
        candidates = map(self._candidate, self._page.starts)
        return with_rivals([each for each in candidates if each is not None])

    # One candidate

    def _candidate(self, start: AppFunction) -> Candidate | None:
        """Return a start of the page as a candidate; None when it is no chat's."""
        if start.events and start.events <= LOADING:
            return None
        steps = self._page.chain(start, self._takes_prompt)
        if not steps:
            return None
        components = distinct_inputs(steps)
        inputs = [each.id for each in components]
        parameters = self._parameters(steps)
        chosen, missing = choose_roles(self._wanted, with_chats(components, steps[-1]), parameters)
        # The API's own, as `gr.ChatInterface` has it, in Gradio 4 behind a hidden button.
        is_for_api = not start.events or start.trigger in self.config.hidden
        clues = Clues(
            self._page.submitting if is_for_api else self._page.boxes(start, inputs),
            {each.id for each in components if self._page.gives(start, each.id)},
            self._page.elsewhere,
            parameters,
            chosen,
            _place(chosen, components, steps[-1]),
        )
        # A step before may also only lock the prompt's box.
        for among in (visitor_inputs(steps), components):
            roles = assign_roles(among, clues)
            prompts = {part for part, (role, _) in roles.items() if role == "prompt"}
            if prompts:
                break
        else:
            return None
        shows_chat = any(each.kind in CHATS for each in steps[-1].outputs)
        gives_response = is_for_api and any(map(self._page.answers_in_chat, prompts))
        return Candidate(
            start,
            tuple(steps),
            roles,
            missing,
            shows_chat=shows_chat or gives_response,
            gives_response=gives_response and not shows_chat,
            asks_later=prompts <= self.config.hidden,
            is_closed=prompts <= self.config.in_closed_parts,
            buttons=self._buttons(start),
        )

    def _buttons(self, start: AppFunction) -> tuple[str, ...]:
        """Return the words on the buttons whose click starts a function."""
        clicked = [part for part, event in start.targets if event == "click"]
        buttons = [each for each in map(self.config.component, clicked) if each.kind == "button"]
        return tuple(str(each.props.get("value") or "")[:200] for each in buttons)

    def _takes_prompt(self, function: AppFunction) -> bool:
        """Whether a function takes a text that can be a prompt's, or that the caller says is."""
        parameters = self._parameters([function])
        if "prompt" in self._wanted.values():
            chosen, _ = choose_roles(self._wanted, function.inputs, parameters)
            if "prompt" in chosen.values():
                return True
        if find_message_list(function.inputs, parameters) is not None:
            return True
        return any(
            each.kind in self._prompts
            and not each.is_password
            and looks_like_system(each, Clues(), surely=True) is None
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

    def _chosen(self, candidate: Candidate) -> Endpoint:
        if candidate.missing:
            named = with_chats(distinct_inputs(candidate.steps), candidate.last)
            names = [f"{at}: {input_name(each)}" for at, each in enumerate(named)]
            raise EndpointError(
                f"roles={self._wanted!r:.200}: {function_title(candidate.last)} has no input for "
                f"{', '.join(map(repr, candidate.missing))}. Its inputs are {', '.join(names)}."
            )
        return self._endpoint(candidate)

    def _endpoint(self, candidate: Candidate) -> Endpoint:
        trigger = candidate.start.trigger
        output = candidate.output
        roles = dict(candidate.roles)
        used = {each for each, (role, _) in roles.items() if role is not None}
        remembers = self._page.remembers(candidate.steps, used) or candidate.forgets
        if remembers:
            kept = [each for each, (role, _) in roles.items() if role == "history"]
            for each in kept:
                roles[each] = (None, "")
        parameters = self._parameters(candidate.steps)
        *before, last = (
            self._step(each, roles, trigger, parameters=parameters) for each in candidate.steps
        )
        before = [*self._typing(candidate, roles), *before]
        before = [*self._uploading(candidate, roles), *before]
        before = [*self._setting(candidate), *before]
        boxes = [part for part, (role, _) in roles.items() if role == "prompt"]
        tabs = self.config.layout.tabs_around(boxes)
        before = [*self._loading([*before, last], candidate, tabs), *before]
        before = [*self._rendering(candidate.steps), *before]
        loads = self._page.opening(tabs), {each.fn_index for each in before}
        shown = None if output is None else candidate.last.outputs[output]
        return replace(
            last,
            output=output,
            before=tuple(before),
            remembers=remembers,
            reasoning_tags=self.config.reasoning_tags,
            shows_page=shown is not None and shown.kind in PAGES,
            gives_response=candidate.gives_response,
            remark_places=find_remark_places(
                (each for step in candidate.steps for each in step.outputs),
                distinct_inputs(candidate.steps),
                None if shown is None else shown.id,
            ),
            beside=find_beside(
                candidate.last.outputs,
                distinct_inputs(candidate.steps),
                output,
                self.config.hidden,
            ),
            locked=candidate.locked,
            ticks=shown is not None and self._page.ticks(shown.id),
            kept=frozenset(
                part
                for part, (role, _) in candidate.roles.items()
                if role in MEDIA_ROLES and not self._page.gives(candidate.start, part)
            ),
            opening=tuple(self._load(each) for each in find_opening(*loads)),
            loads=tuple(self._load(each) for each in find_loads(*loads)),
            opens_sessions=self._page.opens_sessions,
        )

    def _loading(
        self, steps: Sequence[Endpoint], candidate: Candidate, tabs: Iterable[Any]
    ) -> list[Endpoint]:
        """Return the functions that the page runs as it loads, to fill inputs of these steps.

        Those of the load event and of the chat's tabs come first, and then those that the values
        of these may start.
        """
        needed = {each.component for step in steps for each in step.inputs}
        changing = []
        prompts = [part for part, (role, _) in candidate.roles.items() if role == "prompt"]
        for start, following in self._page.changing(needed, candidate.steps, prompts):
            before = {each: self.config.component(each).value for each in start.changing}
            for each in following:
                step = self._step(each, {}, start.trigger, phase="change")
                changing.append(replace(step, started_by=before))
                needed.update(before, (part.id for part in each.inputs))
        loading = self._page.loading(needed, tabs)
        return [*map(self._load, loading), *changing]

    def renderers(self) -> list[Endpoint]:
        """Return the functions that make parts of the page as it loads, with `gr.render`."""
        functions = [each for each in self.config.functions if each.renders is not None]
        loading = [each for each in functions if each.runs and "load" in each.events]
        return [*map(self._load, loading)]

    def _load(self, function: AppFunction) -> Endpoint:
        return self._step(function, {}, None, phase="load")

    def _rendering(self, steps: Iterable[AppFunction]) -> list[Endpoint]:
        """Return the functions that have made these steps, the first one first."""
        makers = {each.renders: each for each in self.config.functions if each.renders is not None}
        needed: dict[Any, AppFunction] = {}
        waiting = [*steps]
        while waiting:
            number = waiting.pop().rendered_in
            if number in makers and number not in needed:
                needed[number] = makers[number]
                waiting.append(makers[number])
        return [*map(self._load, reversed(needed.values()))]

    def _setting(self, candidate: Candidate) -> list[Endpoint]:
        """Return the functions that put a system prompt or a figure into a state of the steps."""
        states = [each.id for each in distinct_inputs(candidate.steps) if each.kind == "state"]
        setting = self._page.setting(states, candidate.reply)
        setters = {part.id: (each, part) for each, part in reversed([*setting])}
        functions = [function for function, _ in setters.values()]
        clues = Clues(parameters=self._parameters(functions))
        taken = {role for role, _ in candidate.roles.values()}
        found = assign_roles([part for _, part in setters.values()], clues).items()
        return [
            self._step(setters[part][0], {part: told}, setters[part][0].trigger, phase="setting")
            for part, told in found
            if told[0] in _SETTINGS - taken
        ]

    def _typing(self, candidate: Candidate, roles: Roles) -> list[Endpoint]:
        """Return the functions that fill further inputs as the prompt is written into its box."""
        boxes = {each.id for each in candidate.prompts}
        taken = {each.id for each in distinct_inputs(candidate.steps)}
        needed = {each for each in taken if roles.get(each, (None,))[0] is None}
        functions = self._page.typing(boxes, needed)
        return [self._step(each, roles, each.trigger, phase="typing") for each in functions]

    def _uploading(self, candidate: Candidate, roles: Roles) -> list[Endpoint]:
        """Return the functions that the page runs when a file is chosen, to put it in the chat."""
        needed = {each.id for each in distinct_inputs(candidate.steps)}
        taken: set[Role | None] = set()
        found: list[Endpoint] = []
        for functions, chosen in self._page.uploading(needed):
            why = "its upload starts a function" if chosen is not None else "a button hands it over"
            given: Roles = {
                each.id: roles.get(each.id, (role, why))
                for each in distinct_inputs(functions)
                if each.id == chosen or (chosen is None and each.id not in roles)
                for role, kinds in MEDIA_KINDS.items()
                if each.kind in kinds and roles.get(each.id, (role,))[0] is not None
            }
            own = {role for role, _ in given.values()}
            if not own or own & taken:
                continue
            taken |= own
            trigger = functions[0].trigger if chosen is None else chosen
            told = {**roles, **given}
            found += [self._step(each, told, trigger, phase="upload") for each in functions]
        return found

    def _step(
        self,
        function: AppFunction,
        roles: Roles,
        trigger: Any,
        *,
        phase: Phase = "chat",
        parameters: Mapping[Any, Sequence[str]] | None = None,
    ) -> Endpoint:
        return to_endpoint(
            self.config, function, roles, trigger, phase=phase, parameters=parameters or {}
        )


def _place(
    chosen: Mapping[Any, Role | None], inputs: Iterable[AppComponent], function: AppFunction
) -> tuple[int, int]:
    """Return the position of the chat that the caller has chosen, and how many there are."""
    for parts in (inputs, function.outputs):
        chats = [each.id for each in parts if each.kind in CHATS]
        for at, each in enumerate(chats):
            if chosen.get(each) == "history":
                return at, len(chats)
    return 0, 1


def _is_called(function: AppFunction, name: str) -> bool:
    return name == (f"#{function.id}" if name.startswith("#") else function.api_name)
