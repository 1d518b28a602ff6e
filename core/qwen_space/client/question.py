"""Makes the request of one call: the chat and its options, in the endpoint's own terms."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import RenderedPrompt, pair_turns, render_prompt
from qwen_space.config import CallOptions, SpaceConfig
from qwen_space.gradio.endpoint import Endpoint, Shape

__all__ = ["Question", "build_question", "pair_history"]


@dataclass(slots=True)
class Question:
    """One call of an endpoint: the values for the inputs of its steps, and those of the page.

    Attributes:
        endpoint: The function that answers, with the steps before it.
        prompt: The value of the prompt's input.
        system: The system prompt; None leaves the app's own.
        model: A value that `Endpoint.choose_model` gave.
        history: The earlier turns in the shape of the app's own history; empty with the split.
        values: Values for further inputs, by the inputs' keys.
        loaded: Values that components got before the message was written, by their numbers.
        page: Values that components got since, by their numbers.
    """

    endpoint: Endpoint
    prompt: str
    system: str | None
    model: Any
    history: list[Any]
    values: Mapping[Any, Any]
    loaded: dict[Any, Any] = field(default_factory=dict)
    page: dict[Any, Any] = field(default_factory=dict)

    @property
    def steps(self) -> Iterator[Endpoint]:
        """The steps to run before the endpoint; the app's own system prompt needs none."""
        for step in self.endpoint.before:
            if step.phase != "system" or self.system is not None:
                yield step

    def data(self, step: Endpoint) -> list[Any]:
        """Return the arguments of the endpoint itself, or of a step before it."""
        return step.data(
            self.prompt,
            self.system,
            model=self.model,
            history=self.history,
            values=self.values,
            loaded=self.loaded,
            page=self.page,
        )

    def receive(self, step: Endpoint, values: Mapping[Any, Any]) -> None:
        """Put the values that a step has given into the page's components."""
        (self.page if step.phase == "chat" else self.loaded).update(values)


def build_question(
    config: SpaceConfig, endpoint: Endpoint, chat: Sequence[Turn], options: CallOptions
) -> Question:
    """Return the request for a chat.

    Raises:
        ValueError: The app does not offer the model, or has no such input.
    """
    sampling = {**config.sampling, **(options.get("sampling") or {})}
    inputs = {**config.inputs, **(options.get("inputs") or {})}
    placed = endpoint.place_inputs(inputs)
    if config.system_prompt is not None and not any(turn.is_system for turn in chat):
        chat = [Turn("system", config.system_prompt), *chat]
    parts, history = _split_chat(config, endpoint, chat, options)
    model = options.get("model") or config.model
    return Question(
        endpoint,
        parts.prompt,
        parts.system,
        endpoint.choose_model(config.models.get(model, model)),
        history,
        {**_place_sampling(config, endpoint, sampling), **placed},
    )


def _split_chat(
    config: SpaceConfig, endpoint: Endpoint, chat: Sequence[Turn], options: CallOptions
) -> tuple[RenderedPrompt, list[Any]]:
    """Return a chat as system prompt and prompt, and the value of the app's history."""
    mode = options.get("history") or config.history
    if mode == "native" or (mode == "auto" and endpoint.is_discovered):
        if endpoint.takes("history"):
            if (native := pair_history(endpoint, chat)) is not None:
                return native
        elif mode == "native" and any(turn.role == "assistant" for turn in chat):
            warnings.warn(
                f"history='native': {endpoint.title} of {config.url} has no input for a history "
                "that it reads: it keeps its own in the session, as gr.ChatInterface does; "
                "earlier turns go into the prompt, as with history='split'.",
                stacklevel=2,
            )
    return render_prompt(chat, system_apart=endpoint.takes("system")), []


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
    shape = next(each.shape for each in endpoint.chat_inputs if each.role == "history")
    last = [Turn("user", prompt)]
    system = [turn for turn in chat if turn.is_system]
    parts = render_prompt([*system, *last], system_apart=endpoint.takes("system"))
    return parts, [row for pair in earlier for row in _history_rows(pair, shape)]


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
    missing = [name for name in sampling if not endpoint.place_sampling({name: sampling[name]})]
    if missing:
        has = [name for name in sampling if name not in missing]
        warnings.warn(
            f"{config.url} has no input for some of {', '.join(sampling)} (it has for: "
            f"{', '.join(has) or 'none'}); there the app keeps its own values.",
            stacklevel=2,
        )
    placed = endpoint.place_sampling(sampling)
    for each in endpoint.chat_inputs:
        wanted = sampling.get(each.role or "")
        if wanted is not None and placed.get(each.key) != wanted:
            warnings.warn(
                f"{each.role}={wanted}: the app's {each.name!r} goes from {each.limits[0]} to "
                f"{each.limits[1]}, so {placed[each.key]} is sent.",
                stacklevel=2,
            )
    return placed
