"""Where a Space is, how it is asked, and how long to wait for it."""

from __future__ import annotations

from qwen_space.config.addresses import (
    DEFAULT_SPACE,
    HUB,
    has_password,
    is_hugging_face,
    is_proxy_address,
    is_web_address,
    space_id,
    space_url,
)
from qwen_space.config.call_options import (
    CallOptions,
    History,
    check_headers,
    check_options,
)
from qwen_space.config.environment import (
    default_hub,
    default_space,
    split_spaces,
    token_for,
)
from qwen_space.config.space_config import (
    DEFAULT_MAX_FILE_SIZE,
    DEFAULT_MAX_FILES,
    DEFAULT_MAX_QUEUE,
    DEFAULT_MAX_SIZE,
    DEFAULT_MODEL,
    DEFAULT_REASONING_TAGS,
    InputRole,
    Secret,
    SpaceConfig,
    SpaceOptions,
    Strategy,
    Timeouts,
    check_auth,
    is_tls_context,
)

__all__ = [
    "DEFAULT_MAX_FILES",
    "DEFAULT_MAX_FILE_SIZE",
    "DEFAULT_MAX_QUEUE",
    "DEFAULT_MAX_SIZE",
    "DEFAULT_MODEL",
    "DEFAULT_REASONING_TAGS",
    "DEFAULT_SPACE",
    "HUB",
    "CallOptions",
    "History",
    "InputRole",
    "Secret",
    "SpaceConfig",
    "SpaceOptions",
    "Strategy",
    "Timeouts",
    "check_auth",
    "check_headers",
    "check_options",
    "default_hub",
    "default_space",
    "has_password",
    "is_hugging_face",
    "is_proxy_address",
    "is_tls_context",
    "is_web_address",
    "space_id",
    "space_url",
    "split_spaces",
    "token_for",
]
