"""Pages that answer in steps: the first takes the prompt, and the last gives the reply."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest

from qwen_space import EndpointError, JobError, SpaceClient
from qwen_space.chat_model.space import Space
from tests import gradio_app

Build = Callable[[], gr.Blocks]


def told(*said: object) -> Iterator[str]:
    """Repeat the prompt that reached the app, in two pieces."""
    text = "|".join(map(str, said))
    yield text[:3]
    yield text


def documented(*, queued: bool) -> Build:
    """The example of Gradio's own documentation, with a system prompt and a slider."""

    def take(message: str, history: list[Any]) -> tuple[str, list[Any]]:
        return "", [*history, {"role": "user", "content": message}]

    def bot(history: list[Any], system: str, heat: float) -> Iterator[list[Any]]:
        says = [part["text"] for turn in history for part in turn["content"]]
        for text in told(*says, system, heat):
            yield [*history, {"role": "assistant", "content": text}]

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            chat, box = gr.Chatbot(), gr.Textbox(label="Message")
            system = gr.Textbox(label="System prompt", value="You are.")
            heat = gr.Slider(0, 1, value=0.5, label="Temperature")
            button, heated = gr.Button(), gr.State(0)
            taken = box.submit(take, [box, chat], [box, chat], queue=queued)
            if queued:  # as the steps of many pages are
                taken = taken.then(lambda: gr.update(interactive=False), None, button)
                taken = taken.then(None, None, None, js="() => {}")
                taken = taken.then(lambda heat: heat, heat, heated)
            answering = taken.then(bot, [chat, system, heated if queued else heat], chat)
            answering.then(lambda: gr.update(interactive=True), None, box)
            gr.ClearButton([chat, box])
        return app

    return build


def agent() -> gr.Blocks:
    """As the page of Qwen-Agent, which Qwen's 1M demos have: the chat is kept in the session."""

    def add_text(
        _input: dict[str, Any], _chatbot: list[Any], _history: list[Any]
    ) -> Iterator[tuple[Any, list[Any], list[Any]]]:
        _history.append(_input["text"])
        row = {"role": "user", "content": _input["text"]}
        yield gr.update(interactive=False, value=None), [*_chatbot, row], _history

    def agent_run(_chatbot: list[Any], _history: list[Any]) -> Iterator[tuple[list[Any], Any]]:
        for text in told("agent", *_history, len(_chatbot)):
            yield [*_chatbot, {"role": "assistant", "content": text}], _history

    with gr.Blocks(analytics_enabled=False) as app:
        history, chat = gr.State([]), gr.Chatbot()
        box = gr.MultimodalTextbox(label="Message")
        box.submit(add_text, [box, chat, history], [box, chat, history], queue=False).then(
            agent_run, [chat, history], [chat, history]
        ).then(lambda: gr.update(interactive=True), None, [box])
    return app


def swift() -> gr.Blocks:
    """As the page of ms-swift's `swift app`: the system prompt is put into the session too."""

    def add_text(
        history: list[Any], real_history: list[Any], query: str
    ) -> tuple[list[Any], list[Any], str]:
        rows = [*history, {"role": "user", "content": query}]
        return rows, [*real_history, query], ""

    def model_chat(
        history: list[Any], real_history: list[Any], system: str
    ) -> Iterator[tuple[list[Any], list[Any]]]:
        for text in told("swift", *real_history, system):
            yield [*history, {"role": "assistant", "content": text}], real_history

    def modify_system_session(system: str) -> tuple[str, str, list[Any], list[Any]]:
        return system, "", [], []

    with gr.Blocks(analytics_enabled=False) as app:
        system_input, change = gr.Textbox(label="System"), gr.Button("Set")
        chat, box, submit = gr.Chatbot(label="Chatbot"), gr.Textbox(label="Input"), gr.Button()
        system, history = gr.State("none"), gr.State([])
        for start in (box.submit, submit.click):
            start(add_text, [chat, history, box], [chat, history, box]).then(
                model_chat, [chat, history, system], [chat, history]
            )
        gr.Button().click(model_chat, [chat, history, system], [chat, history])
        gr.Button().click(lambda: ("", [], []), [], [box, chat, history])
        change.click(modify_system_session, [system_input], [system, box, chat, history])
    return app


def coder() -> gr.Blocks:
    """As the Qwen2.5-Coder demo: `/model_chat` with a size, and its default."""

    def model_chat(
        query: str, history: list[Any], system: str, radio: str
    ) -> Iterator[tuple[str, list[Any]]]:
        for text in told("coder", query, len(history), system, radio):
            turns = [("user", query), ("assistant", text)]
            yield "", [*history, *({"role": role, "content": said} for role, said in turns)]

    sizes = ["0.5B", "1.5B", "3B", "7B", "14B", "32B"]
    with gr.Blocks(analytics_enabled=False) as app:
        radio = gr.Radio(sizes, value="32B", label="Qwen2.5-Coder")
        system = gr.Textbox(value="You are Qwen.", visible=False)
        chat, box = gr.Chatbot(), gr.Textbox(label="Input")
        gr.Button().click(lambda: ("", []), [], [box, chat], api_name="clear_session")
        for _ in range(2):
            gr.Button().click(model_chat, [box, chat, system, radio], [box, chat])
    return app


def unlisted() -> gr.Blocks:
    """A gr.ChatInterface whose `/chat` is no part of its API: only the page's steps are left."""

    def tell(message: str, history: list[Any]) -> Iterator[str]:
        yield from told("unlisted", message, len(history))

    return gr.ChatInterface(tell, analytics_enabled=False, api_visibility="undocumented")


def failing() -> gr.Blocks:
    """An app whose first step fails."""

    def take(message: str, history: list[Any]) -> tuple[str, list[Any]]:
        raise gr.Error("No more today")

    with gr.Blocks(analytics_enabled=False) as app:
        chat, box = gr.Chatbot(), gr.Textbox()
        for queue in (False, True):
            box.submit(take, [box, chat], [box, chat], queue=queue, api_name=f"take_{queue}").then(
                lambda history: history, chat, chat, api_name=f"answer_{queue}"
            )
    return app


@pytest.fixture(scope="module")
def served() -> Iterator[Callable[[Build], str]]:
    """Start an app when it is first asked for; return its address."""
    running: dict[Build, Any] = {}

    def serve(build: Build) -> str:
        if build not in running:
            manager = gradio_app.running(build)
            running[build] = (manager, manager.__enter__())
        return running[build][1]

    yield serve
    for manager, _ in running.values():
        manager.__exit__(None, None, None)


QUEUED, DIRECT = documented(queued=True), documented(queued=False)


@pytest.mark.parametrize(
    ("build", "arguments", "text"),
    [
        pytest.param(QUEUED, {}, "Hi|S|0.5", id="documented-queued"),
        pytest.param(DIRECT, {}, "Hi|S|0.5", id="documented"),
        pytest.param(DIRECT, {"sampling": {"temperature": 0.25}}, "Hi|S|0.25", id="sampling"),
        pytest.param(DIRECT, {"inputs": {"Temperature": 1}}, "Hi|S|1", id="input"),
        pytest.param(agent, {}, "agent|System: S\nUser: Hi\nAssistant:|1", id="agent"),
        pytest.param(swift, {}, "swift|Hi|S", id="swift"),
        pytest.param(coder, {}, "coder|Hi|0|S|32B", id="coder"),
        pytest.param(coder, {"model": "Qwen2.5-Coder-7B-Instruct"}, "coder|Hi|0|S|7B", id="size"),
        pytest.param(unlisted, {}, "unlisted|System: S\nUser: Hi\nAssistant:|0", id="unlisted"),
    ],
)
async def test_all_steps_are_run(
    served: Callable[[Build], str], build: Build, arguments: Any, text: str
) -> None:
    async with SpaceClient(served(build)) as client:
        first = await client.complete("Hi", system="S", **arguments)
        second = await client.complete("Hi", system="S", **arguments)

    assert (first.text, second.text) == (text, text)  # no call sees another's messages


def test_blocking_callers_get_the_same(served: Callable[[Build], str]) -> None:
    from qwen_space.chat.messages import Turn
    from qwen_space.config import SpaceConfig

    space = Space.from_config(SpaceConfig(space=served(swift)))
    chat = [Turn("system", "S"), Turn("user", "Hi")]

    pieces = list(space.stream_chat(chat))

    assert pieces[-1].text == space.chat(chat).text == "swift|Hi|S"


CHAT = [
    {"role": "user", "content": "One"},
    {"role": "assistant", "content": "Two"},
    {"role": "user", "content": "Three"},
]


async def test_a_native_history_goes_in_at_the_first_step(served: Callable[[Build], str]) -> None:
    async with SpaceClient(served(DIRECT), history="native", system_prompt="S") as client:
        done = await client.chat(CHAT)

    assert done.text == "One|Two|Three|S|0.5"


async def test_a_history_that_has_no_place_is_split_with_a_warning(
    served: Callable[[Build], str],
) -> None:
    async with SpaceClient(served(agent), history="native") as client:
        with pytest.warns(UserWarning, match="history='native'.*no input for a history"):
            done = await client.chat(CHAT)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            await client.complete("There is nothing to warn of")

    assert done.text == "agent|User: One\nAssistant: Two\nUser: Three\nAssistant:|1"


@pytest.mark.parametrize("name", ["add_text", "model_chat", "add_text_1"])
async def test_any_of_the_steps_can_be_named(served: Callable[[Build], str], name: str) -> None:
    async with SpaceClient(served(swift), endpoint=name) as client:
        done = await client.complete("Hi", system="S")

    assert done.text == "swift|Hi|S"


async def test_a_step_that_takes_no_prompt_cannot_be_named(
    served: Callable[[Build], str],
) -> None:
    async with SpaceClient(served(swift), endpoint="model_chat_2") as client:
        with pytest.raises(EndpointError, match="takes no text"):
            await client.complete("Hi")


@pytest.mark.parametrize("name", ["answer_False", "answer_True"])
async def test_a_step_that_fails_is_the_error(served: Callable[[Build], str], name: str) -> None:
    async with SpaceClient(served(failing), endpoint=name) as client:
        with pytest.raises(JobError, match="No more today"):
            await client.complete("Hi")


@pytest.mark.parametrize("slash", ["", "/"])
async def test_an_app_may_be_mounted_under_a_path(slash: str) -> None:
    with gradio_app.running(DIRECT, path="/apps/one") as url:
        async with SpaceClient(url + slash) as client:
            done = await client.complete("Hi", system="S")

    assert done.text == "Hi|S|0.5"


# Parts that a page makes only while it is open


def rendered(*, nested: bool) -> Build:
    """A chat that `gr.render` makes, as pages with several conversations have it."""

    def bot(message: str, history: list[Any], system: str) -> Iterator[Any]:
        says = [part["text"] for turn in history for part in turn["content"]]
        for text in told(*says, message, system):
            turns = [{"role": "user", "content": message}, {"role": "assistant", "content": text}]
            yield "", [*history, *turns]

    def chat() -> None:
        chat, box = gr.Chatbot(), gr.Textbox(label="Message")
        system = gr.Textbox("You are.", label="System prompt")
        box.submit(bot, [box, chat, system], [box, chat])

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            count = gr.State(1)

            @gr.render(inputs=count)
            def show(chats: int) -> None:
                for _ in range(chats):
                    if nested:
                        gr.render()(chat)
                    else:
                        chat()

        return app

    return build


@pytest.mark.parametrize("nested", [False, True], ids=["once", "within-another"])
async def test_a_chat_that_the_page_makes_as_it_loads_is_found(nested: bool) -> None:
    turns = [("user", "A"), ("assistant", "B"), ("user", "C")]
    chat = [{"role": role, "content": text} for role, text in turns]

    with gradio_app.running(rendered(nested=nested)) as url:
        async with SpaceClient(url) as client:
            first = (await client.chat(chat)).text
            second = (await client.complete("Hi", system="S")).text

    assert (first, second) == ("A|B|C|You are.", "Hi|S")


def addressed() -> gr.Blocks:
    """As the pages of LLaVA and FastChat: a script gives the address's parameters to the load."""

    def load(parameters: dict[str, str]) -> list[str]:
        return [parameters.get("model", "default")]

    def bot(state: list[str], message: str) -> Iterator[list[Any]]:
        for text in told(*state, message):
            yield [{"role": "user", "content": message}, {"role": "assistant", "content": text}]

    with gr.Blocks(analytics_enabled=False) as app:
        state, parameters = gr.State(), gr.JSON(visible=False)
        chat, box = gr.Chatbot(), gr.Textbox(label="Message")
        script = "() => Object.fromEntries(new URLSearchParams(window.location.search))"
        app.load(load, parameters, state, js=script)
        box.submit(bot, [state, box], chat)
    return app


async def test_a_page_that_reads_its_address_has_one_without_parameters() -> None:
    with gradio_app.running(addressed) as url:
        async with SpaceClient(url) as client:
            assert (await client.complete("Hi")).text == "default|Hi"


def restoring(*, chosen: str | None = "Ann", fails: bool = False) -> Build:
    """As text-generation-webui: its load chooses a character, whose choice fills other boxes."""

    def choose(character: str | None, state: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if fails:
            raise gr.Error("no such file")
        return f"I am {character}.", {**state, "character": character}

    def name(greeting: str) -> str:
        return greeting.upper()

    def bot(message: str, state: dict[str, Any], greeting: str, title: str) -> Iterator[list[Any]]:
        if not greeting:
            yield []
            return
        for text in told(message, state.get("character"), greeting, title):
            yield [{"role": "user", "content": message}, {"role": "assistant", "content": text}]

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            chat, box = gr.Chatbot(), gr.Textbox(label="Message")
            character = gr.Dropdown(["Ann", "Bob"], value=None, label="Character")
            greeting, title = gr.Textbox(label="Greeting"), gr.Textbox(label="Title")
            state = gr.State({})
            character.change(choose, [character, state], [greeting, state])
            greeting.change(name, greeting, title)
            box.submit(bot, [box, state, greeting, title], chat)
            app.load(lambda: chosen, None, character)
        return app

    return build


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({}, "Hi|Ann|I am Ann.|I AM ANN."),
        ({"Character": "Bob"}, "Hi|Bob|I am Bob.|I AM BOB."),
        ({"Title": "Dr"}, "Hi|Ann|I am Ann.|Dr"),
    ],
    ids=["the-page-s", "another-choice", "a-text-of-the-caller-s"],
)
async def test_a_value_that_the_load_sets_starts_the_events_of_its_change(
    inputs: dict[str, Any], text: str
) -> None:
    with gradio_app.running(restoring()) as url:
        async with SpaceClient(url) as client:
            assert (await client.complete("Hi", inputs=inputs)).text == text


@pytest.mark.parametrize("way", ["queue", "no-queue", "by-yield"])
async def test_a_state_that_the_load_sets_starts_the_events_of_its_change(way: str) -> None:
    queue = way != "no-queue"

    def bot(message: str, name: str, unset: str) -> Iterator[list[Any]]:
        for text in told(message, name, unset):
            yield [{"role": "user", "content": message}, {"role": "assistant", "content": text}]

    def load() -> tuple[dict[str, str], str]:
        return {"name": "Ann"}, "same"

    def load_by_yield() -> Iterator[tuple[Any, str]]:
        yield load()
        yield gr.skip(), "same"

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            chat, box = gr.Chatbot(), gr.Textbox(label="Message")
            name, unset = gr.Textbox(label="Name"), gr.Textbox(label="Unset")
            user, other = gr.State(None), gr.State("same")
            user.change(lambda known: known["name"], user, name, queue=queue)
            other.change(lambda: "changed", None, unset)
            box.submit(bot, [box, name, unset], chat)
            start = load_by_yield if way == "by-yield" else load
            app.load(start, None, [user, other], queue=queue)
        return app

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            assert (await client.complete("Hi")).text == "Hi|Ann|"


async def test_a_text_that_nothing_has_filled_in_is_named_where_there_is_no_reply() -> None:
    with gradio_app.running(restoring(chosen=None)) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=r"inputs=\{'Character': 'Ann'\}") as caught:
                await client.complete("Hi")
            done = await client.complete("Hi", inputs={"Character": "Ann"})

    assert "It gave no reply: its page fills 'Greeting' only when" in str(caught.value)
    assert done.text == "Hi|Ann|I am Ann.|I AM ANN."


async def test_a_change_that_fails_is_no_error_unless_there_is_no_reply() -> None:
    with gradio_app.running(restoring(fails=True)) as url:
        async with SpaceClient(url) as client:
            with pytest.raises(JobError, match=r"/choose, which the page runs .* no such file"):
                await client.complete("Hi")
            done = await client.complete("Hi", inputs={"Greeting": "Yo"})

    assert done.text == "Hi|None|Yo|YO"


@pytest.mark.parametrize("kind", ["state", "hidden-box"])
async def test_a_page_whose_reply_comes_of_a_change_is_answered(kind: str) -> None:
    def take(message: str, chat: list[Any]) -> tuple[str, list[Any], str]:
        return "", [*chat, {"role": "user", "content": message}], message

    def bot(message: str, chat: list[Any]) -> Iterator[list[Any]]:
        for text in told("changed", message, len(chat)):
            yield [*chat, {"role": "assistant", "content": text}]

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as app:
            chat, box = gr.Chatbot(), gr.Textbox(label="Message")
            asked = gr.State("") if kind == "state" else gr.Textbox(visible=False)
            box.submit(take, [box, chat], [box, chat, asked])
            asked.change(bot, [asked, chat], chat)
        return app

    with gradio_app.running(build) as url:
        async with SpaceClient(url) as client:
            assert (await client.complete("Hi")).text == "changed|Hi|1"
