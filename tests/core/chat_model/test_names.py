from __future__ import annotations

import pytest

from qwen_space.chat_model.names import find_remedies, resolve_names

KNOWN = ["space", "hf_token", "timeout", "stop", "max_tokens", "model", "context_window"]
KNOWN += ["headers", "inputs", "verify"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("space", "space"),
        ("base_url", "space"),
        ("repo_id", "space"),
        ("src", "space"),
        ("api_base", "space"),
        ("api_key", "hf_token"),
        ("request_timeout", "timeout"),
        ("stop_sequences", "stop"),
        ("max_new_tokens", "max_tokens"),
        ("model_name", "model"),
        ("model_kwargs", "inputs"),
        ("additional_kwargs", "inputs"),
        ("ssl_verify", "verify"),
        ("extra_headers", "headers"),
        ("num_ctx", "context_window"),
        ("n_ctx", "context_window"),
        ("host", "space"),
        ("hf_api_key", "hf_token"),
        ("inference_server_url", "space"),
        ("space_name", "space"),
        ("model_id", "model"),
    ],
)
def test_names_of_other_models_mean_ours(name: str, meant: str) -> None:
    assert resolve_names("Model", {name: 1}, KNOWN) == {meant: 1}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("seed", r'inputs=\{"seed": \.\.\.\}'),
        ("top_k", r'inputs=\{"top_k": \.\.\.\}'),
        ("logprobs", "no use for it: leave it out"),
        ("tool_choice", "with LangChain's bind_tools"),
        ("functions", "Give tools and tool_choice"),
        ("proxies", "Give proxy"),
        ("json_mode", "response_format="),
        ("tokenizer", "extra `tokens`"),
        ("think", r'inputs=\{"think": \.\.\.\}'),
        ("mirostat", r'inputs=\{"mirostat": \.\.\.\}'),
        ("async_client_kwargs", "give headers, proxy, verify or timeout"),
        ("store", "leave it out"),
        ("truncate", "leave it out"),
        ("reasoning", r'inputs=\{"reasoning": \.\.\.\}'),
        ("fn_index", 'such as endpoint="#0"'),
        ("httpx_kwargs", "give headers, proxy, verify or timeout"),
        ("llm", "The Space is the model: give space"),
        ("prefix_messages", "Give system_prompt"),
        ("streaming", "stream_chat, stream_complete"),
        ("tiemout", "Did you mean 'timeout'"),
        ("zzz", "Known are: space, "),
    ],
)
def test_a_name_that_means_nothing_here_has_its_remedy(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"Model has no argument '{name}'.*{says}"):
        resolve_names("Model", {name: 1}, KNOWN)


def test_where_a_window_is_no_argument_the_error_says_so() -> None:
    with pytest.raises(ValueError, match=r"profile=\{.max_input_tokens.: \.\.\.\}"):
        resolve_names("Model", {"num_ctx": 1}, ["space"])


def test_an_argument_is_not_given_twice() -> None:
    with pytest.raises(ValueError, match="'base_url' is 'space', which is given twice"):
        resolve_names("Model", {"space": "a", "base_url": "b"}, KNOWN)


def test_remedies_are_told_once_each() -> None:
    [remedy] = find_remedies(["format", "json_mode", "beam_width"])

    assert remedy == 'Give response_format={"type": "json_object"} with the call.'
