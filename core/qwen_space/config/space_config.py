"""Where a Space is, how it is asked, and how long to wait for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args
from urllib.parse import urlsplit

from qwen_space.config.addresses import (
    DEFAULT_SPACE,
    HUB,
    has_password,
    is_proxy_address,
    is_web_address,
    space_url,
)
from qwen_space.config.call_options import History, check_headers

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = [
    "DEFAULT_MAX_FILES",
    "DEFAULT_MAX_FILE_SIZE",
    "DEFAULT_MAX_QUEUE",
    "DEFAULT_MAX_SIZE",
    "DEFAULT_MODEL",
    "DEFAULT_REASONING_TAGS",
    "InputRole",
    "Secret",
    "SpaceConfig",
    "SpaceOptions",
    "Strategy",
    "Timeouts",
    "check_auth",
    "is_tls_context",
]

DEFAULT_MODEL = "qwen-2.5"
DEFAULT_REASONING_TAGS = ("<think>", "</think>")
DEFAULT_MAX_QUEUE = 10_000
DEFAULT_MAX_SIZE = 64 * 2**20  # Gradio sends the whole conversation in one message
DEFAULT_MAX_FILES = 20
DEFAULT_MAX_FILE_SIZE = 512 * 2**20

Strategy = Literal["sticky", "least_queue"]
"""Which of several Spaces is asked first."""

InputRole = Literal[
    "prompt",
    "history",
    "system",
    "model",
    "max_tokens",
    "temperature",
    "top_p",
    "image",
    "audio",
    "video",
    "file",
]
"""The use of an app's input in a chat."""

_HEARTBEAT = 20.0  # seconds; while a job waits, Gradio's server gives a sign of life every 15


class Secret(str):
    """A string that `repr` hides.

    Reporters of errors render the local variables of a traceback, and show their
    `repr`, our frames' and aiohttp's alike.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How many seconds to wait; None waits for ever.

    Attributes:
        connect: For a connection.
        first_token: For the first text once the app works on the job. Waiting in the queue does
            not count, and heartbeats do not help.
        silence: For the next byte of any kind. Gradio sends a heartbeat every 15 seconds.
        total: For the whole reply, the queue included, and the waking too.
        wake: For a Space on Hugging Face that sleeps or is being built.
        fallback_wake: As `wake`, where another Space can be asked meanwhile. If none of them
            answers, one that sleeps is waited for as long as `wake` says.
    """

    connect: float | None = 10.0
    first_token: float | None = 120.0
    silence: float | None = 60.0
    total: float | None = None
    wake: float | None = 300.0
    fallback_wake: float | None = 10.0

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if value is not None and not value > 0:
                raise ValueError(
                    f"Timeouts({limit.name}={value!r}): seconds above 0, or None for no limit."
                )

    def within(self, timeout: float | None) -> Timeouts:
        """Return limits with one for the first token, and for silence where heartbeats allow it.

        Args:
            timeout: Seconds; None leaves the limits as they are.
        """
        if timeout is None:
            return self
        return replace(self, first_token=timeout, silence=max(timeout, _HEARTBEAT))


class SpaceOptions(TypedDict, total=False):
    """The arguments of `Space` beside its address: those of `SpaceConfig`, which describes them."""

    model: str
    hf_token: str | None
    auth: tuple[str, str] | None
    proxy: str | None
    trust_env: bool
    verify: bool | str | os.PathLike[str] | SSLContext
    timeouts: Timeouts
    max_retries: int
    system_prompt: str | None
    history: History
    endpoint: str | None
    inputs: Mapping[str, Any]
    roles: Mapping[Any, InputRole | None]
    sampling: Mapping[str, float]
    reasoning_tags: tuple[str, str] | None
    headers: Mapping[str, str]
    max_size: int
    max_files: int
    max_file_size: int
    max_queue: int
    hub: str
    models: Mapping[str, str]
    strategy: Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceConfig:
    """How to reach and to use one Space, and those that may answer in its place.

    Attributes:
        space: A Hugging Face id (`owner/name`), the address of its page, or that of a Gradio app:
            `https://example.org/chat`, `127.0.0.1:7860`, `owner-name.hf.space`.
        model: Which of the app's models answers: `qwen-2.5` for its default, a size (`7B`), or a
            full name (`Qwen2.5-7B-Instruct`).
        hf_token: A Hugging Face token; it is sent to the Space's own address, and to the hub when
            that is asked about the Space, and nowhere else.
        auth: The user and the password of an app with a login, Gradio's `launch(auth=...)`.
        proxy: The URL of a proxy for all requests: `http://`, `https://` or `socks5://`.
        trust_env: Whether the proxies that the environment names are used (`HTTPS_PROXY`,
            `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`; never for this machine itself), and the
            certificates (`SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE` and the like).
        verify: How a server's certificate is checked: True by the certificates that the system
            trusts, a file or a folder of certificates by those alone, an `ssl.SSLContext` as it
            says; False not at all, which lets anyone on the way read and change everything.
        timeouts: How long to wait.
        max_retries: How often a step that cannot have run the prompt is tried again.
        system_prompt: The system prompt of calls that bring none; None is the Space's own.
        history: "split" renders earlier turns into the prompt; "native" gives them to the app's
            own history input; "auto" does that where the app's `/config` told how, turns alternate
            and no tools are bound, and splits elsewhere.
        reasoning_tags: The tags around a model's thoughts at the start of its reply, which become
            `ThinkingDelta` and `Completed.thinking`; None takes all for the answer.
        endpoint: The api name of the function to call, or its number as `#3`, when discovery
            should not choose.
        roles: The roles of the app's inputs, where discovery tells them wrongly, by label,
            parameter or position: "prompt", "history", "system", "model", "max_tokens",
            "temperature", "top_p", "image", "audio", "video", "file", or None for no role.
        inputs: Values for further inputs of the app, by parameter name or label.
        sampling: `temperature`, `top_p` and `max_tokens`; each goes to the app's input for it, and
            a warning says so where it has none. Without an input for `max_tokens` the reply, its
            thoughts included, and the job are ended after so many tokens.
        headers: Headers to add, or to put in place of ours.
        max_size: The most bytes that an answer, or one message of a stream, may take, and the most
            characters of a reply, with its thoughts and notices, and of the chat's value. More is
            a `ProtocolError`, so that no server fills the memory.
        max_files: The most pictures and files that a chat may have; more are an `UploadError`.
        max_file_size: The most bytes that one of them, or a file of a reply, may have.
        max_queue: How many events of a stream a blocking caller may be behind; from there on the
            stream waits for the caller, and the server with it.
        hub: The address of the Hugging Face hub. It is asked about a Space on Hugging Face that
            does not answer as an app does, and about nothing else.
        models: The app's own names of models, by the names with which calls ask for them.
        fallbacks: The Spaces that are asked where this one fails before its first text;
            `make_config` makes them of a list.
        strategy: Which of several Spaces is asked first: "sticky" keeps to the first one that
            works as long as it works, "least_queue" asks for the lengths of their queues.

    Raises:
        ValueError: A value cannot be right.
    """

    space: str = DEFAULT_SPACE
    model: str = DEFAULT_MODEL
    hf_token: str | None = field(default=None, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    trust_env: bool = True
    verify: bool | str | os.PathLike[str] | SSLContext = True
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_retries: int = 2
    system_prompt: str | None = None
    history: History = "auto"
    reasoning_tags: tuple[str, str] | None = DEFAULT_REASONING_TAGS
    endpoint: str | None = None
    roles: Mapping[Any, InputRole | None] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, float] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold a secret
    max_size: int = DEFAULT_MAX_SIZE
    max_files: int = DEFAULT_MAX_FILES
    max_file_size: int = DEFAULT_MAX_FILE_SIZE
    max_queue: int = DEFAULT_MAX_QUEUE
    hub: str = HUB
    models: Mapping[str, str] = field(default_factory=dict)
    fallbacks: tuple[SpaceConfig, ...] = ()
    strategy: Strategy = "sticky"

    def __post_init__(self) -> None:
        space_url(self.space)
        object.__setattr__(self, "hf_token", _checked_token(self.hf_token))
        object.__setattr__(self, "auth", check_auth(self.auth))
        if not isinstance(self.verify, (bool, str, os.PathLike)) and not is_tls_context(
            self.verify
        ):
            raise ValueError(
                f"verify={self.verify!r:.200}: True, False, the path of a file or a folder of "
                "certificates, or an ssl.SSLContext."
            )
        check_headers(self.headers)
        if self.max_retries < 0:
            raise ValueError(f"max_retries={self.max_retries!r}: 0 or more.")
        for name in ("max_size", "max_file_size"):
            if (size := getattr(self, name)) <= 0:
                raise ValueError(f"{name}={size!r}: bytes above 0.")
        if self.max_files < 0:
            raise ValueError(f"max_files={self.max_files!r}: a number of files from 0 on.")
        if self.max_queue <= 0:
            raise ValueError(f"max_queue={self.max_queue!r}: events above 0.")
        if self.history not in get_args(History):
            raise ValueError(f'history={self.history!r}: "auto", "split" or "native".')
        if self.strategy not in get_args(Strategy):
            raise ValueError(f'strategy={self.strategy!r}: "sticky" or "least_queue".')
        _check_roles(self.roles)
        if self.reasoning_tags is not None:
            object.__setattr__(self, "reasoning_tags", _checked_tags(self.reasoning_tags))
        if not self.model:
            raise ValueError(f"model is empty: give {DEFAULT_MODEL!r} for the Space's default.")
        if self.proxy is not None and not is_proxy_address(self.proxy):
            raise ValueError(  # without its value, which may hold a password
                "proxy must be a URL such as http://127.0.0.1:3128 or socks5://127.0.0.1:1080."
            )
        if not is_web_address(self.hub) or urlsplit(self.hub).username:
            raise ValueError(f"hub must be a URL such as {HUB!r} (HF_ENDPOINT, if that is set).")

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        """Return the pickled state: all but the secrets, which must not lie in files and caches."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        proxy = None if has_password(self.proxy) else self.proxy
        left: dict[str, Any] = {"hf_token": None, "auth": None, "headers": {}, "proxy": proxy}
        if is_tls_context(self.verify):  # which cannot be pickled
            left["verify"] = True
        return partial(type(self), **{**values, **left}), ()

    def __copy__(self) -> SpaceConfig:
        return self  # frozen; made by way of pickling, a copy would be without the token

    def __deepcopy__(self, memo: object) -> SpaceConfig:
        return self

    @property
    def url(self) -> str:
        """The app's address, without a slash at its end."""
        return space_url(self.space)

    @property
    def without_fallbacks(self) -> SpaceConfig:
        """The configuration of this Space, without those that may answer in its place."""
        return replace(self, fallbacks=()) if self.fallbacks else self

    @property
    def all_configs(self) -> tuple[SpaceConfig, ...]:
        """The configurations of all Spaces, this one first."""
        return (self.without_fallbacks, *self.fallbacks)


def _check_roles(roles: Mapping[Any, str | None]) -> None:
    """Raise ValueError if a role is not known, or is given twice."""
    for name, role in roles.items():
        if role is not None and role not in get_args(InputRole):
            known = ", ".join(get_args(InputRole))
            raise ValueError(f"roles={{{name!r}: {role!r}}}: a role is {known}, or None.")
    given = [role for role in roles.values() if role is not None]
    if len(set(given)) < len(given):
        raise ValueError(f"roles={dict(roles)!r:.200}: a role can be of one input only.")


def _checked_token(token: str | None) -> str | None:
    """Return a token without the white space around it; None for an empty one."""
    token = (token or "").strip()
    if not (token.isascii() and token.isprintable()):
        raise ValueError("hf_token has characters that no token has: check how it was read.")
    return Secret(token) if token else None


def check_auth(auth: Any) -> tuple[str, str] | None:
    """Return a user and a password, the latter hidden from `repr`.

    Raises:
        ValueError: It is no pair of texts.
    """
    if auth is None:
        return None
    if isinstance(auth, str) or len(auth) != 2 or not all(isinstance(each, str) for each in auth):
        raise ValueError("auth must be a pair of texts, (user, password).")  # without its value
    user, password = auth
    return user, Secret(password)


def is_tls_context(value: Any) -> bool:
    """Whether a value is an `ssl.SSLContext`, without the import of ssl, which takes a while."""
    ssl = sys.modules.get("ssl")
    return ssl is not None and isinstance(value, ssl.SSLContext)


def _checked_tags(tags: Sequence[str]) -> tuple[str, str]:
    """Return two tags, which a configuration file may have as a list."""
    if isinstance(tags, str) or len(tags) != 2 or not all(isinstance(each, str) for each in tags):
        raise ValueError(f"reasoning_tags={tags!r:.200}: two texts, or None for no thoughts.")
    opening, closing = tags
    if not opening.strip() or not closing.strip():
        raise ValueError(f"reasoning_tags={tags!r:.200}: a tag is empty.")
    return opening, closing
