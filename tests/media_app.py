"""A Gradio app that describes the pictures and files that it is given, in each kind of input."""

from __future__ import annotations

import hashlib
import io
import tempfile
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["PNG", "SILENCE", "MediaApp", "build", "describe"]

MediaApp = Callable[[str], str]  # the address of a running app, by its kind


def describe(name: str, data: bytes) -> str:
    """Return the line of a file in the app's replies: its name, its bytes, their hash."""
    return f"{name} {len(data)} {hashlib.sha256(data).hexdigest()[:12]}"


def _line(path: Any) -> str:
    if isinstance(path, dict):
        path = path.get("path") or path["file"]["path"]
    file = Path(path)
    return describe(file.name, file.read_bytes())


def _answer(prompt: str, paths: Sequence[Any]) -> str:
    return "\n".join([f"You said: {prompt}", *map(_line, paths)])


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def build(kind: str) -> Any:
    """Make an app of one kind.

    Args:
        kind: "chat_interface", "step", "later_step", "button", "history", "reply",
            "vision_model", or the name of a component beside the prompt.
    """
    import gradio as gr

    if kind == "chat_interface":

        def chat(message: Any, history: Any) -> Any:
            yield _answer(message["text"], message["files"])

        return gr.ChatInterface(chat, multimodal=True, analytics_enabled=False)
    with gr.Blocks(analytics_enabled=False) as app:
        chatbot, box = gr.Chatbot(), gr.Textbox(label="Message")
        if kind == "step":
            _with_upload_step(gr, chatbot, box)
        elif kind in {"later_step", "button"}:
            _with_session(gr, kind, chatbot, box)
        elif kind == "history":
            _with_history(gr, chatbot, box)
        elif kind == "reply":
            _with_files_in_reply(gr, chatbot, box)
        elif kind == "vision_model":
            _as_a_vision_model(gr, chatbot, box)
        else:
            _beside_the_prompt(gr, kind, chatbot, box)
    return app


def _row(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def _beside_the_prompt(gr: Any, kind: str, chatbot: Any, box: Any) -> None:
    make = {
        "image": lambda: gr.Image(label="Picture", type="filepath", image_mode=None),
        "audio": lambda: gr.Audio(type="filepath"),
        "video": gr.Video,
        "file": lambda: gr.File(file_types=[".pdf", "image"]),
        "files": lambda: gr.File(file_count="multiple"),
        "gallery": lambda: gr.Gallery(type="filepath"),
        "editor": lambda: gr.ImageEditor(type="filepath", image_mode=None),
        "none": lambda: gr.Checkbox(label="Nothing"),
    }
    own = make[kind]()

    def answer(message: str, value: Any, chat: list[Any]) -> Any:
        paths = [] if kind == "none" else _flat(value)
        if kind == "gallery":
            paths = [path for path, _ in paths]
        if kind == "editor" and value:
            paths = [value["background"]]
        yield [*chat, _row("user", message), _row("assistant", _answer(message, paths))]

    box.submit(answer, [box, own, chatbot], chatbot)


def _with_upload_step(gr: Any, chatbot: Any, box: Any) -> None:
    """As Qwen2.5-VL's page: a button puts each file into a state, which the answer reads."""
    files = gr.State([])
    button = gr.UploadButton("Upload", file_types=["image", "video"])

    def add_file(chat: list[Any], known: list[str], file: str) -> Any:
        return [*chat, _row("user", {"path": file})], [*known, file]

    def add_text(chat: list[Any], message: str) -> Any:
        return [*chat, _row("user", message)]

    def predict(chat: list[Any], known: list[str], message: str) -> Any:
        yield [*chat, _row("assistant", _answer(message, known))]

    button.upload(add_file, [chatbot, files, button], [chatbot, files])
    sent = box.submit(add_text, [chatbot, box], chatbot)
    sent.then(predict, [chatbot, files, box], chatbot)


def _with_session(gr: Any, kind: str, chatbot: Any, box: Any) -> None:
    """As MiniCPM-V's page, whose upload clears the chat first, and MiniGPT-4's, with a button."""
    session, picture = gr.State({}), gr.Image(type="filepath", image_mode=None)

    def start(path: str, known: dict[str, str]) -> Any:
        return {"path": path}

    def start_in_chat(path: str, chat: list[Any], known: dict[str, str]) -> Any:
        return [*chat, _row("assistant", "Uploaded.")], {"path": path}

    def answer(message: str, chat: list[Any], known: dict[str, str]) -> Any:
        text = _answer(message, [known["path"]]) if known else "Upload a picture first."
        return [*chat, _row("user", message), _row("assistant", text)]

    if kind == "button":
        gr.Button("Upload & start").click(start, [picture, session], session)
    else:
        sent = picture.upload(list, None, chatbot, queue=False)
        sent.then(start_in_chat, [picture, chatbot, session], [chatbot, session])
    box.submit(answer, [box, chatbot, session], chatbot)


def _with_history(gr: Any, chatbot: Any, box: Any) -> None:
    def answer(message: Any, chat: list[Any]) -> Any:
        seen = [part["file"] for row in chat for part in row["content"] if "file" in part]
        paths = [*seen, *message["files"]]
        turns = "".join(row["role"][0] for row in chat)
        text = f"{turns}\n{_answer(message['text'], paths)}"
        yield [*chat, _row("user", message["text"]), _row("assistant", text)]

    box.unrender()
    multimodal = gr.MultimodalTextbox(file_count="multiple")
    multimodal.submit(answer, [multimodal, chatbot], chatbot)


def _with_files_in_reply(gr: Any, chatbot: Any, box: Any) -> None:
    def answer(message: str, chat: list[Any]) -> Any:
        chat = [*chat, _row("user", message), _row("assistant", "See:")]
        yield chat
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "red.png"
            path.write_bytes(PNG)
            yield [*chat, _row("assistant", {"path": str(path)})]

    box.submit(answer, [box, chatbot], chatbot)


def _as_a_vision_model(gr: Any, chatbot: Any, box: Any) -> None:
    """Answer the questions of docs/files.md, each with the file that it goes with."""
    seen = {"What is on it?": "A cat on a sofa.", "And here?": "A dog on a lawn."}

    def answer(message: Any, chat: list[Any]) -> Any:
        text, files = message["text"], message["files"]
        chat = [*chat, _row("user", text)]
        if text == "Draw a cat.":
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "cat.png"
                path.write_bytes(PNG)
                yield [
                    *chat,
                    _row("assistant", "Here it is:"),
                    _row("assistant", {"path": str(path)}),
                ]
        else:
            yield [*chat, _row("assistant", seen[text] if files else "I see nothing.")]

    box.unrender()
    multimodal = gr.MultimodalTextbox(file_count="multiple")
    multimodal.submit(answer, [multimodal, chatbot], chatbot)


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
"""A picture of one red pixel."""


def _silence() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setparams((1, 2, 8000, 0, "NONE", ""))
        made.writeframes(b"\0\0" * 80)
    return file.getvalue()


SILENCE = _silence()
"""A hundredth of a second of sound."""
