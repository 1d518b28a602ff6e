from __future__ import annotations

from typing import Any

import pytest

from qwen_space import ReplyComponent
from qwen_space.errors import ProtocolError
from qwen_space.gradio.reply.chatbot import Reply, find_prompt, find_reply


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "metadata": None, "content": content, "options": None}


def bot(content: Any, metadata: Any = None) -> dict[str, Any]:
    return {"role": "assistant", "metadata": metadata, "content": content, "options": None}


def ms(text: str) -> dict[str, Any]:
    return {"id": None, "elem_id": None, "text": text, "avatar": "", "files": None}


def part(text: str) -> dict[str, Any]:
    return {"text": text, "type": "text"}


FILE = {"file": {"path": "/x.png", "url": "u"}, "alt_text": None, "type": "file"}
FILES = (FILE["file"],)

SHAPES = [
    pytest.param("", Reply("", []), id="text-empty"),
    pytest.param("b", Reply("b", []), id="text"),
    pytest.param(None, Reply("", None), id="null"),
    pytest.param([], Reply("", None), id="empty"),
    pytest.param(
        [{"role": "Human", "text": "u"}, {"role": "bot", "text": "b"}],
        Reply("b", [1, "text"]),
        id="messages-with-other-roles",
    ),
    pytest.param(
        {"title": "t", "messages": [{"role": "user", "text": "u"}, {"role": "ai", "text": "b"}]},
        Reply("b", ["messages", 1, "text"]),
        id="messages-in-an-object",
    ),
    pytest.param(
        {"messages": [{"role": "user", "content": "u"}]},
        Reply("", None),
        id="messages-in-an-object-waiting",
    ),
    pytest.param(
        {"answer": "b", "history": [{"role": "ai", "content": "old"}]},
        Reply("b", ["answer"]),
        id="an-answer-beside-messages",
    ),
    pytest.param([["u", "b"]], Reply("b", [0, 1]), id="pair"),
    pytest.param([["u", "b"], ["v", "c"]], Reply("c", [1, 1]), id="pairs"),
    pytest.param([["u", None]], Reply("", None), id="pair-waiting"),
    pytest.param([["u", ""]], Reply("", [0, 1]), id="pair-empty"),
    pytest.param([[None, "b"]], Reply("b", [0, 1]), id="pair-without-user"),
    pytest.param(
        [["t", "a"], ["u", "b"], [None, "c"]], Reply("b\n\nc", [2, 1]), id="pairs-of-one-reply"
    ),
    pytest.param(
        [["t", "a"], ["u", "b"], ["", "c"]], Reply("b\n\nc", [2, 1]), id="pairs-without-a-message"
    ),
    pytest.param([["", "a"], ["", "b"]], Reply("b", [1, 1]), id="pairs-without-any-message"),
    pytest.param([["u", None], [None, "b"]], Reply("b", [1, 1]), id="pair-after-the-user-s"),
    pytest.param([["u", "b"], [None, None]], Reply("b", [0, 1]), id="pairs-the-last-waits"),
    pytest.param([[ms("u"), ms("b")]], Reply("b", [0, 1, "text"]), id="modelscope"),
    pytest.param([[ms("u"), None]], Reply("", None), id="modelscope-waiting"),
    pytest.param(
        [[ms("u"), [ms("b"), ms("c")]]],
        Reply("b\n\nc", [0, 1, 1, "text"]),
        id="modelscope-several-bots",
    ),
    pytest.param([user("u"), bot("b")], Reply("b", [1, "content"]), id="messages"),
    pytest.param([user("u")], Reply("", None), id="messages-waiting"),
    pytest.param([bot("b")], Reply("b", [0, "content"]), id="messages-greeting"),
    pytest.param(
        [user("u"), bot("b"), user("v"), bot("c")], Reply("c", [3, "content"]), id="messages-more"
    ),
    pytest.param(
        [user("u"), bot("b"), user("v")], Reply("", None), id="messages-the-last-is-the-user-s"
    ),
    pytest.param(
        [{"role": "system", "content": "s"}, user("u"), bot("b")],
        Reply("b", [2, "content"]),
        id="messages-with-system",
    ),
    pytest.param(
        [user("u"), bot("b"), bot("c")], Reply("b\n\nc", [2, "content"]), id="messages-two-in-a-row"
    ),
    pytest.param(
        [user("u"), bot("b", {"title": None})], Reply("b", [1, "content"]), id="title-null-is-none"
    ),
    pytest.param(
        [user([part("u")]), bot([part("b")])],
        Reply("b", [1, "content", 0, "text"]),
        id="parts",
    ),
    pytest.param(
        [user([part("u")]), bot([part("b"), part("c")])],
        Reply("b\n\nc", [1, "content", 1, "text"]),
        id="parts-several",
    ),
    pytest.param(
        [user([part("u")]), bot([part("b"), FILE])],
        Reply("b", [1, "content", 0, "text"], files=FILES),
        id="parts-with-a-file",
    ),
    pytest.param([user([part("u")]), bot([])], Reply("", None), id="parts-none"),
    pytest.param(
        [user([part("u")]), bot([part("b"), part("")])], Reply("b", None), id="parts-the-last-waits"
    ),
    pytest.param(
        [user("u"), bot(""), bot("b")], Reply("b", [2, "content"]), id="messages-an-empty-one"
    ),
    pytest.param([user("u"), bot(""), bot("")], Reply("", [2, "content"]), id="messages-all-empty"),
    pytest.param([user("u"), bot(FILE)], Reply("", None, files=FILES), id="messages-file"),
    pytest.param([["u", FILE]], Reply("", None, files=FILES), id="pair-file"),
    pytest.param(bot("b"), Reply("b", ["content"]), id="one-message"),
    pytest.param(
        {"__type__": "update", "value": [["u", "b"]]}, Reply("b", ["value", 0, 1]), id="update"
    ),
    pytest.param(
        {"__type__": "update", "interactive": False, "value": "b"},
        Reply("b", ["value"]),
        id="update-text",
    ),
    pytest.param(
        {"__type__": "update", "value": "red.png"},
        Reply("red.png", ["value"]),
        id="update-to-a-name",
    ),
    pytest.param([["u", "Figure(640x480)"]], Reply("Figure(640x480)", [0, 1]), id="python-s-words"),
    pytest.param({"__type__": "update"}, None, id="update-of-nothing"),
    pytest.param(
        {
            "__type__": "update",
            "items": [
                {"role": "user", "content": {"text": "u", "files": []}, "key": "k", "meta": {}},
                {"role": "assistant", "content": "b", "key": "l", "meta": {}, "loading": False},
            ],
        },
        Reply("b", ["items", 1, "content"]),
        id="update-of-a-bubble-list",
    ),
    pytest.param(["One.", "Two."], Reply("One.\n\nTwo.", [1]), id="list-of-texts"),
    pytest.param(["text"], Reply("text", [0]), id="list-of-one-text"),
    pytest.param([{"content": "b"}, "c"], Reply("b\n\nc", [1]), id="list-of-a-message-and-a-text"),
    pytest.param([bot("b"), "done"], Reply("b\n\ndone", [1]), id="list-of-a-message-with-its-role"),
    pytest.param(
        [bot("hm", {"title": "T"}), "b"],
        Reply("b", [1], "hm", [0, "content"]),
        id="list-of-a-thought-and-a-text",
    ),
    pytest.param(
        ["b", {"text": "c", "files": []}], Reply("b\n\nc", [1, "text"]), id="list-with-multimodal"
    ),
    pytest.param(
        [user("u"), bot({"component": "code", "value": "x = 1", "type": "component"})],
        Reply("x = 1", [1, "content", "value"]),
        id="component-of-text",
    ),
    pytest.param(
        [user("u"), bot([part("b"), {"component": "plot", "value": {}, "type": "component"}])],
        Reply("b", [1, "content", 0, "text"], components=(ReplyComponent("plot", None, {}),)),
        id="component-of-no-text",
    ),
    pytest.param(
        [
            user("u"),
            {**bot("Which?"), "options": [{"value": "a", "label": "A"}, {"value": "b"}, 5]},
        ],
        Reply(
            "Which?",
            [1, "content"],
            components=(ReplyComponent("option", "A", "a"), ReplyComponent("option", "b", "b")),
        ),
        id="options",
    ),
    pytest.param(
        [
            user("u"),
            bot([{"type": "text", "content": "b"}, {"type": "file", "content": ["/a.png"]}]),
        ],
        Reply("b", [1, "content", 0, "content"]),
        id="modelscope-pro-file",
    ),
    pytest.param(
        [{"role": "chatbot-internal-welcome", "content": {}}, user("u"), bot("b")],
        Reply("b", [2, "content"]),
        id="modelscope-pro-welcome",
    ),
    pytest.param({"__type__": "update", "value": None}, Reply("", None), id="update-to-null"),
]


@pytest.mark.parametrize(("value", "expected"), SHAPES)
def test_the_reply_is_found_in_every_shape(value: Any, expected: Reply | None) -> None:
    assert find_reply(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(each.values[0], id=each.id)
        for each in SHAPES
        if each.values[1] and each.values[1].path is not None
    ],
)
def test_the_path_leads_to_the_string_that_ends_the_reply(value: Any) -> None:
    reply = find_reply(value)
    assert reply is not None
    assert reply.path is not None
    node = value
    for key in reply.path:
        node = node[key]
    assert isinstance(node, str)
    assert reply.text.endswith(node)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            ["b", "<gradio.components.native_plot.LinePlot object at 0x7f2646033450>"],
            Reply("b", [0], components=(ReplyComponent("lineplot"),)),
            id="component",
        ),
        pytest.param(
            "Figure(640x480)", Reply("", None, components=(ReplyComponent("plot"),)), id="figure"
        ),
        pytest.param(
            {"__type__": "update", "value": "/tmp/a b/red.png"},
            Reply("", None, components=(ReplyComponent("image", None, "/tmp/a b/red.png"),)),
            id="picture",
        ),
        pytest.param(
            {"__type__": "update", "value": "https://example.org/red.png"},
            Reply("https://example.org/red.png", ["value"]),
            id="address",
        ),
        pytest.param(
            {"__type__": "update", "value": "It is red.png"},
            Reply("It is red.png", ["value"]),
            id="sentence",
        ),
        pytest.param("red.png", Reply("red.png", []), id="name"),
    ],
)
def test_a_chat_interface_s_response_has_components_in_words(value: Any, expected: Reply) -> None:
    assert find_reply(value, is_response=True) == expected


@pytest.mark.parametrize(
    ("value", "prompt"),
    [
        ([["t", "a"], ["u", "b"], [None, "c"]], "u"),
        ([[None, "b"]], ""),
        ([5, [None, "b"]], ""),
        ([[], [None, "b"]], ""),
        ([user("t"), bot("a"), user("u"), bot("b")], "u"),
    ],
)
def test_the_prompt_is_the_user_s_last_message(value: Any, prompt: str) -> None:
    assert find_prompt(value) == prompt


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(1, id="number"),
        pytest.param(True, id="true"),
        pytest.param([1], id="row-number"),
        pytest.param([["u", "b", "c"]], id="three"),
        pytest.param(["u", [None, "b"]], id="a-text-before-a-pair"),
        pytest.param([["u"]], id="one"),
        pytest.param([["append", [0, 1], "x"]], id="an-edit"),
        pytest.param([["u", 1]], id="bot-number"),
        pytest.param([{"name": "b"}], id="no-role"),
        pytest.param([bot(1)], id="content-number"),
        pytest.param([bot([1])], id="part-number"),
    ],
)
def test_another_shape_is_a_protocol_error(value: Any) -> None:
    with pytest.raises(ProtocolError):
        find_reply(value)


@pytest.mark.parametrize(
    ("value", "text", "path"),
    [
        ({"response": "a", "usage": {"tokens": 1}}, "a", ["response"]),
        ({"output": ["a", "b"]}, "a", ["output", 0]),
        ({"choices": [{"message": {"content": "a"}}]}, "a", ["choices", 0, "message", "content"]),
        ({"result": {"answer": "a"}}, "a", ["result", "answer"]),
        ({"message": "error", "text": "a"}, "a", ["text"]),
        ({"score": 1, "said": ["é"]}, '{"score": 1, "said": ["é"]}', []),
        ({"response": 1}, '{"response": 1}', []),
        ({}, "", None),
        ({"type": "score", "value": 1}, '{"type": "score", "value": 1}', []),
        ({"type": "error", "error": "No."}, '{"type": "error", "error": "No."}', []),
        ({"type": "answer", "answer": "a"}, "a", ["answer"]),
        ({"type": "text", "text": ""}, "", ["text"]),
        ({"data": {"data": {"data": {"data": {"data": {"data": "a"}}}}}}, "", None),
    ],
)
def test_an_object_of_an_app_s_own_has_its_answer_by_a_common_name(
    value: Any, text: str, path: list[Any] | None
) -> None:
    reply = find_reply(value)

    assert reply is not None
    assert (reply.text, reply.path) == (text, path)
