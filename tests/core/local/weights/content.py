"""The content of a made-up model."""

from __future__ import annotations

import hashlib

CONTENT = bytes(range(256)) * 5 + bytes(256) * 5


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
