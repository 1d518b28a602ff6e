"""Every sentence of every release of `spaces`, as the package puts it together."""

from __future__ import annotations

import pytest

from qwen_space.errors import JobError, QuotaError
from qwen_space.gradio.job import Job
from qwen_space.gradio.wire.messages import Output, ProcessCompleted
from qwen_space.gradio.wire.zero_gpu import is_quota
from tests.queue_stream import receive

LINK = '<a style="white-space: nowrap" href="https://huggingface.co/join">Create a free account</a>'
SIGN_UP = '<a target="_blank" href="https://huggingface.co/join">Sign-up on Hugging Face</a>'
EXAMPLES = "Try re-running outside of examples if it happened after clicking one"
LEFT = "(60s requested vs. 30s left)"

QUOTAS = [
    # title, text, seconds until it may be tried again; the id has the first release
    pytest.param(None, "GPU already in use", None, id="0.3.0-in-use"),
    pytest.param(None, "No GPU is currently available", None, id="0.6.1-none"),
    pytest.param(
        None, "No GPU is currently available for you after 60s", None, id="0.20.0-none-for-you"
    ),
    pytest.param(None, "You have exceeded your GPU quota", None, id="0.14.0-quota"),
    pytest.param(
        None,
        "You have exceeded your GPU quota (30s left vs. 60s requested). Please retry in 0:09:48",
        588,
        id="0.23.0-quota",
    ),
    pytest.param(
        None,
        "You have exceeded your GPU quota (30s left vs. 60s requested). "
        "Please retry in 1 day, 2:00:01 (signup on Hugging Face to get more quotas)",
        93601,
        id="0.27.0-quota",
    ),
    pytest.param(
        None,
        "You have exceeded your GPU quota (30s left vs. 60s requested). "
        f"{SIGN_UP} to get more quotas or retry in 0:09:48",
        588,
        id="0.27.1-quota",
    ),
    pytest.param(
        None,
        "The requested GPU duration (300s) is larger than the maximum allowed",
        None,
        id="0.23.1-duration",
    ),
    pytest.param(None, "No GPU was available", None, id="0.30.0-none"),
    pytest.param(
        None,
        f"No GPU was available after 60s. {LINK} to get a higher priority in ZeroGPU queues.",
        None,
        id="0.30.0-none-after",
    ),
    pytest.param(
        None,
        f"You have exceeded your GPU quota {LEFT}. {LINK} to get more usage quota.",
        None,
        id="0.30.0-quota",
    ),
    pytest.param(
        None,
        f"You have exceeded your Pro GPU quota {LEFT}. Try again in 0:09:48",
        588,
        id="0.31.0-quota",
    ),
    pytest.param(
        "ZeroGPU quota exceeded",
        f"You have exceeded your free GPU quota {LEFT}. {LINK} to get 5x more daily usage quota.",
        None,
        id="0.32.0-quota",
    ),
    pytest.param(
        "ZeroGPU quota exceeded",
        f"You have exceeded your runs limit. {LINK} to get more runs.",
        None,
        id="0.34.1-runs",
    ),
    pytest.param(None, "You have exceeded your runs limit.", None, id="0.34.1-runs-untitled"),
    pytest.param(
        "ZeroGPU quota exceeded",
        f"Space app has reached its GPU limit. {EXAMPLES}",
        None,
        id="0.34.1-examples",
    ),
    pytest.param(
        "ZeroGPU quota exceeded",
        f"No GPU was available after 60s. {EXAMPLES}",
        None,
        id="0.34.1-none-after",
    ),
    pytest.param(
        "ZeroGPU queue timeout", f"No GPU was available after 60s {LINK}", None, id="0.32.0-timeout"
    ),
    pytest.param(
        None,
        f"You have exceeded your free ZeroGPU quota {LEFT}. Try again in 0:09:48. "
        "Subscribe to Hugging Face PRO to get 25 min of ZeroGPU quota a day - "
        "https://huggingface.co/subscribe/pro",
        588,
        id="0.49.0-quota",
    ),
    pytest.param(
        None,
        "You have exceeded your ZeroGPU runs limit. Authenticate with a Hugging "
        "Face token for more quota - https://huggingface.co/settings/tokens",
        None,
        id="0.49.0-runs",
    ),
    pytest.param(
        "ZeroGPU pending credits exceeded",
        "You have too many ZeroGPU credits allocated "
        "to running tasks. Try again once some of those tasks have completed.",
        None,
        id="0.50.4-credits",
    ),
    pytest.param(
        None,
        "You have too many ZeroGPU credits allocated to running tasks. Try again "
        "once some of those tasks have completed.",
        None,
        id="0.50.4-credits-untitled",
    ),
    pytest.param(
        "ZeroGPU illegal duration",
        "The requested GPU duration (300s) is larger than the "
        "maximum allowedSubscribe to Hugging Face PRO to allow GPU tasks up to 40 min - "
        "https://huggingface.co/subscribe/pro",
        None,
        id="0.51.2-duration",
    ),
    pytest.param("ZeroGPU client error", "No GPU was available", None, id="0.32.0-none"),
]

FAILURES = [
    pytest.param(None, "Operation aborted", id="0.3.0-aborted"),
    pytest.param(None, "GPU task aborted", id="0.6.1-aborted"),
    pytest.param(None, "Internal Gradio error", id="0.9.0-internal"),
    pytest.param(None, "Expired ZeroGPU proxy token", id="0.32.0-expired-untitled"),
    pytest.param("ZeroGPU client error", "Expired ZeroGPU proxy token", id="0.32.0-expired"),
    pytest.param("ZeroGPU worker error", "GPU task aborted", id="0.32.0-aborted"),
    pytest.param("ZeroGPU worker error", "OutOfMemoryError", id="0.32.0-worker"),
    pytest.param("ZeroGPU worker error", None, id="0.32.0-untold"),
    pytest.param("Error", "CUDA out of memory on GPU 0", id="none-of-its-own"),
]


@pytest.mark.parametrize(("title", "text", "seconds"), QUOTAS)
def test_a_quota_is_known_in_the_words_of_every_release(
    title: str | None, text: str, seconds: float | None
) -> None:
    assert is_quota(title, text)
    assert QuotaError(text).retry_after == seconds


@pytest.mark.parametrize(("title", "text"), FAILURES)
def test_any_other_failure_is_the_job_s(title: str | None, text: str | None) -> None:
    assert not is_quota(title, text)
    with pytest.raises(JobError):
        receive(Job("e", 1), ProcessCompleted(success=False, output=Output(None, text, title)))


@pytest.mark.parametrize(
    ("title", "text", "says"),
    [
        pytest.param(
            None,
            f"You have exceeded your GPU quota {LEFT}. {LINK} to get more &amp; more",
            "Create a free account to get more &",
            id="link",
        ),
        pytest.param(
            "ZeroGPU illegal duration",
            "The requested GPU duration (300s) is larger than the maximum allowed",
            "(300s) is larger than the maximum allowed.",
            id="no-full-stop",
        ),
        pytest.param("ZeroGPU quota exceeded", None, "ZeroGPU quota exceeded.", id="title-only"),
        pytest.param(
            None, "Requests rate limit exceeded, please try again later.", "exceeded", id="rate"
        ),
    ],
)
def test_a_job_that_a_quota_ends_says_so_in_plain_text(
    title: str | None, text: str | None, says: str
) -> None:
    with pytest.raises(QuotaError) as caught:
        receive(Job("e", 1), ProcessCompleted(success=False, output=Output(None, text, title)))

    assert says in str(caught.value)
    assert "<" not in str(caught.value)
    assert "rate limit (HTTP 429" in str(caught.value)
