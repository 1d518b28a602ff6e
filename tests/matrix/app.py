"""A chat app for any Gradio from 4.0 on. Run by `test_matrix.py` with the Python of a release.

The prompt is a JSON list of the pieces to answer with; `python app.py PORT FLAVOUR`, where the
flavour is one of "pairs", "messages", "modelscope", "steps" and "interface".
"""

import json
import sys
import time

import gradio as gr

MAJOR = int(gr.__version__.split(".")[0])


def pieces(query):
    for piece in json.loads(query):
        if piece == "RAISE":
            raise gr.Error("planned failure")
        time.sleep(0.03)
        yield piece


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
            for piece in pieces(query):
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
        for piece in pieces(query):
            text += piece
            yield [*history[:-1], *([[query, text]] if MAJOR < 6 else row("", query, text)[1:])]

    with gr.Blocks() as app:
        chat, query = gr.Chatbot(), gr.Textbox(label="Input")
        query.submit(take, [query, chat], [query, chat], queue=False).then(answer, chat, chat)
    return app


def interface():
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
    )


if __name__ == "__main__":
    port, flavour = int(sys.argv[1]), sys.argv[2]
    app = {"interface": interface, "steps": steps}.get(flavour, lambda: blocks(flavour))()
    app.queue().launch(server_name="127.0.0.1", server_port=port, quiet=True)
