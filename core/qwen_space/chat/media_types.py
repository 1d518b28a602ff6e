"""The types of media, by the suffixes of names.

A module of its own, as the table takes milliseconds to make, of which an import should cost none:
Python reads the system's list for it. It is imported with the client, before any loop needs it.
"""

from __future__ import annotations

import mimetypes

__all__ = ["guess_suffix", "guess_type"]

# Of its own, as other packages add to the tables of `mimetypes`, and systems have others.
_TYPES = mimetypes.MimeTypes()
for _type, _suffix in (
    ("audio/wav", ".wav"),
    ("audio/flac", ".flac"),
    ("audio/ogg", ".ogg"),
    ("audio/mp4", ".m4a"),
    ("image/webp", ".webp"),
    ("image/avif", ".avif"),
    ("text/markdown", ".md"),
):
    _TYPES.add_type(_type, _suffix)


def guess_type(name: str) -> str | None:
    """Return the type of a file by its name's suffix."""
    return _TYPES.guess_type(name)[0]


def guess_suffix(mime_type: str) -> str:
    """Return the suffix of a type, its dot included; empty where it has none."""
    return _TYPES.guess_extension(mime_type) or ""
