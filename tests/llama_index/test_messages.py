from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

from llama_index_qwen_space import QwenSpace
from llama_index_qwen_space.messages import to_core_messages
from qwen_space import Media
from qwen_space.chat.media import PLACEHOLDER
from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from qwen_space.tools import Message, ToolCall
from tests.llama_index.conformance.calls import ask

CALL = ToolCallBlock(tool_call_id="1", tool_name="add", tool_kwargs={"a": 1, "b": "zwei ü"})

CITABLE = CitableBlock(title="T", source="S", content=[TextBlock(text="a")])
CITED = CitationBlock(
    title="T", source="S", cited_content=TextBlock(text="b"), additional_location_info={}
)
TEXT_FILE = DocumentBlock(data=b"c", document_mimetype="text/plain")

MESSAGES = [
    pytest.param(ChatMessage("Hi"), Message("user", "Hi"), id="text"),
    pytest.param(ChatMessage(role="assistant"), Message("assistant", ""), id="nothing-is-not-None"),
    pytest.param(
        ChatMessage([TextBlock(text="a"), TextBlock(text="b")]),
        Message("user", "a\nb"),
        id="blocks",
    ),
    pytest.param(
        ChatMessage([ThinkingBlock(content="hm"), TextBlock(text="a")], role="assistant"),
        Message("assistant", "a"),
        id="thinking-is-left-out",
    ),
    pytest.param(
        ChatMessage([TextBlock(text="a"), CachePoint(cache_control={"type": "x"})]),
        Message("user", "a"),
        id="cache-points-are-left-out",
    ),
    pytest.param(
        ChatMessage([TextBlock(text="I add."), CALL], role="assistant"),
        Message("assistant", "I add.", (ToolCall("add", {"a": 1, "b": "zwei ü"}, "1"),)),
        id="tool-call",
    ),
    pytest.param(
        ChatMessage(
            [TextBlock(text="I add."), CALL],
            role="assistant",
            additional_kwargs={"tool_calls": [{"function": {"name": "other"}}]},
        ),
        Message("assistant", "I add.", (ToolCall("add", {"a": 1, "b": "zwei ü"}, "1"),)),
        id="tool-call-in-both-forms",
    ),
    pytest.param(
        ChatMessage(
            role="assistant",
            additional_kwargs={
                "tool_calls": [
                    {"id": "1", "function": {"name": "add", "arguments": '{"a": 1}'}},
                    ChoiceDeltaToolCall(
                        index=0, id="2", function={"name": "add", "arguments": '{"a": 2}'}
                    ),
                    "something else",
                ]
            },
        ),
        Message(
            "assistant", "", (ToolCall("add", '{"a": 1}', "1"), ToolCall("add", '{"a": 2}', "2"))
        ),
        id="older-tool-calls",
    ),
    pytest.param(
        ChatMessage("3", role="tool", additional_kwargs={"tool_call_id": "1"}),
        Message("tool", "3", (), "1"),
        id="tool-result",
    ),
    pytest.param(
        ChatMessage([CITABLE, CITED, TEXT_FILE]),
        Message("user", "T\nS\na\nT\nS\nb\nc"),
        id="text-in-other-forms",
    ),
    pytest.param(
        ChatMessage([TextBlock(text="a"), ImageBlock(image=b"x")], role="tool"),
        Message("tool", f"a\n{PLACEHOLDER}", media=(Media("image", data=b"x"),)),
        id="picture-in-a-result",
    ),
    pytest.param(
        ChatMessage("Hi", additional_kwargs={"name": "Ada"}),
        Message("user", "Hi", name="Ada"),
        id="name",
    ),
    pytest.param(ChatMessage("a", role="chatbot"), Message("assistant", "a"), id="chatbot"),
    pytest.param(ChatMessage("a", role="model"), Message("assistant", "a"), id="model"),
    pytest.param(ChatMessage("a", role="developer"), Message("developer", "a"), id="developer"),
]


@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_a_message_becomes_one_of_the_core(message: ChatMessage, expected: Message) -> None:
    assert to_core_messages([message]) == [expected]


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([TextBlock(text="a")], id="one"),
        pytest.param([TextBlock(text="a"), TextBlock(text="b")], id="several"),
        pytest.param([TextBlock(text="")], id="empty"),
    ],
)
def test_text_blocks_are_joined_as_llama_index_joins_them(blocks: list[Any]) -> None:
    message = ChatMessage(blocks)

    assert to_core_messages([message])[0].text == message.content


@pytest.mark.parametrize("role", [role for role in MessageRole if role not in {"chatbot", "model"}])
def test_every_role_keeps_its_name(role: MessageRole) -> None:
    assert to_core_messages([ChatMessage("a", role=role)]) == [Message(role.value, "a")]


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        pytest.param(ImageBlock(image=b"x", image_mimetype="image/png"), "image", id="image"),
        pytest.param(AudioBlock(audio=b"x", format="wav"), "audio", id="audio"),
        pytest.param(VideoBlock(video=b"x", video_mimetype="video/mp4"), "video", id="video"),
        pytest.param(
            DocumentBlock(data=b"x", document_mimetype="application/pdf"), "file", id="document"
        ),
        pytest.param(
            CitableBlock(title="t", source="s", content=[ImageBlock(image=b"x")]),
            "image",
            id="picture-to-cite",
        ),
    ],
)
async def test_media_for_an_app_of_text_are_refused_unsent(
    space: Any, llm: QwenSpace, block: Any, kind: str
) -> None:
    for endpoint in ("chat", "achat", "stream_chat", "astream_chat"):
        with pytest.raises(ValueError, match=f"'{kind}' cannot be sent: the app takes text"):
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
        "User: 2+3?\nAssistant: \nUser: <tool_response>\n5\n</tool_response>\nAssistant:",
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

    assert space.transcript(0) == prompt
    assert space.joins[0]["data"][2:] == [system, "72B"]
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
    space: Any, llm: QwenSpace, messages: list[ChatMessage]
) -> None:
    for endpoint in ("chat", "achat", "stream_chat", "astream_chat"):
        with pytest.raises(ValueError, match=r"at least one|is empty"):
            await ask(llm, endpoint, messages)

    assert space.joins == []
