from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from llama_index_qwen_space import QwenSpace
from llama_index_qwen_space.messages import turns
from qwen_space.chat import DEFAULT_SYSTEM_PROMPT, Turn

CALL = ToolCallBlock(tool_name="add", tool_kwargs={"a": 1, "b": "zwei ü"})
CALL_TEXT = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": "zwei ü"}}\n</tool_call>'

MESSAGES = [
    pytest.param(ChatMessage("Hi"), Turn("user", "Hi"), id="text"),
    pytest.param(ChatMessage(role="assistant"), Turn("assistant", ""), id="nothing-is-not-None"),
    pytest.param(
        ChatMessage([TextBlock(text="a"), TextBlock(text="b")]), Turn("user", "a\nb"), id="blocks"
    ),
    pytest.param(
        ChatMessage([ThinkingBlock(content="hm"), TextBlock(text="a")], role="assistant"),
        Turn("assistant", "a"),
        id="thinking-is-left-out",
    ),
    pytest.param(
        ChatMessage([TextBlock(text="a"), CachePoint(cache_control={"type": "x"})]),
        Turn("user", "a"),
        id="cache-points-are-left-out",
    ),
    pytest.param(
        ChatMessage([TextBlock(text="I add."), CALL], role="assistant"),
        Turn("assistant", f"I add.\n{CALL_TEXT}"),
        id="tool-call",
    ),
    pytest.param(
        ChatMessage("3", role="tool", additional_kwargs={"tool_call_id": "1"}),
        Turn("tool", "3"),
        id="tool-result",
    ),
    pytest.param(ChatMessage("a", role="chatbot"), Turn("assistant", "a"), id="chatbot"),
    pytest.param(ChatMessage("a", role="model"), Turn("assistant", "a"), id="model"),
    pytest.param(ChatMessage("a", role="developer"), Turn("developer", "a"), id="developer"),
]


@pytest.mark.parametrize(("message", "turn"), MESSAGES)
def test_a_message_becomes_a_turn(message: ChatMessage, turn: Turn) -> None:
    assert turns([message]) == [turn]


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([TextBlock(text="a")], id="one"),
        pytest.param([TextBlock(text="a"), TextBlock(text=""), TextBlock(text="b")], id="several"),
        pytest.param([TextBlock(text="")], id="empty"),
    ],
)
def test_text_blocks_are_joined_as_llama_index_joins_them(blocks: list[Any]) -> None:
    message = ChatMessage(blocks)

    assert turns([message])[0].text == message.content


@pytest.mark.parametrize("role", [role for role in MessageRole if role not in {"chatbot", "model"}])
def test_every_role_keeps_its_name(role: MessageRole) -> None:
    assert turns([ChatMessage("a", role=role)]) == [Turn(role.value, "a")]


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        pytest.param(ImageBlock(image=b"x", image_mimetype="image/png"), "image", id="image"),
        pytest.param(AudioBlock(audio=b"x", format="wav"), "audio", id="audio"),
        pytest.param(VideoBlock(video=b"x", video_mimetype="video/mp4"), "video", id="video"),
        pytest.param(
            DocumentBlock(data=b"x", document_mimetype="application/pdf"), "document", id="document"
        ),
        pytest.param(
            CitableBlock(title="t", source="s", content=[TextBlock(text="a")]),
            "citable",
            id="citable",
        ),
    ],
)
async def test_what_is_no_text_is_refused_before_anything_is_sent(
    ask: Any, space: Any, llm: QwenSpace, block: Any, kind: str
) -> None:
    for endpoint in ("chat", "achat", "stream_chat", "astream_chat"):
        with pytest.raises(ValueError, match=f"'{kind}' cannot be sent: a Space takes text only"):
            await ask(llm, endpoint, [ChatMessage([TextBlock(text="See:"), block])])

    assert space.joins == []


CHATS = [
    pytest.param(
        [("system", "A"), ("user", "Hi")], "A", "Hi", id="a-single-user-message-stands-as-it-is"
    ),
    pytest.param(
        [("system", "A"), ("user", "Hi"), ("assistant", "Yes?"), ("user", "5+5?")],
        "A",
        "User: Hi\nAssistant: Yes?\nUser: 5+5?\nAssistant:",
        id="a-conversation",
    ),
    pytest.param(
        [("system", "A"), ("user", "Hi"), ("system", "B")],
        "A\nB",
        "Hi",
        id="a-system-message-at-the-end",
    ),
    pytest.param(
        [("user", "Hi"), ("user", "There")],
        DEFAULT_SYSTEM_PROMPT,
        "User: Hi\nUser: There\nAssistant:",
        id="two-users",
    ),
    pytest.param([("system", "A")], "A", "Assistant:", id="only-a-system-message"),
    pytest.param(
        [("user", "2+3?"), ("assistant", None), ("tool", "5")],
        DEFAULT_SYSTEM_PROMPT,
        "User: 2+3?\nAssistant: \nTool: 5\nAssistant:",
        id="a-tool",
    ),
]


@pytest.mark.parametrize(("chat", "system", "prompt"), CHATS)
def test_a_chat_fills_the_slots_of_system_and_prompt(
    space: Any, llm: QwenSpace, chat: list[tuple[str, str | None]], system: str, prompt: str
) -> None:
    messages = [ChatMessage(content, role=role) for role, content in chat]
    before = [message.model_copy(deep=True) for message in messages]

    llm.chat(messages)

    assert space.joins[0]["data"] == [prompt, [], system, "72B"]
    assert messages == before


def test_native_history_fills_the_apps_own(space: Any) -> None:
    llm = QwenSpace(space=space.url, history="native")

    llm.chat(
        [
            ChatMessage("Hi"),
            ChatMessage("Yes?", role="chatbot"),
            ChatMessage("5+5?"),
        ]
    )

    assert [(each["role"], each["content"]) for each in space.engine.requests[0]] == [
        ("system", DEFAULT_SYSTEM_PROMPT),
        ("user", "Hi"),
        ("assistant", "Yes?"),
        ("user", "5+5?"),
    ]


@pytest.mark.parametrize(
    "messages",
    [pytest.param([], id="no-message"), pytest.param([ChatMessage(" ")], id="an-empty-one")],
)
async def test_nothing_to_answer_is_a_value_error(
    ask: Any, space: Any, llm: QwenSpace, messages: list[ChatMessage]
) -> None:
    for endpoint in ("chat", "achat", "stream_chat", "astream_chat"):
        with pytest.raises(ValueError, match=r"at least one|is empty"):
            await ask(llm, endpoint, messages)

    assert space.joins == []
