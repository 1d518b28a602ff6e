"""LangChain's suite for chat models, as far as it is the same for each model of a Space."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

__all__ = ["Suite"]


class Suite(ChatModelIntegrationTests):
    """The suite; a subclass gives the model, and may have another method of structured output.

    Attributes:
        method: The method of structured output.
        url: The Space's address.
    """

    method = "json_schema"
    url: str

    @pytest.fixture
    def vcr(self) -> Any:
        """A cassette for `test_stream_time`. There is no recording: a Space answers."""
        return SimpleNamespace(responses=["a live Space"])

    @property
    def enable_vcr_tests(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "7B"

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": self.method}

    @property
    def supports_json_mode(self) -> bool:
        return True
