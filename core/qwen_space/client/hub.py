"""The answers of Hugging Face's hub, and of the front before its Spaces, as errors.

The front answers for an app that is not there: with a page, or with a sentence. The hub
knows the reason. Its answers are not to be trusted with everything: a host that it names is taken
only where Spaces live.
"""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import msgspec

from qwen_space.config import SpaceConfig, space_id
from qwen_space.errors import (
    AuthenticationError,
    ProtocolError,
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
)
from qwen_space.events import Notice

__all__ = [
    "SpaceStatus",
    "app_redirect",
    "asleep_error",
    "broken_error",
    "front_error",
    "is_asleep",
    "is_final",
    "is_of_the_front",
    "is_page",
    "is_short_limit",
    "origin",
    "own_redirect",
    "page_text",
    "read_status",
    "refusal_error",
    "state_name",
    "status_url",
    "waiting_notice",
    "will_answer",
]

_WAITING = {
    "BUILDING": "is being built",
    "RUNNING_BUILDING": "is being built anew",
    "APP_STARTING": "is starting",
    "RUNNING_APP_STARTING": "is starting anew",
    "STOPPED": "was stopped and is waking up",
    "SLEEPING": "was asleep and is waking up",
}
_STATES = {
    "RUNNING_BUILDING": "building",
    "APP_STARTING": "starting",
    "RUNNING_APP_STARTING": "starting",
    "RUNTIME_ERROR": "crashed",
    "BUILD_ERROR": "not built",
}
_STAND_IN = (
    "`qwen-space find` lists others; a duplicate of the Space, or `qwen-space serve`, can stand in "
    "for it."
)
_BROKEN = {
    "PAUSED": ("its owner has paused it", "Only the owner can restart it, at {page}."),
    "RUNTIME_ERROR": ("its app has crashed", "Its owner can see why and restart it, at {page}."),
    "BUILD_ERROR": ("it could not be built", "Its owner can see why, at {page}."),
    "CONFIG_ERROR": ("its configuration is wrong", "Its owner can see why, at {page}."),
    "NO_APP_FILE": ("it has no app", "Look at {page}."),
    "DELETING": ("it is being deleted", "Give another as space."),
}

_SPACES = "hf.space"
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_PAGE = re.compile(r"\s*(<\?xml[^<>]*>\s*)?<(!doctype|html|head|body)\b", re.IGNORECASE)
_BODY = re.compile(r"<body\b", re.IGNORECASE)
_UNSEEN = re.compile(r"<(head|script|style)\b.*?</\1>|<[^<>]*>", re.IGNORECASE | re.DOTALL)
_SHORT = 10.0  # seconds
_MOST_OF_A_PAGE = 4096  # characters; a page may be written against a regex


class SpaceStatus(msgspec.Struct, frozen=True):
    """The hub's record of a Space.

    Attributes:
        stage: Such as "RUNNING", "BUILDING" or "PAUSED".
        url: Where its app is; None if the hub does not say, or names a place that is none.
        page: The Space's page on the hub.
    """

    stage: str
    url: str | None
    page: str

    def is_elsewhere(self, url: str) -> bool:
        """Whether the app is not where `url` is."""
        return self.url is not None and origin(self.url) != origin(url)


# Where


def status_url(config: SpaceConfig) -> str | None:
    """Return the hub's address for a Space; None if the Space is not on Hugging Face."""
    api = f"{config.hub.rstrip('/')}/api/spaces"
    if name := space_id(config.space):
        return f"{api}/{name}"
    parts = urlsplit(config.url)
    for domain in _domains(config.hub):
        subdomain = (parts.hostname or "").removesuffix(f".{domain}")
        if re.fullmatch(r"[a-z0-9-]+", subdomain) and subdomain != parts.hostname:
            return f"{api}/by-subdomain/{subdomain}"
    return None


def origin(url: str) -> tuple[str, str, int | None]:
    """Return the scheme, the host and the port of an address."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port


def app_redirect(base: str, location: str | None) -> tuple[str, str] | None:
    """Return where a redirect of an app's `/config` leads, if it leads no further away.

    A redirect may go from http to https, and to another path of the same host.

    Returns:
        The address to request, and the app's address; None if it is another host, or no `/config`.
    """
    if not location:
        return None
    try:
        target = urljoin(f"{base}/config", location)
        (scheme, host, port), (new_scheme, new_host, new_port) = origin(base), origin(target)
    except ValueError:
        return None
    parts = urlsplit(target)
    is_upgrade = (scheme, new_scheme) == ("http", "https") and new_port in {port, 443}
    is_here = (scheme, port) == (new_scheme, new_port) or is_upgrade
    path = parts.path.rstrip("/")
    if host != new_host or not is_here or not path.endswith("/config") or "@" in parts.netloc:
        return None
    return target, urlunsplit((parts.scheme, parts.netloc, path.removesuffix("/config"), "", ""))


def own_redirect(url: str, location: str | None) -> str | None:
    """Return where a redirect of the hub's leads; None if that is another origin, or nowhere."""
    try:
        target = urljoin(url, location or "")
        is_within = origin(target) == origin(url)
    except ValueError:  # it is no address
        return None
    return target if is_within and target != url else None


def _domains(hub: str) -> list[str]:
    """Return the domains that Spaces live on; a hub of one's own has them on its own."""
    host = urlsplit(hub).hostname or ""
    return [_SPACES] if host == "huggingface.co" else [_SPACES, host]


def _space_host(host: Any, hub: str) -> str | None:
    """Return the address of a Space that the hub names, if Spaces live there."""
    if not isinstance(host, str):
        return None
    try:
        scheme, name, port = origin(host)
    except ValueError:
        return None
    if not _HOST.fullmatch(name) or "@" in urlsplit(host).netloc:
        return None
    if name.endswith(f".{_SPACES}"):
        return f"https://{name}" if (scheme, port) == ("https", 443) else None
    is_at_home = any(name == each or name.endswith(f".{each}") for each in _domains(hub)[1:])
    if not is_at_home or scheme != urlsplit(hub).scheme:
        return None
    return f"{scheme}://{urlsplit(host).netloc}"


# The hub's answers


def read_status(answer: Any, config: SpaceConfig) -> SpaceStatus | None:
    """Read the hub's answer about a Space; None if it says nothing of a stage."""
    runtime = answer.get("runtime") if isinstance(answer, dict) else None
    stage = runtime.get("stage") if isinstance(runtime, dict) else None
    if not isinstance(stage, str):
        return None
    name = space_id(str(answer.get("id"))) or space_id(config.space)
    page = f"{config.hub.rstrip('/')}/spaces/{name}" if name else "its page"
    return SpaceStatus(stage, _space_host(answer.get("host"), config.hub), page)


def will_answer(stage: str) -> bool:
    """Whether a Space in this stage will answer if it is waited for."""
    return stage in _WAITING


def waiting_notice(stage: str) -> Notice:
    """Return the sentence for callers who wait for a Space in a stage."""
    return Notice(f"The Space {_WAITING[stage]} ({stage})…")


def broken_error(url: str, status: SpaceStatus) -> SpaceUnavailableError | None:
    """Return the error of a Space that does not come back by itself; None of any other."""
    if status.stage not in _BROKEN:
        return None
    detail, remedy = _BROKEN[status.stage]
    return SpaceUnavailableError(
        url,
        f"{detail} ({status.stage})",
        f"{remedy.format(page=status.page)} {_STAND_IN}",
        stage=status.stage,
    )


def asleep_error(url: str, stage: str) -> SpaceUnavailableError:
    """Return the error of a Space that is not waited for, though it will answer if it is."""
    remedy = "Try again in a minute: a chat waits for it by itself."
    return SpaceUnavailableError(url, f"it {_WAITING[stage]} ({stage})", remedy, stage=stage)


def state_name(stage: str) -> str:
    """Return the hub's word for a Space's state as people say it: "sleeping" for "SLEEPING"."""
    return _STATES.get(stage, stage.lower().replace("_", " "))


def refusal_error(config: SpaceConfig, exc: QwenSpaceError) -> QwenSpaceError | None:
    """Return the error for a Space that the hub does not know; None if that means nothing.

    Without access, a private Space looks like none: the hub says 401 of both without
    a token, and 404 of both with one.
    """
    match exc:
        case AuthenticationError(detail=detail) if config.hf_token is not None:
            return AuthenticationError(config.url, f"the hub does not take the token ({detail})")
        case AuthenticationError() | SpaceStatusError(status=404):
            return _missing(config)
        case QuotaError():
            return exc
    return None


def _missing(config: SpaceConfig) -> SpaceUnavailableError:
    """Return the error of a Space that is not there, or not for everyone to see."""
    has_token = config.hf_token is not None
    token = "this hf_token may read it" if has_token else "it is public, or give an hf_token"
    return SpaceUnavailableError(
        config.url,
        "there is no such Space, or it is private",
        f"Check its name, and that {token}. {_STAND_IN}",
    )


# The front's answers


def is_page(body: str) -> bool:
    """Whether a body is a page for people, as no Gradio app answers a request of ours."""
    return _PAGE.match(body) is not None


def page_text(body: str) -> str:
    """Return a page's visible text; a body that is no page, as it stands."""
    if not is_page(body):
        return body.strip()
    start = _BODY.search(body)
    text = body[start.start() if start else 0 :][:_MOST_OF_A_PAGE]
    return " ".join(html.unescape(_UNSEEN.sub(" ", text)).split())


def front_error(config: SpaceConfig, exc: QwenSpaceError) -> QwenSpaceError:
    """Return the error for the front's answer where the hub has nothing to add."""
    is_missing = isinstance(exc, SpaceStatusError) and exc.status == 404
    return _missing(config) if is_missing else exc


def is_final(config: SpaceConfig, exc: QwenSpaceError) -> bool:
    """Whether an app that failed to give its `/config` need not be tried without it."""
    if isinstance(exc, SpaceStatusError):
        return exc.location is not None
    return isinstance(exc, SpaceUnavailableError) and status_url(config) is not None


def is_asleep(config: SpaceConfig, exc: QwenSpaceError) -> bool:
    """Whether a join did not get to the app, as the front answered in its place.

    Pages with other statuses leave it open whether the app has got the prompt.
    """
    match exc:
        case SpaceUnavailableError(status=503) | SpaceStatusError(status=404):
            is_page_s = isinstance(exc, SpaceUnavailableError) or exc.is_page
            return is_page_s and exc.url.endswith("/queue/join") and status_url(config) is not None
    return False


def is_short_limit(exc: QwenSpaceError) -> bool:
    """Whether it is a rate limit that is over so soon that it can be waited for."""
    seconds = exc.retry_after if isinstance(exc, QuotaError) else None
    return seconds is not None and seconds <= _SHORT


def is_of_the_front(exc: QwenSpaceError) -> bool:
    """Whether an answer to `/config`, or the lack of one, is not the app's own."""
    if isinstance(exc, SpaceStatusError):
        return exc.is_page
    kinds = SpaceUnreachableError, SpaceUnavailableError, StreamInterruptedError, ProtocolError
    return isinstance(exc, kinds)
