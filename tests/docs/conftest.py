from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import close_session

from qwen_space import Space
from qwen_space.api import ApiOptions
from tests.api_server import serving
from tests.background import entered
from tests.docs.stage import Stage
from tests.hub_list import HubList, Listed
from tests.media_app import MediaApp

if TYPE_CHECKING:
    from conftest import ScriptedSpace


@pytest.fixture(scope="module")
def stage(_running_space: ScriptedSpace, media_app: MediaApp) -> Iterator[Stage]:
    """The servers that the pages ask."""
    listing = HubList([Listed("a/qwen2.5-chat"), Listed("b/qwen2.5")])
    with serving(Space(_running_space.url), ApiOptions()) as api, entered(listing) as hub:
        yield Stage(_running_space.url, api, hub.url, media_app)
    close_session()  # of the hub's own client, which it keeps
