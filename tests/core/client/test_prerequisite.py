"""Functions that the page runs before the one that answers."""

from __future__ import annotations

import pytest

from qwen_space import JobError, SpaceConfig, Timeouts
from qwen_space.client.deadline import Deadline
from qwen_space.client.http import Transport
from qwen_space.client.prerequisite import run_prerequisite
from qwen_space.errors import ProtocolError
from qwen_space.gradio.page.endpoint import Endpoint
from qwen_space.gradio.remarks import Remarks
from qwen_space.gradio.wire.requests import JobRequest
from tests.scripted_server import Answer, ScriptedServer, status


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        pytest.param(status(200, {"data": []}), ProtocolError, "#4 gave 0 values for 1", id="few"),
        pytest.param(
            status(500, {"error": "Oh"}), JobError, "#4 before the reply: Oh$", id="fails"
        ),
        pytest.param(status(500, {"error": None}), JobError, "reply: it gives no", id="hidden"),
        pytest.param(status(500, "Oh"), JobError, 'reply: "?Oh"?$', id="fails-in-words"),
        pytest.param(status(500, "[" * 10**5), JobError, r"reply: \[\[", id="fails-in-depths"),
    ],
)
async def test_a_step_without_a_name_is_told_by_its_number(
    answer: Answer, error: type[Exception], says: str
) -> None:
    step = Endpoint(None, 4, None, (), None, outputs=(1,), queued=False)

    async with ScriptedServer(others={"/run/predict": answer}) as server:
        transport = Transport(SpaceConfig(space=server.url))
        request = JobRequest(f"{server.url}/queue", 4, None, [], "session")
        with pytest.raises(error, match=says):
            await run_prerequisite(transport, step, request, Deadline(Timeouts()), Remarks())
        await transport.close()
