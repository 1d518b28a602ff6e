"""A chat app for any Gradio from 4.0 on. Run by `test_matrix.py` with the Python of a release.

The prompt is a JSON list of the pieces to answer with; "HISTORY" stands for the history that came
with it. Any other prompt is the answer itself. `python app.py FLAVOUR...` serves the app in each of
these flavours (see `FLAVOURS`), all in one process, and prints `ready FLAVOUR URL` for each.
"""

import json
import socket
import sys
import threading
import time

import gradio as gr

MAJOR = int(gr.__version__.split(".")[0])


def pieces(query, history=None):
    query = query if isinstance(query, str) else query["text"]
    for piece in json.loads(query) if query.startswith("[") else [query]:
        if piece == "RAISE":
            raise gr.Error("planned failure")
        time.sleep(0.03)
        yield json.dumps(history, default=str) if piece == "HISTORY" else piece


def row(flavour, query, text):
    if flavour in {"pairs", "modelscope"}:
        return [[query, text]]
    return [{"role": "user", "content": query}, {"role": "assistant", "content": text}]


def modelscope_chatbot():
    """Return the component that the public Qwen2.5 Space shows its chat in."""
    try:
        from modelscope_studio.components.legacy import Chatbot  # from 1.0 on
    except ImportError:
        from modelscope_studio import Chatbot
    return Chatbot(label="Qwen")


def blocks(flavour):
    # From Gradio 6 on a chat consists of messages, and has no type.
    kind = {"type": "messages"} if flavour == "messages" and MAJOR < 6 else {}
    with gr.Blocks() as app:
        system = gr.Textbox(label="System", value="You are a helpful assistant.")
        size = gr.Radio(["72B", "7B"], value="72B", label="Qwen2.5")
        chat = modelscope_chatbot() if flavour == "modelscope" else gr.Chatbot(label="Qwen", **kind)
        query = gr.Textbox(label="Input")
        send = gr.Button("Send")

        def model_chat(query, history, system, size):
            gr.Info("answering")
            text = ""
            for piece in pieces(query, history):
                text += piece
                yield "", list(history or []) + row(flavour, query, text), system

        send.click(
            model_chat, [query, chat, system, size], [query, chat, system], api_name="model_chat"
        )
    return app


def steps():
    """An app as in Gradio's documentation: one function takes the prompt, the next answers."""

    def take(query, history):
        return "", [*history, *([[query, None]] if MAJOR < 6 else row("", query, ""))]

    def answer(history):
        query = history[-1][0] if MAJOR < 6 else history[-2]["content"][0]["text"]
        text = ""
        for piece in pieces(query, history):
            text += piece
            yield [*history[:-1], *([[query, text]] if MAJOR < 6 else row("", query, text)[1:])]

    with gr.Blocks() as app:
        chat, query = gr.Chatbot(), gr.Textbox(label="Input")
        query.submit(take, [query, chat], [query, chat], queue=False).then(answer, chat, chat)
    return app


def interface(**more):
    def respond(message, history, system_message, temperature):
        text = ""
        for piece in pieces(message):
            text += piece
            yield text

    return gr.ChatInterface(
        respond,
        additional_inputs=[
            gr.Textbox(value="You are a friendly chatbot.", label="System message"),
            gr.Slider(0, 2, value=0.7, label="Temperature"),
        ],
        **more,
    )


FLAVOURS = {
    "pairs": lambda: blocks("pairs"),
    "messages": lambda: blocks("messages"),
    "modelscope": lambda: blocks("modelscope"),
    "steps": steps,
    "interface": interface,
    "multimodal": lambda: interface(multimodal=True),
}


def serve(app):
    """Start the app, and return its address once it takes prompts.

    It answers `/config` earlier: a prompt that comes before `launch` has returned may be refused
    with HTTP 500, as the queue is not there yet, or keep the server from answering the requests by
    which `launch` looks whether it is up, and `launch` then gives up.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app.queue().launch(
        server_name="127.0.0.1", server_port=port, quiet=True, prevent_thread_lock=True
    )
    return f"http://127.0.0.1:{port}"


if __name__ == "__main__":
    for flavour in sys.argv[1:]:
        print("ready", flavour, serve(FLAVOURS[flavour]()), flush=True)  # noqa: T201
    threading.Event().wait()
