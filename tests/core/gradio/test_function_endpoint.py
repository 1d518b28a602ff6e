"""An app's function as an endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_space.gradio.discovery import find_endpoint
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
