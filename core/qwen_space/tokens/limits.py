"""The limits of Qwen's models: how many tokens they read and write.

The figures are those of Alibaba Cloud's Model Studio, which runs the models of the public Spaces,
and for models that it does not run, of their model cards. A Space of someone else may well give
its model less.
"""

from __future__ import annotations

import functools
import re
from urllib.parse import urlsplit

import msgspec

from qwen_space.config import DEFAULT_SPACE, SpaceLike, list_entries, space_url

__all__ = ["Limits", "get_full_name", "get_limits"]


class Limits(msgspec.Struct, frozen=True):
    """How much a model takes and gives, in tokens.

    Attributes:
        model: Its full name, such as "Qwen2.5-7B-Instruct".
        context_window: The longest input and output together.
        max_input: The longest input.
        max_output: The longest output.
    """

    model: str
    context_window: int
    max_input: int
    max_output: int


_32K = (32_768, 30_720, 8_192)
_128K = (131_072, 129_024, 8_192)
_1M = (1_000_000, 1_000_000, 8_192)

_SMALL = ("0.5B", "1.5B", "3B")
_LARGE = ("7B", "14B", "32B", "72B")
_QWEN_3 = ("0.6B", "1.7B", "4B", "8B", "14B", "32B", "30B-A3B", "235B-A22B")

_MODELS: dict[str, tuple[int, int, int]] = {
    **{f"Qwen2.5-{size}-Instruct": _32K for size in _SMALL},
    **{f"Qwen2.5-{size}-Instruct": _128K for size in _LARGE},
    **{f"Qwen2.5-Coder-{size}-Instruct": _32K for size in _SMALL},
    **{f"Qwen2.5-Coder-{size}-Instruct": _128K for size in _LARGE if size != "72B"},
    **{f"Qwen2.5-{size}-Instruct-1M": _1M for size in ("7B", "14B")},
    "Qwen2.5-Turbo": _1M,
    "Qwen2.5-Plus": _128K,
    "Qwen2.5-Max": _32K,
    "Qwen2-72B-Instruct": (131_072, 128_000, 6_144),
    **{f"Qwen3-{size}": (32_768, 30_720, 8_192) for size in _QWEN_3[:2]},
    "Qwen3-4B": (131_072, 129_024, 8_192),
    **{f"Qwen3-{size}": (131_072, 129_024, 8_192) for size in _QWEN_3[3:5]},
    **{f"Qwen3-{size}": (131_072, 129_024, 16_384) for size in _QWEN_3[5:]},
}

# A Space's default model.
_DEFAULTS = {
    "qwen-qwen2-5.hf.space": "Qwen2.5-72B-Instruct",
    "qwen-qwen2-72b-instruct.hf.space": "Qwen2-72B-Instruct",
    "qwen-qwen2-5-max-demo.hf.space": "Qwen2.5-Max",
    "qwen-qwen2-5-turbo-1m-demo.hf.space": "Qwen2.5-Turbo",
    "qwen-qwen3-demo.hf.space": "Qwen3-235B-A22B",
}
_DEFAULT_NAMES = frozenset({"qwen-2.5", "qwen-qwen2-5", "qwen2.5"})

# How the name of a file goes on behind the model's: ".Q4_K_M.gguf", "-GPTQ-Int4", "-mlx-4bit".
_FORMAT = re.compile(r"[-_.](?:gguf|q\d|gptq|awq|fp8|bf16|f16|int[48]|mlx)")
_FORMAT_PARTS = (
    r"gguf|i?q\d\w?|[01kmlsx]|xx?s|xl|gptq\w*|awq|fp8|bf16|f16|int[48]|mlx\w*|[2-8]bit|dwq"
)
_PREFIX = re.compile(r"^(?:qwen/)?(?:qwen-?(?=\d))?")


def get_full_name(model: str, space: SpaceLike = DEFAULT_SPACE) -> str:
    """Return a model's full name where it is known, and the given name where not.

    Args:
        model: As the clients take it: `qwen-2.5` for the Space's default, a size, or a name.
        space: The Space's id or address, which tells its default model; of several, the first
            that does.
    """
    limits = get_limits(model, space)
    return model if limits is None else limits.model


def get_limits(
    model: str, space: SpaceLike = DEFAULT_SPACE, window: int | None = None
) -> Limits | None:
    """Return a model's limits; None where they are unknown.

    Any of several Spaces may answer, so each limit is the least that is known of them.

    Args:
        model: As the clients take it: `qwen-2.5` for the Space's default, a size, or a name. A
            Space's entry may have a model of its own.
        space: The Space's id or address, which tells its default model; or several Spaces.
        window: The context window, where it is known from elsewhere.
    """
    if window is not None:
        return Limits(get_full_name(model, space), window, window, window)
    entries = list_entries(space)
    found = [_get_limits(entry.get("model", model), entry["space"]) for entry in entries]
    known = [limits for limits in found if limits is not None]
    if len(known) < 2:
        return next(iter(known), None)
    return Limits(
        known[0].model,
        min(limits.context_window for limits in known),
        min(limits.max_input for limits in known),
        min(limits.max_output for limits in known),
    )


@functools.lru_cache(maxsize=256)  # each call of a chat model asks for it several times
def _get_limits(model: str, space: str) -> Limits | None:
    if model.strip().lower() in _DEFAULT_NAMES:
        name = _DEFAULTS.get(urlsplit(space_url(space)).hostname or "")
    else:
        name = _NAMES.get(_bare(model))
    return None if name is None else Limits(name, *_MODELS[name])


def _bare(model: str) -> str:
    """Return a name without the parts that models share."""
    name = _PREFIX.sub("", _without_format(model.strip().lower()))
    return re.sub(r"^2-5-", "2.5-", name).replace("-instruct", "").replace("-chat", "")


def _without_format(name: str) -> str:
    found = _FORMAT.search(name)
    if found is None:
        return name
    parts = re.split("[-_.]", name[found.start() + 1 :])
    is_format = all(re.fullmatch(_FORMAT_PARTS, part) for part in parts)
    return name[: found.start()] if is_format else name


_NAMES = {
    **{_bare(name): name for name in _MODELS},
    **{size.lower(): f"Qwen2.5-{size}-Instruct" for size in (*_SMALL, *_LARGE)},
}
