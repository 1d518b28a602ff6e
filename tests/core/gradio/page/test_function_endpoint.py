"""An app's function as an endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.gradio.page.discovery import find_endpoint
from tests.page_config import app, step


@pytest.mark.parametrize(
    ("kind", "version", "sent"),
    [
        pytest.param("slider", "5.0.0", 2, id="slider"),
        pytest.param("slider", "4.44.1", 3, id="slider-of-gradio-4-which-takes-all"),
        pytest.param("number", "4.44.1", 2, id="number-of-gradio-4"),
        pytest.param("number", "6.31.0", 2, id="number"),
    ],
)
def test_a_figure_stays_where_the_server_takes_it(kind: str, version: str, sent: Any) -> None:
    config = {**app(step("box heated", "chat")), "version": version}
    props = {"label": "Temperature", "minimum": 0, "maximum": 2}
    config["components"].append({"id": "heated", "type": kind, "props": props})

    assert find_endpoint(config).place_sampling({"temperature": 3}) == {"heated": sent}


def test_a_picture_that_the_page_only_shows_takes_none_of_the_caller_s() -> None:
    config = app(step("box shown picture", "chat"))
    config["components"].append({"id": "shown", "type": "image", "props": {"interactive": False}})

    roles = {each.component: each.role for each in find_endpoint(config).inputs}

    assert (roles["shown"], roles["picture"]) == (None, "image")
