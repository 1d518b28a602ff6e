"""Makes the request of one call: the chat and its options, in the endpoint's own terms."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT, RenderedPrompt, pair_turns, render_prompt
from qwen_space.config import CallOptions, SpaceConfig
from qwen_space.gradio.endpoint import Endpoint, Shape

__all__ = ["Question", "build_question", "pair_history"]


@dataclass(frozen=True, slots=True)
class Question:
    """One call of an endpoint, with the values for the inputs of all its steps.

    Attributes:
        endpoint: The function that answers, with the steps before it.
        prompt: The value of the prompt's input.
        system: The system prompt.
        model: A value that `Endpoint.choose_model` gave.
        history: The earlier turns in the shape of the app's own history; empty with the split.
        inputs: Values for further inputs, by name.
    """

    endpoint: Endpoint
    prompt: str
    system: str
    model: Any
    history: list[Any]
    inputs: Mapping[str, Any]

    def data(self, step: Endpoint, page: Mapping[Any, Any]) -> list[Any]:
        """Return the arguments of one of the endpoint's steps.

        Args:
            step: The endpoint itself, or one of those before it.
            page: The values that earlier steps left in components, by the components' numbers.
        """
        return step.data(
            self.prompt,
            self.system,
            model=self.model,
            history=self.history,
            inputs=self.inputs,
            page=page,
        )


def build_question(
    config: SpaceConfig, endpoint: Endpoint, chat: Sequence[Turn], options: CallOptions
) -> Question:
    """Return the request for a chat.

    Raises:
        ValueError: The app does not offer the model, or has no such input.
    """
    sampling = {**config.sampling, **(options.get("sampling") or {})}
    inputs = {**config.inputs, **(options.get("inputs") or {})}
    endpoint.check_inputs(inputs)
    if config.system_prompt is not None and not any(turn.is_system for turn in chat):
        chat = [Turn("system", config.system_prompt), *chat]
    parts, history = _split_chat(config, endpoint, chat)
    return Question(
        endpoint,
        parts.prompt,
        DEFAULT_SYSTEM_PROMPT if parts.system is None else parts.system,
        endpoint.choose_model(options.get("model") or config.model),
        history,
        {**_sampling_inputs(config, endpoint, sampling), **inputs},
    )


def _split_chat(
    config: SpaceConfig, endpoint: Endpoint, chat: Sequence[Turn]
) -> tuple[RenderedPrompt, list[Any]]:
    """Return a chat as system prompt and prompt, and the value of the app's history."""
    if config.history == "native":
        if endpoint.takes("history"):
            if (native := pair_history(endpoint, chat)) is not None:
                return native
        elif any(turn.role == "assistant" for turn in chat):
            warnings.warn(
                f"history='native': /{endpoint.api_name} of {config.url} has no input "
                "for a history, as with gr.ChatInterface, which keeps its own in the session; "
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
    shape = next(each.shape for each in endpoint.every_input if each.role == "history")
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
    return [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in named]


def _sampling_inputs(
    config: SpaceConfig, endpoint: Endpoint, sampling: Mapping[str, float]
) -> dict[str, Any]:
    fitting = endpoint.fitting(sampling)
    if len(fitting) < len(sampling):
        warnings.warn(
            f"{config.url} has no input for some of {', '.join(sampling)} (it has for: "
            f"{', '.join(fitting) or 'none'}); there the app keeps its own values.",
            stacklevel=2,
        )
    return fitting
