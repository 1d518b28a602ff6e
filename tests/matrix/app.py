"""A chat app for any Gradio from 4.0 on. Run by `test_matrix.py` with the Python of a release.

The prompt is a JSON list of the pieces to answer with; "HISTORY" stands for the history that came
with it, and "COUNT" for the number of pieces that were made before, for all prompts. Any other
prompt is the answer itself. `python app.py FLAVOUR...` serves the app in each of
these flavours (see `FLAVOURS`), all in one process, and prints `ready FLAVOUR URL` for each.
"""

import functools
import hashlib
import html
import inspect
import itertools
import json
import os
import pathlib
import socket
import sys
import tempfile
import threading
import time

import gradio as gr

MAJOR = int(gr.__version__.split(".")[0])
HAS_TYPES = gr.__version__ != "4.0.2"  # of a Gallery's files


count = itertools.count()


def pieces(query, history=None):
    query = query if isinstance(query, str) else query["text"]
    for piece in json.loads(query) if query.startswith("[") else [query]:
        if piece == "RAISE":
            raise gr.Error("planned failure")
        time.sleep(0.03)
        special = {"HISTORY": json.dumps(history, default=str), "COUNT": str(next(count))}
        yield special.get(piece, piece)


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


def escaped():
    """An app that escapes its texts for HTML, shows a cursor, and a placeholder at first."""

    def answer(query, chat):
        shown = html.escape(query)
        rows = functools.partial(row, "pairs" if MAJOR < 6 else "messages", shown)
        yield [*chat, *rows("Thinking ...")]
        text = ""
        for piece in pieces(query, chat):
            text += piece
            yield [*chat, *rows(html.escape(text) + "\u258c")]
        yield [*chat, *rows(html.escape(text))]

    with gr.Blocks() as app:
        chat, query = gr.Chatbot(), gr.Textbox(label="Input")
        query.submit(answer, [query, chat], chat)
    return app


def page():
    """An app that collects its inputs first, and shows the whole chat in one HTML output."""

    def message(text):
        raw = html.escape(text)
        return f'<div class="message" data-raw="{raw}"><b>N</b><p>{raw}</p></div>'

    def answer(saved):
        text = ""
        for piece in pieces(saved):
            text += piece
            yield f"<style>p {{}}</style>{message(saved)}{message(text)}"

    with gr.Blocks() as app:
        saved, shown, query = gr.State(), gr.HTML(), gr.Textbox(label="Input")
        query.submit(lambda text: (text, ""), query, [saved, query]).then(answer, saved, shown)
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


def agent():
    """An app that keeps its turns and its sampling in states, and answers in several messages."""

    class Model:
        heat = 0.7

    def set_heat(model, heat):
        model.heat = heat

    def answer(query, model, turns):
        turns = [*turns, *([[query, "Looking."]] if MAJOR < 6 else row("", query, "Looking."))]
        text = f"{model.heat}: "
        for piece in pieces(query):
            text += piece
            last = [None, text] if MAJOR < 6 else row("", query, text)[1]
            yield [*turns, last], "working"

    with gr.Blocks() as app:
        chat, query = gr.Chatbot(), gr.Textbox(label="Input")
        note = gr.Textbox(label="Status", interactive=False)
        heat = gr.Slider(0, 2, value=0.7, label="Temperature")
        model, turns = gr.State(Model()), gr.State([])
        heat.input(set_heat, [model, heat], None)
        query.submit(answer, [query, model, turns], [turns, note]).then(
            lambda turns: turns, turns, chat
        )
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


def describe(path):
    """Return the line of a file in the replies."""
    if isinstance(path, dict):
        path = path.get("path") or path["file"]["path"]
    data = pathlib.Path(path).read_bytes()
    return f"{pathlib.Path(path).name} {len(data)} {hashlib.sha256(data).hexdigest()[:12]}"


def flat(value):
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


COMPONENTS = {
    "image": lambda: gr.Image(type="filepath", **({"image_mode": None} if MAJOR > 4 else {})),
    "audio": lambda: gr.Audio(type="filepath"),
    "video": lambda: gr.Video(),
    "file": lambda: gr.File(file_types=["image", ".pdf"]),
    "files": lambda: gr.File(file_count="multiple"),
    "gallery": lambda: gr.Gallery(**({"type": "filepath"} if HAS_TYPES else {})),
}


def media(kind):
    """An app whose function takes a file beside the prompt, and describes it."""

    def answer(query, value, chat):
        if kind == "gallery" and not HAS_TYPES:
            value = [each.image.path for each in value.root]
        elif kind == "gallery":
            value = [each[0] for each in value]
        paths = flat(value)
        text = "\n".join(map(describe, paths))
        yield [*chat, *([[query, text]] if MAJOR < 6 else row("", query, text))]

    with gr.Blocks() as app:
        own = COMPONENTS[kind]()
        chat, query = gr.Chatbot(), gr.Textbox(label="Input")
        query.submit(answer, [query, own, chat], chat)
    return app


def upload_step():
    """An app as Qwen2.5-VL's: a button puts each file into a state, which the answer reads."""

    def add(files, file):
        return [*files, file if isinstance(file, str) else file.name]

    def answer(query, files, chat):
        text = "\n".join(map(describe, files))
        yield [*chat, *([[query, text]] if MAJOR < 6 else row("", query, text))]

    with gr.Blocks() as app:
        files, button = gr.State([]), gr.UploadButton("Upload", file_types=["image"])
        chat, query = gr.Chatbot(), gr.Textbox(label="Input")
        button.upload(add, [files, button], files)
        query.submit(answer, [query, files, chat], chat)
    return app


def uploaded(by):
    """An app whose picture gets into a state by a later step of its upload, or by a button."""

    def keep(path, known):
        return {"path": path}

    def answer(query, known, chat):
        text = describe(known["path"])
        yield [*chat, *([[query, text]] if MAJOR < 6 else row("", query, text))]

    with gr.Blocks() as app:
        known, picture, chat = gr.State({}), COMPONENTS["image"](), gr.Chatbot()
        query, button = gr.Textbox(label="Input"), gr.Button("Upload & start")
        if by == "button":
            button.click(keep, [picture, known], known)
        else:
            picture.upload(list, None, chat).then(keep, [picture, known], known)
        query.submit(answer, [query, known, chat], chat)
    return app


def files_in_history():
    """An app whose answer reads the files of earlier turns too."""
    kind = {"type": "messages"} if MAJOR == 5 else {}

    def found(content):
        for each in content if isinstance(content, (list, tuple)) else [content]:
            if (isinstance(each, dict) and ("file" in each or "path" in each)) or (
                isinstance(each, str) and pathlib.Path(each).is_absolute()
            ):
                yield each

    def answer(query, chat):
        rows = [each["content"] if MAJOR > 4 else each[0] for each in chat]
        earlier = [file for content in rows for file in found(content)]
        text = "\n".join(map(describe, [*earlier, *query["files"]]))
        yield [*chat, *([[query["text"], text]] if MAJOR < 5 else row("", query["text"], text))]

    with gr.Blocks() as app:
        chat, query = gr.Chatbot(**kind), gr.MultimodalTextbox()
        query.submit(answer, [query, chat], chat)
    return app


def file_in_reply():
    """An app that answers with a picture."""

    def answer(query, chat):
        path = pathlib.Path(tempfile.mkdtemp()) / "red.png"
        path.write_bytes(PNG)
        if MAJOR < 6:
            yield [*chat, [query, (str(path),)]]
        else:
            yield [*chat, *row("", query, {"path": str(path)})]

    with gr.Blocks() as app:
        chat, query = gr.Chatbot(), gr.Textbox(label="Input")
        query.submit(answer, [query, chat], chat)
    return app


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
"""A picture of one red pixel."""


def moved(state):
    """An app that has another function under the number of its chat once it is deployed anew."""

    def answer(query, chat):
        yield [*chat, *row("pairs" if MAJOR < 6 else "messages", query, f"{state}: {query}")]

    def delete(query, chat):
        return chat, "Deleted."

    def wire():
        query.submit(answer, [query, chat], chat, api_name="ask")

    with gr.Blocks() as app:
        chat, query, status = gr.Chatbot(), gr.Textbox(label="Input"), gr.Textbox(label="Status")
        if state == "old":
            wire()
        button = gr.Button("Delete")
        button.click(delete, [query, chat], [chat, status], api_name="delete")
        if state == "new":
            wire()
    return app


KEPT = {
    "json": lambda: gr.JSON([], visible=False),
    "table": lambda: gr.Dataframe(type="array", headers=["a", "b"], visible=False),
    "box": lambda: gr.Textbox("[]", interactive=False),
    "browser": lambda: gr.BrowserState([]),
}
"""Components in which a page keeps the turns beside its chat."""


def kept(kind):
    """An app that takes its chat to add to it, and reads the turns elsewhere."""

    def answer(query, chat, turns):
        turns = json.loads(turns) if kind == "box" else [each for each in turns or [] if any(each)]
        text = f"{len(turns)} kept: {query}"
        turns = [*turns, [query, text]]
        shown = row("pairs" if MAJOR < 6 else "messages", query, text)
        return [*chat, *shown], json.dumps(turns) if kind == "box" else turns, ""

    with gr.Blocks() as app:
        chat, query, turns = gr.Chatbot(), gr.Textbox(label="Input"), KEPT[kind]()
        query.submit(answer, [query, chat, turns], [chat, turns, query])
    return app


def typed():
    """An app whose page is a script's, and whose function has types in place of components."""

    def chat(message: str, history: list, system_prompt: str = "Kind.", heat: float = 0.5) -> str:
        turns = [each["content"] for each in history]
        yield from (f"{system_prompt} {turns} {message} {heat}"[:end] for end in (3, None))

    with gr.Blocks() as app:
        gr.HTML('<div id="root"></div>')
        gr.api(chat, api_name="chat")
    return app


def listed():
    """An app whose function takes the whole chat as a list of messages."""

    def chat(messages: list, heat: float = 0.5) -> str:
        return f"{[(each['role'], each['content']) for each in messages]} {heat}"

    with gr.Blocks() as app:
        gr.api(chat, api_name="complete")
    return app


def loaded():
    """An app whose page chooses a model as it loads."""

    def answer(query, chat, model):
        shown = row("pairs" if MAJOR < 6 else "messages", query, f"{model}: {query}")
        return [*chat, *shown]

    with gr.Blocks() as app:
        model = gr.Dropdown(["a", "b", "c"], value="c", label="Model")
        chat, query = gr.Chatbot(), gr.Textbox(label="Input")
        query.submit(answer, [query, chat, model], chat)
        app.load(lambda _: "a", model, model)
    return app


def opened():
    """An app that starts its backend as its page is opened, and shows a clock there."""
    starts = []

    def start():
        starts.append(1)
        return "Ready"

    def answer(query, chat):
        says = f"{query} after {len(starts)}"
        return [*chat, *row("pairs" if MAJOR < 6 else "messages", query, says)]

    with gr.Blocks() as app:
        status, clock = gr.Textbox("Starting", label="Status"), gr.Textbox()
        chat, query = gr.Chatbot(), gr.Textbox(label="Input")
        query.submit(answer, [query, chat], chat)
        app.load(start, None, status)
        if "every" in inspect.signature(app.load).parameters:  # it never ends
            app.load(lambda: "now", None, clock, every=1)
            app.load(list, None, chat, every=1)
    return app


def remembered():
    """An app that makes a memory for each session as its page is opened."""
    memories = {}

    def start(request: gr.Request):
        memories[request.session_hash] = []

    def answer(query, chat, request: gr.Request):
        says = f"{query} {memories[request.session_hash]}"
        return [*chat, *row("pairs" if MAJOR < 6 else "messages", query, says)]

    with gr.Blocks() as app:
        chat, query = gr.Chatbot(), gr.Textbox(label="Input")
        query.submit(answer, [query, chat], chat)
        app.load(start)
    return app


KINDS = (
    "Textbox Number Slider Checkbox CheckboxGroup Radio Dropdown Code HTML Markdown JSON"
    " ColorPicker DateTime File Image Audio Gallery HighlightedText Dataframe MultimodalTextbox"
    " State BrowserState ImageSlider ImageEditor"
)


def made(*without):
    """Make one of each input that this release has, most without a value."""
    given = {"BrowserState": {"default_value": {"a": 1}}}
    for kind in ("CheckboxGroup", "Radio", "Dropdown"):
        given[kind] = {"choices": ["a", "b"]}
    if not hasattr(gr, "ImageSlider"):  # the editor of these releases draws a picture of its own
        without = *without, "ImageEditor"
    for kind in KINDS.split():
        if hasattr(gr, kind) and kind not in without:
            yield getattr(gr, kind)(**given.get(kind, {}))


def inputs():
    """An app that takes one of each input, in each of the places that a page may not show."""
    rare = "HTML", "DateTime"  # on this page only where it is hidden or in a closed tab
    with gr.Blocks() as app:
        query, chat = gr.Textbox(label="Input"), gr.Chatbot()
        parts = [
            *made(*rare),
            *(gr.Textbox(lambda: "called"), gr.Radio(["a"], value="a")),
            *(gr.Dropdown(), gr.Dropdown(["a"], value=None), gr.Dropdown([("A", "a")], value="a")),
            *(gr.Dropdown(["a"], allow_custom_value=True), gr.Dropdown(["a"], multiselect=True)),
            *(gr.Dropdown(["a"], value=None, multiselect=True),),
            *(gr.Dropdown(["a", "b"], value=""), gr.Dropdown([("A", 1), ("B", 0)], value=0)),
            *(
                gr.FileExplorer(),
                gr.Textbox(visible=False),
                gr.Number(visible=False),
                gr.Code(visible=False),
            ),
        ]
        loaded = [gr.Textbox(), gr.Textbox("x"), gr.Number(1), gr.Radio(["a"]), gr.Slider()]
        loaded += [gr.Code()]
        with gr.Column(visible=False):
            parts += made()
        with gr.Accordion(open=False):
            parts += made(*rare)
        with gr.Tab("Open"):
            gr.Button()
        with gr.Tab("Closed"):
            parts += made()
        app.load(lambda: ("loaded", None, None, "a", 5, None), None, loaded)
        reply = gr.Textbox()
        query.submit(lambda *_: "Hi.", [query, chat, *parts, *loaded], reply)
    return app


def changed():
    """An app whose load sets values that start functions, each of which sets one that does."""
    with gr.Blocks() as app:
        query, chat = gr.Textbox(label="Input"), gr.Chatbot()
        parts = [
            (gr.Dropdown(["a", "b"], value=None), "b"),
            (gr.Textbox(), "Hello."),
            (gr.Slider(0, 9, value=1), 5),
            (gr.Radio(["c", "d"], value="c"), "d"),
            (gr.Checkbox(), True),
            (gr.Number(2), 3),
            (gr.Textbox("x"), "loaded"),
        ]
        # No slider: that of Gradio 6.0 takes its first value for a change.
        same = gr.Textbox("same"), gr.Dropdown(["e", "f"], value="e"), gr.Number(4)
        spoiled, called = gr.Textbox("kept"), gr.Textbox(lambda: "called")
        for (part, _), (following, value) in itertools.pairwise(parts):
            part.change(lambda *_, value=value: value, part, following)
        for part in same:
            part.change(lambda *_: "spoiled", part, spoiled)
        first, value = parts[0]
        app.load(lambda: (value, "same", "e", 4), None, [first, *same])
        reply = gr.Textbox()
        taken = [part for part, _ in parts]
        query.submit(lambda *_: "Hi.", [query, chat, *taken, *same, spoiled, called], reply)
    return app


FLAVOURS = {
    "inputs": inputs,
    "changed": changed,
    **{f"kept-{kind}": functools.partial(kept, kind) for kind in KEPT},
    "loaded": loaded,
    "typed": typed,
    "listed": listed,
    "opened": opened,
    "remembered": remembered,
    "old": lambda: moved("old"),
    "new": lambda: moved("new"),
    **{kind: functools.partial(media, kind) for kind in COMPONENTS},
    "upload": upload_step,
    "later": lambda: uploaded("later"),
    "button": lambda: uploaded("button"),
    "history": files_in_history,
    "reply": file_in_reply,
    "pairs": lambda: blocks("pairs"),
    "messages": lambda: blocks("messages"),
    "modelscope": lambda: blocks("modelscope"),
    "steps": steps,
    "escaped": escaped,
    "page": page,
    "agent": agent,
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
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", int(os.environ.get("MATRIX_PORT", "0"))))
        port = free.getsockname()[1]
    app.queue().launch(
        server_name="127.0.0.1", server_port=port, quiet=True, prevent_thread_lock=True
    )
    return f"http://127.0.0.1:{port}"


if __name__ == "__main__":
    for flavour in sys.argv[1:]:
        print("ready", flavour, serve(FLAVOURS[flavour]()), flush=True)  # noqa: T201
    threading.Event().wait()
