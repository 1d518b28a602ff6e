"""The sentences of ZeroGPU, by which a Space on Hugging Face shares GPUs.

Source: all 101 releases of the package `spaces` from 0.3.0 to 0.51.3. They reach us as the text
of a `gr.Error`, from 0.32.0 on with a title, which Gradio passes on from 5.50 on.
"""

from __future__ import annotations

import re

__all__ = ["is_quota"]

_QUOTA = re.compile(
    r"GPU (quota|limit|runs limit|illegal duration|queue timeout|pending credits)"
    r"|exceeded your runs limit"
    r"|too many ZeroGPU credits"
    r"|requested GPU duration"
    r"|No GPU (was|is currently) available"
    r"|GPU already in use"
    r"|rate.?limit|too many requests",
    re.IGNORECASE,
)


def is_quota(title: str | None, reason: str | None) -> bool:
    """Whether an app's error says that a quota of GPU time, or a rate limit, is used up.

    Not that a task was aborted, or that the visitor's token has expired: those are the job's.
    """
    return _QUOTA.search(f"{title} {reason}") is not None
