"""A chat in the terms of one app's endpoint."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import replace
from typing import Any

import pytest

from qwen_space import JobError, Media, SpaceClient
from qwen_space.chat.messages import Turn
from qwen_space.chat.prompt import RenderedPrompt
from qwen_space.client.question import build_question, pair_history
from qwen_space.config import SpaceConfig
from qwen_space.gradio.page.endpoint import Endpoint, Input
from qwen_space.gradio.page.known_spaces import QWEN_2_5
from qwen_space.gradio.page.media_inputs import MediaSlot
from tests.scripted_server import CONFIG, EVENT_ID, ScriptedServer, status, streaming

APP = "http://127.0.0.1:1"
CHAT = [Turn("user", "A"), Turn("assistant", "B"), Turn("user", "C")]


@pytest.mark.parametrize(
    ("shape", "history"),
    [
        ("pairs", [["A", "B"]]),
        ("messages", [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]),
        (
            "parts",
            [
                {"role": "user", "content": [{"type": "text", "text": "A"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "B"}]},
            ],
        ),
    ],
)
def test_earlier_turns_take_the_shape_of_the_app_s_history(shape: Any, history: Any) -> None:
    inputs = (Input("prompt", "p"), Input("history", "h", shape=shape), Input("system", "s"))
    endpoint = Endpoint(None, 0, None, inputs, 0)

    assert pair_history(endpoint, CHAT) == (RenderedPrompt(None, "C"), history)
    assert pair_history(endpoint, [Turn("system", "S"), *CHAT]) == (
        RenderedPrompt("S", "C"),
        history,
    )
    assert pair_history(endpoint, CHAT[:2]) is None


def test_a_system_prompt_that_the_app_has_no_input_for_goes_into_the_prompt() -> None:
    endpoint = Endpoint(None, 0, None, (Input("prompt", "p"), Input("history", "h")), 0)

    parts, history = pair_history(endpoint, [Turn("system", "S"), *CHAT]) or (None, None)

    assert parts == RenderedPrompt(None, "System: S\nUser: C\nAssistant:")
    assert history == [["A", "B"]]


def asked(mode: Any, endpoint: Endpoint, chat: list[Turn], **options: Any) -> tuple[str, Any]:
    config = SpaceConfig(space="http://127.0.0.1:1", history=mode)
    question = build_question(config, endpoint, chat, options)  # type: ignore[arg-type]
    return question.prompt, question.history


NATIVE = ("C", [["A", "B"]])
SPLIT = ("User: A\nAssistant: B\nUser: C\nAssistant:", [])
DISCOVERED = Endpoint(
    None, 0, None, (Input("prompt", "p", component=1), Input("history", "h", component=2)), 0
)
BLOCKS = replace(DISCOVERED, inputs=(Input("prompt", "p"), Input("history", "h", shape="blocks")))
KEEPS_ITS_OWN = Endpoint(None, 0, None, (Input("prompt", "p", component=1),), 0, remembers=True)


@pytest.mark.parametrize(
    ("endpoint", "chat", "options", "expected"),
    [
        pytest.param(DISCOVERED, CHAT, {}, NATIVE, id="turns-where-the-app-told-how"),
        pytest.param(QWEN_2_5, CHAT, {}, SPLIT, id="split-where-the-figures-stand-in"),
        pytest.param(KEEPS_ITS_OWN, CHAT, {}, SPLIT, id="split-where-the-app-keeps-its-own"),
        pytest.param(BLOCKS, CHAT, {}, SPLIT, id="split-where-each-app-has-its-own-messages"),
        pytest.param(DISCOVERED, CHAT, {"history": "split"}, SPLIT, id="a-call-s-own-wish"),
        pytest.param(
            DISCOVERED,
            [Turn("user", "A"), Turn("tool", "B"), Turn("user", "C")],
            {},
            ("User: A\nTool: B\nUser: C\nAssistant:", []),
            id="split-where-turns-do-not-alternate",
        ),
    ],
)
def test_auto_gives_turns_as_turns_where_the_app_reads_them(
    endpoint: Endpoint, chat: list[Turn], options: Any, expected: Any
) -> None:
    assert asked("auto", endpoint, chat, **options) == expected  # and no warning comes


def test_native_warns_where_it_has_to_split() -> None:
    with pytest.warns(UserWarning, match="no input for a history"):
        assert asked("native", KEEPS_ITS_OWN, CHAT) == SPLIT


def test_modelscope_s_chat_holds_a_reply_in_blocks() -> None:
    inputs = (Input("prompt", "p"), Input("history", "h", shape="blocks"))

    _, history = pair_history(Endpoint(None, 0, None, inputs, 0), CHAT) or (None, None)

    assert history == [
        {"role": "user", "content": "A"},
        {"role": "assistant", "content": [{"type": "text", "content": "B"}]},
    ]


def test_the_app_s_own_system_prompt_needs_no_step_that_sets_it() -> None:
    setting = Endpoint("set", 1, None, (Input("system", "s", component=3),), None, phase="setting")
    endpoint = replace(DISCOVERED, before=(setting,))
    config = SpaceConfig(space="http://127.0.0.1:1")

    plain = build_question(config, endpoint, [Turn("user", "A")], {})
    told = build_question(config, endpoint, [Turn("system", "S"), Turn("user", "A")], {})

    assert ([step for step, _ in plain.calls][:-1], [step for step, _ in told.calls][:-1]) == (
        [],
        [setting],
    )
    assert told.data(setting, {}) == ["S"]


def test_a_sampling_value_runs_the_step_that_sets_it() -> None:
    heat = Input("temperature", "Heat", 1, kind="slider", component=3)
    setting = Endpoint("set", 1, None, (Input(None, "state", kind="state"), heat), None)
    setting = replace(setting, phase="setting")
    endpoint = replace(DISCOVERED, before=(setting,))
    config = SpaceConfig(space="http://127.0.0.1:1")
    chat = [Turn("user", "A")]

    told = build_question(config, endpoint, chat, {"sampling": {"temperature": 0.5}})
    plain = build_question(config, endpoint, [Turn("system", "S"), *chat], {})

    assert [step for step, _ in told.calls][:-1] == [setting]
    assert told.data(setting, {}) == [None, 0.5]
    assert [step for step, _ in plain.calls][:-1] == []


IMAGE, AUDIO = Media("image", data=b"1"), Media("audio", data=b"2")


@pytest.mark.parametrize(
    ("media", "calls"),
    [
        pytest.param([IMAGE, AUDIO], [["image", "audio"], ["A", "audio"]], id="both"),
        pytest.param([IMAGE], [["image", None], ["A", None]], id="the-one-that-is-uploaded"),
        pytest.param([AUDIO], [["A", "audio"]], id="the-other"),
    ],
)
def test_a_file_of_the_chat_s_own_is_not_used_up_by_the_upload_of_another(
    media: list[Media], calls: Any
) -> None:
    picture, sound = (
        Input(kind, kind, None, kind=kind, component=at, slot=MediaSlot("one", (kind,)))
        for at, kind in enumerate(("image", "audio"), 3)
    )
    upload = Endpoint("see", 1, 3, (picture, sound), None, phase="upload")
    endpoint = Endpoint("chat", 0, None, (Input("prompt", "p"), sound), 0, before=(upload,))
    chat = [Turn("user", "A", media=tuple(media))]
    question = build_question(SpaceConfig(space=APP), endpoint, chat, {})
    question.files = {each: each.kind for each in media}

    assert [question.data(*call) for call in question.calls] == calls


def test_pictures_go_one_after_the_other_to_an_upload_of_one_step_only() -> None:
    picture = Input("image", "image", kind="image", component=3, slot=MediaSlot("one", ("image",)))
    see, keep = (
        Endpoint(name, at, 3, (picture,), None, phase="upload")
        for at, name in enumerate(("see", "keep"), 1)
    )
    endpoint = Endpoint("chat", 0, None, (Input("prompt", "p"),), 0, before=(see,))
    media = IMAGE, Media("image", data=b"2")
    chat = [Turn("user", "A", media=media)]
    question = build_question(SpaceConfig(space=APP), endpoint, chat, {})
    question.files = dict(zip(media, "12", strict=True))

    assert [question.data(*call) for call in question.calls] == [["1"], ["2"], ["A"]]
    with pytest.raises(ValueError, match="takes one only"):
        build_question(SpaceConfig(space=APP), replace(endpoint, before=(see, keep)), chat, {})


@pytest.mark.parametrize(
    ("chat", "kept"),
    [
        pytest.param([["Earlier", "turn"]], {4: "I am Ann."}, id="an-earlier-chat"),
        pytest.param([], {3: [], 4: "I am Ann.", 5: "b"}, id="none"),
    ],
)
def test_a_change_event_fills_inputs_but_not_with_an_earlier_chat(chat: Any, kept: Any) -> None:
    parts = [("chatbot", []), ("textbox", ""), ("radio", "a")]
    taken = [
        Input(None, kind, value, kind=kind, component=at)
        for at, (kind, value) in enumerate(parts, 3)
    ]
    restoring = Endpoint("restore", 1, None, (), None, outputs=(3, 4, 5), phase="change")
    endpoint = replace(DISCOVERED, inputs=(*DISCOVERED.inputs, *taken), before=(restoring,))
    question = build_question(SpaceConfig(space=APP), endpoint, [Turn("user", "A")], {})

    question.receive(restoring, {3: chat, 4: "I am Ann.", 5: "b"})

    assert question.loaded == kept


# Sampling

PLAIN = Endpoint(None, 0, None, (Input("prompt", "p"),), 0)


def limited(low: float) -> Endpoint:
    most = Input("max_tokens", "Most", 512, kind="slider", limits=(low, 1024))
    return Endpoint(None, 0, None, (Input("prompt", "p"), most), 0)


def sampled(endpoint: Endpoint, **sampling: float) -> Any:
    config = SpaceConfig(space=APP, sampling=sampling)
    return build_question(config, endpoint, CHAT[:1], {})


def test_inputs_that_are_missing_are_warned_of_in_one_line() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sampled(PLAIN, temperature=0.2, top_p=0.5)

    [warning] = caught
    shown = warnings.formatwarning(
        str(warning.message), warning.category, warning.filename, warning.lineno
    )
    said = "has no input for temperature and top_p: the app keeps its own."
    assert shown == f"qwen_space:1: UserWarning: {APP} {said}\n"


@pytest.mark.parametrize(
    ("endpoint", "most", "kept"),
    [
        pytest.param(PLAIN, 5, 5, id="no-input"),
        pytest.param(limited(16), 5, 5, id="an-input-that-goes-no-lower"),
        pytest.param(limited(1), 5, None, id="an-input"),
        pytest.param(PLAIN, None, None, id="no-limit"),
    ],
)
def test_a_limit_of_tokens_is_kept_here_where_the_app_cannot(
    endpoint: Endpoint, most: int | None, kept: int | None
) -> None:
    sampling = {} if most is None else {"max_tokens": most}

    assert sampled(endpoint, **sampling).max_tokens == kept


def test_a_limit_beyond_the_app_s_own_is_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"max_tokens=2000: 'Most' goes from 16 to 1024, so 1024"):
        assert sampled(limited(16), max_tokens=2000).max_tokens is None


async def test_an_answer_that_is_the_prompt_is_one() -> None:
    """The function of a ChatInterface in Gradio 4 gives its answer to the box of the message."""
    components = [
        {"id": 1, "type": "textbox", "props": {"label": "Message"}},
        {"id": 2, "type": "state", "props": {}},
    ]
    config = {**CONFIG, "components": components}
    done = {"msg": "process_completed", "event_id": EVENT_ID, "success": True}
    reply = streaming({**done, "output": {"data": ["Hi", None], "is_generating": False}})

    async with (
        ScriptedServer(config=status(200, config), data=reply) as server,
        SpaceClient(server.url) as client,
    ):
        assert (await client.complete("Hi")).text == "Hi"


@pytest.mark.parametrize(("shown", "is_told"), [("Be  brief.\nOr not.", False), ("Other", True)])
async def test_a_prompt_that_the_app_shows_is_no_reason_for_an_empty_reply(
    shown: str, *, is_told: bool
) -> None:
    components = [
        *CONFIG["components"],  # type: ignore[misc]
        {"id": 3, "type": "state", "props": {}},
        {"id": 4, "type": "textbox", "props": {"label": "Note"}},
    ]
    function = {**CONFIG["dependencies"][0], "outputs": [1, 2, 4]}  # type: ignore[index]
    config = {**CONFIG, "components": components, "dependencies": [function]}
    done = {"msg": "process_completed", "event_id": EVENT_ID, "success": True}
    reply = streaming({**done, "output": {"data": ["", [["Hi", ""]], shown]}})

    async with (
        ScriptedServer(config=status(200, config), data=reply) as server,
        SpaceClient(server.url) as client,
    ):
        asking = client.complete("Be brief.\nOr not.")
        with pytest.raises(JobError, match=shown) if is_told else contextlib.nullcontext():
            assert (await asking).text == ""
