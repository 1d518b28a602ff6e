"""The engine of Spaces on ZeroGPU: a tiny Qwen2 with random weights, on the processor.

It needs the dependency group zerogpu, which takes 3 GB.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from langchain_qwen_space import ChatQwenSpace
from llama_index_qwen_space import QwenSpace
from qwen_space.cli.main import main
from qwen_space.local import ContextError, EngineError, Finished, Sampling, TransformersEngine
from tests.core.cli.test_deploy import started

pytestmark = pytest.mark.zerogpu

MESSAGES = [{"role": "user", "content": "Tell me of the sea."}]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model: two layers, and a vocabulary of bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("model") / "Qwen2-tiny"
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytewise = Tokenizer(models.BPE({letter: at for at, letter in enumerate(letters)}, []))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytewise,
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        chat_template=TEMPLATE,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


@contextlib.contextmanager
def running(model: Path, **options: Any) -> Iterator[TransformersEngine]:
    engine = TransformersEngine(str(model), max_tokens=12, device="cpu", **options)
    engine.start()
    try:
        yield engine
    finally:
        engine.close()


async def reply(engine: TransformersEngine, messages: Any = MESSAGES, **options: Any) -> list[Any]:
    return [part async for part in engine.stream(messages, Sampling(**options))]


async def test_a_reply_streams_and_tells_its_end(model: Path) -> None:
    with running(model) as engine:
        *pieces, end = await reply(engine, max_tokens=300)  # a piece is a word, with its space

    assert engine.name == "Qwen2-tiny"
    assert "".join(pieces)
    assert len(pieces) > 1
    assert end == Finished(True, end.prompt_tokens, None, 300)
    assert end.prompt_tokens > len(MESSAGES[0]["content"])


async def test_temperature_0_is_repeatable(model: Path) -> None:
    with running(model) as engine:
        replies = [await reply(engine, temperature=0) for _ in range(2)]

    assert replies[0] == replies[1]


async def test_a_reply_that_is_left_stops_the_model(model: Path) -> None:
    with running(model) as engine:
        parts = engine.stream(MESSAGES, Sampling(max_tokens=400))
        await anext(parts)
        await parts.aclose()
        left = [thread for thread in threading.enumerate() if "_write" in thread.name]

    assert left == []


async def test_a_chat_over_the_context_is_explained(model: Path) -> None:
    long = [{"role": "user", "content": "word " * 200}]
    with running(model) as engine, pytest.raises(ContextError, match="into the 512 tokens"):
        await reply(engine, long)


async def test_the_sentence_of_zerogpu_reaches_the_visitor(model: Path) -> None:
    import gradio

    def over_quota(run: Any) -> Any:
        def refuse(*arguments: Any) -> Any:
            raise gradio.Error("You have exceeded your GPU quota.", print_exception=False)
            yield

        return refuse

    with (
        running(model, decorate=over_quota) as engine,
        pytest.raises(EngineError, match="exceeded your GPU quota"),
    ):
        await reply(engine)


async def test_an_error_of_the_model_is_raised(model: Path) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("out of memory")

    with running(model) as engine:
        engine._model.generate = fail
        with pytest.raises(RuntimeError, match="out of memory"):
            await reply(engine)


def test_a_folder_for_zerogpu_answers_both_frameworks(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "space"
    options = ["--engine", "zerogpu", "--model", str(model), "--max-tokens", "8"]
    assert main(["deploy", str(folder), *options]) == 0

    # Gradio's own launch does not wait for SIGTERM.
    with started(folder, end=-signal.SIGTERM, QWEN_SPACE_TOKEN="sesame") as url:
        chain = ChatQwenSpace(space=url, hf_token="sesame").invoke("Hi").text
        index = QwenSpace(space=url, hf_token="sesame").complete("Hi").text

    assert chain
    assert index
