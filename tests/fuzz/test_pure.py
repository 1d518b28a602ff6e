"""Any JSON, and any text, where an app, the hub or the caller may bring it."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from gradio.utils import diff
from hypothesis import assume, given
from hypothesis import strategies as st

from qwen_space import SpaceConfig
from qwen_space.chat.messages import Turn, to_turns
from qwen_space.chat.prompt import pair_turns, render_prompt
from qwen_space.client import hub
from qwen_space.client.http_errors import parse_retry_after
from qwen_space.client.question import pair_history
from qwen_space.errors import ModelNotOfferedError, QwenSpaceError
from qwen_space.gradio.page.discovery import find_endpoint, is_unclear
from qwen_space.gradio.page.endpoint import Endpoint
from qwen_space.gradio.wire.requests import JobRequest
from tests.queue_stream import apply_edits

DATA = Path(__file__).parents[1] / "data"
CONFIGS = [json.loads(path.read_text()) for path in sorted(DATA.glob("*/config.json"))]
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
JSON = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


# An app's /config and /info


@st.composite
def configs(draw: st.DrawFn) -> Any:
    """The configuration of a real app, in which something is replaced or left out."""
    config = copy.deepcopy(draw(st.sampled_from(CONFIGS)))
    for _ in range(draw(st.integers(1, 3))):
        node, key = config, draw(st.sampled_from(["components", "dependencies", "api_prefix"]))
        while isinstance(node, dict) and draw(st.booleans()) and node.get(key):
            child = node[key]
            if isinstance(child, list):
                child = draw(st.sampled_from(child))
            if not isinstance(child, dict) or not child:
                break
            node, key = child, draw(st.sampled_from(sorted(child)))
        if draw(st.booleans()):
            node[key] = draw(JSON)
        else:
            node.pop(key, None)
    return config


def use(endpoint: Endpoint) -> None:
    """Do with an endpoint all that a client does."""
    base = "https://owner-name.hf.space"
    request = JobRequest(
        f"{base}{endpoint.prefix}/queue", endpoint.fn_index, endpoint.trigger_id, [], "h"
    )
    assert urlsplit(request.join_url).netloc == urlsplit(base).netloc
    chat = [Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c")]
    if endpoint.takes("history"):
        pair_history(endpoint, chat)
    endpoint.knows(["temperature"])
    placed = endpoint.place_sampling({"temperature": 0.5, "max_tokens": 5})
    with contextlib.suppress(ModelNotOfferedError):
        endpoint.choose_model("7B")
    data = endpoint.data("prompt", "system", history=[], values=placed)
    assert len(data) == len(endpoint.inputs)
    is_unclear(endpoint)


@given(JSON | configs(), st.none() | st.sampled_from(["model_chat", "/chat", ""]))
def test_any_config_is_an_endpoint_or_an_error_of_ours(config: Any, name: str | None) -> None:
    try:
        endpoint = find_endpoint(config, name)
    except QwenSpaceError as exc:
        str(exc)
        return
    use(endpoint)


@pytest.mark.parametrize("odd", [[], [[]], {"": []}, "", -1])
@pytest.mark.parametrize("part", ["dependencies", "components"])
def test_an_odd_value_anywhere_in_a_config_is_no_crash(part: str, odd: Any) -> None:
    for config in CONFIGS:
        for key in {key for each in config[part] for key in each}:
            changed = [{**each, key: odd} for each in config[part]]
            with contextlib.suppress(QwenSpaceError):
                use(find_endpoint({**config, part: changed}, None))


@st.composite
def infos(draw: st.DrawFn) -> Any:
    names = st.sampled_from(["query", "history", "system", "radio", "Message", ""]) | JSON
    parameters = draw(st.lists(st.fixed_dictionaries({"parameter_name": names}) | JSON, max_size=5))
    return {"named_endpoints": {"/model_chat_1": {"parameters": parameters}}}


ROLES = st.dictionaries(
    st.sampled_from(["query", "Input", "textbox", "radio", "0", "7", ""]) | st.integers(-1, 9),
    st.sampled_from(["prompt", "system", None]),
    max_size=2,
)


@given(configs(), infos() | JSON, ROLES)
def test_any_info_and_roles_are_an_endpoint_or_an_error_of_ours(
    config: Any, info: Any, roles: Any
) -> None:
    try:
        endpoint = find_endpoint(config, roles=roles, info=info)
    except QwenSpaceError as exc:
        str(exc)
        return
    use(endpoint)


# The hub

STATUSES = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "host": JSON
        | st.sampled_from(["https://x.hf.space", "https://x.hf.space@evil.test", "https://["]),
        "runtime": JSON | st.fixed_dictionaries({"stage": JSON | st.just("RUNNING")}),
    },
)
SPACE = SpaceConfig(space="owner/name")


@given(JSON | STATUSES)
def test_any_answer_of_the_hub_leads_to_where_spaces_live(answer: Any) -> None:
    status = hub.read_status(answer, SPACE)

    if status is not None and status.url is not None:
        assert (urlsplit(status.url).hostname or "").endswith(".hf.space")
        assert urlsplit(status.url).scheme == "https"
        assert "@" not in status.url


ADDRESSES = st.text(max_size=30) | st.builds(
    "".join,
    st.lists(
        st.sampled_from(
            [
                *("https://", "http:", "//", "/", "@", ":", "[", "]", "?", "#", "..", "config"),
                *("owner-name.hf.space", "evil.test", "443", "99999", "\\", "\n"),
            ]
        ),
        max_size=8,
    ),
)


@given(ADDRESSES)
def test_no_redirect_leads_to_another_host(location: str) -> None:
    found = hub.app_redirect("https://owner-name.hf.space", location)

    for address in found or ():
        assert hub.origin(address) == ("https", "owner-name.hf.space", 443)


@given(st.text(max_size=30) | st.dates().map(str), st.floats(0, 4e9))
def test_any_retry_after_is_seconds_or_nothing(value: str, now: float) -> None:
    seconds = parse_retry_after(value, now)

    assert seconds is None or seconds >= 0


@given(st.lists(st.text(max_size=20) | st.sampled_from(["<body>", "<html>", "<script", "<", "&"])))
def test_any_page_has_a_text(parts: list[str]) -> None:
    assert isinstance(hub.page_text("".join(parts)), str)


# The caller's messages

SPEAKERS = st.sampled_from(["system", "developer", "user", "assistant", "tool"]) | st.text(
    max_size=5
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": SPEAKERS | JSON, "content": st.text(max_size=10) | JSON}) | JSON,
    max_size=6,
)


@given(MESSAGES)
def test_any_messages_are_turns_or_a_value_error(messages: Any) -> None:
    with contextlib.suppress(ValueError):
        render_prompt(to_turns(messages))


@given(
    st.lists(st.builds(Turn, SPEAKERS.filter(bool), st.text(max_size=10)), min_size=1, max_size=6)
)
def test_a_split_loses_nothing(chat: list[Turn]) -> None:
    try:
        parts = render_prompt(chat)
    except ValueError:
        assert not any(turn.text.strip() for turn in chat if not turn.is_system)
        return

    assert parts.prompt
    for turn in chat:
        assert turn.text in (parts.system or "" if turn.is_system else parts.prompt)
    if (found := pair_turns(chat)) is not None:
        earlier, last = found
        spoken = [text for pair in earlier for text in pair]
        assert [*spoken, last] == [turn.text for turn in chat if not turn.is_system]


# Gradio's differ, as it counted until 5.29.0


def counted_in_the_old_list(edits: list[Any]) -> list[Any]:
    """Return Gradio's edits with each delete's index in the list as it was before them all."""
    seen: dict[tuple[Any, ...], int] = {}
    old = []
    for action, path, value in edits:
        if action == "delete" and isinstance(path[-1], int):
            where = tuple(path[:-1])
            path = [*path[:-1], path[-1] + seen.get(where, 0)]
            seen[where] = seen.get(where, 0) + 1
        old.append([action, path, value])
    return old


def shrinking(old: Any, new: Any) -> int:
    """Count the lists that Gradio's differ compares and that get shorter."""
    if isinstance(old, list) and isinstance(new, list):
        inner = sum(shrinking(a, b) for a, b in zip(old, new, strict=False))
        return inner + (len(new) < len(old))
    if isinstance(old, dict) and isinstance(new, dict):
        return sum(shrinking(value, new[key]) for key, value in old.items() if key in new)
    return 0


@given(JSON, JSON)
def test_edits_of_both_conventions_lead_to_the_same_value(old: Any, new: Any) -> None:
    assume(shrinking(old, new) <= 1)  # of several, Gradio's present differ miscounts
    edits = diff(old, new)

    assert apply_edits(old, edits) == apply_edits(old, counted_in_the_old_list(edits)) == new
