"""The panel of the options: the system prompt, the sampling, and programs with the address."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Literal

import gradio as gr

from qwen_space.chat.prompt import DEFAULT_SYSTEM_PROMPT
from qwen_space.local.engines.base import Sampling

__all__ = ["add_options", "to_sampling"]

_DEFAULTS = Sampling(temperature=0.7, top_p=1, max_tokens=2048)


def add_options(
    blocks: gr.Blocks,
    model: gr.Dropdown,
    defaults: Sampling | None,
    needs: Literal["token", "login"] | None,
) -> tuple[gr.Sidebar, list[Any]]:
    """Add the panel at the side; return it, and its inputs in the order of `to_sampling`."""
    given = {} if defaults is None else asdict(defaults)
    chosen = asdict(_DEFAULTS) | {name: each for name, each in given.items() if each is not None}
    limit = chosen["max_tokens"]
    with gr.Sidebar(label="Options", position="right", open=False) as panel:
        gr.Markdown("### Options")
        system = gr.Textbox(
            DEFAULT_SYSTEM_PROMPT, label="System prompt", lines=3, max_lines=10, elem_id="system"
        )
        temperature = gr.Slider(0, 2, chosen["temperature"], step=0.05, label="Temperature")
        top_p = gr.Slider(0.05, 1, chosen["top_p"], step=0.05, label="Top-p")
        max_tokens = gr.Slider(1, max(8192, limit), limit, step=1, label="Max tokens")
        _add_programs(blocks, needs)
        with gr.Row():
            for name, link in (("All functions", "show-api"), ("Look and language", "settings")):
                script = f"() => {{ document.querySelector('footer .{link}').click(); }}"
                gr.Button(name, size="sm").click(None, js=script, api_visibility="private")
    return panel, [system, model, temperature, top_p, max_tokens]


def _add_programs(blocks: gr.Blocks, needs: Literal["token", "login"] | None) -> None:
    """Add the panel with this Space's address for programs."""
    gr.Markdown("### Use it from")
    codes = []
    programs = _programs(needs)
    for title, code in programs.items():
        with gr.Accordion(title, open=False):
            language: Any = "shell" if title == "Terminal" else "python"
            shown = gr.Code(
                code,
                language=language,
                interactive=False,
                show_label=False,
                wrap_lines=True,
                buttons=["copy"],
            )
            codes.append(shown)
    script = (
        "() => {codes}.map(code => code.replace('URL',"
        " location.origin + location.pathname.replace(/\\/$/, '')))"
    )
    blocks.load(
        None, None, codes, js=script.replace("{codes}", json.dumps(list(programs.values())))
    )


def _programs(needs: Literal["token", "login"] | None) -> dict[str, str]:
    """Return a program for each way to use this Space, with the placeholder URL."""
    given = {"token": ', hf_token="TOKEN"', "login": ', auth=("USER", "PASS")', None: ""}[needs]
    command = {
        "token": "export HF_TOKEN=TOKEN\nqwen-space chat URL",
        "login": "qwen-space chat URL --auth USER",
        None: "qwen-space chat URL",
    }[needs]
    return {
        "LangChain": f"""\
from langchain_qwen_space import ChatQwenSpace

model = ChatQwenSpace(space="URL"{given})
for chunk in model.stream("Hello"):
    print(chunk.text, end="", flush=True)
""",
        "LlamaIndex": f"""\
from llama_index.llms.qwen_space import QwenSpace

llm = QwenSpace(space="URL"{given})
for part in llm.stream_complete("Hello"):
    print(part.delta, end="", flush=True)
""",
        "Terminal": f"""\
pip install "qwen-space[cli]"
{command}
""",
    }


def to_sampling(model: str | None, temperature: float, top_p: float, max_tokens: float) -> Sampling:
    """Return the values of the panel's inputs, but for the system prompt, as a reply's sampling."""
    return Sampling(temperature, top_p, int(max_tokens), model)
