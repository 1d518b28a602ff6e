"""Map failed requests to errors: aiohttp's exceptions, and statuses other than 200."""

from __future__ import annotations

import asyncio
import email.utils
import json
import re
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from qwen_space.client import hub
from qwen_space.client.aiohttp_internals import is_unwritten
from qwen_space.client.login import NOT_LOGGED_IN
from qwen_space.client.proxies import Proxy
from qwen_space.client.socks import SocksError
from qwen_space.config import Timeouts
from qwen_space.errors import (
    AuthenticationError,
    JobError,
    ProtocolError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceStatusError,
    SpaceTimeoutError,
    SpaceUnavailableError,
    SpaceUnreachableError,
    StreamInterruptedError,
)
from qwen_space.gradio.wire.messages import unquote

__all__ = [
    "error_detail",
    "error_from_response",
    "function_error",
    "invalid_http",
    "map_aiohttp_errors",
    "parse_retry_after",
]

# aiohttp's exceptions


class map_aiohttp_errors:  # noqa: N801 - it is used as a function
    """Raise the package's errors in place of aiohttp's within a block. No other place does.

    Not made of a generator, which each request that is on its way would keep.
    """

    __slots__ = ("_proxy", "_timeouts", "_url")

    def __init__(self, url: str, timeouts: Timeouts, proxy: Proxy | None = None) -> None:
        self._url, self._timeouts, self._proxy = url, timeouts, proxy

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> None:
        if exc is not None:
            _raise_mapped(exc, self._url, self._timeouts, self._proxy)


def _raise_mapped(exc: BaseException, url: str, timeouts: Timeouts, proxy: Proxy | None) -> None:
    """Raise the package's error in place of one of aiohttp's; do nothing for any other.

    It is never a variable here: it and this frame, which it has, would hold each other.
    """
    match exc:
        case aiohttp.ClientResponseError():
            headers: Mapping[str, str] = exc.headers or {}
            _forget_request(url, exc)
            raise _of_response(url, exc, headers, proxy) from exc
        case aiohttp.InvalidURL() | UnicodeError():  # the latter of a name such as "a..b"
            fault = f"not a valid address ({exc})"
            raise SpaceUnreachableError(url, fault, retryable=False) from exc
        case aiohttp.ConnectionTimeoutError():
            raise SpaceTimeoutError("connect", timeouts.connect or 0) from exc
        case aiohttp.ServerTimeoutError():
            raise SpaceTimeoutError("silence", timeouts.silence or 0) from exc
        case QwenSpaceError():  # some are timeouts, too
            return
        case asyncio.TimeoutError():
            raise SpaceTimeoutError("total", timeouts.total or 0) from exc
        case aiohttp.ClientConnectorError():
            raise _unreachable(url, exc, proxy) from exc
        case SocksError():
            remedy = None if proxy is None else proxy.remedy
            fault = f"the proxy {proxy}: {exc}"
            raise SpaceUnreachableError(url, fault, remedy=remedy) from exc
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError():
            if is_unwritten(exc):
                fault = "it closed the connection before the request was sent"
                raise SpaceUnreachableError(url, fault) from exc
            if "content-encoding" in str(exc):  # aiohttp's ContentEncodingError, as text
                raise invalid_http(url, str(exc), proxy) from exc
            # Without aiohttp's own objects: the head of an answer that ends in it, another error.
            is_ended = isinstance(exc, aiohttp.ServerDisconnectedError)
            said = "Server disconnected" if is_ended else str(exc).partition(": <")[0]
            fault = f"{said or type(exc).__name__}{_via(proxy)}"
            raise StreamInterruptedError("", fault) from exc
        case aiohttp.ClientError():
            raise invalid_http(url, str(exc), proxy) from exc


def _via(proxy: Proxy | None) -> str:
    """Return the words that name the proxy on the way, where it may be the one at fault."""
    return "" if proxy is None else f", through the proxy {proxy}"


def _unreachable(
    url: str, exc: aiohttp.ClientConnectorError, proxy: Proxy | None
) -> SpaceUnreachableError:
    """Map a connection that failed, with the reason of the system, of TLS or of the proxy."""
    is_of_proxy = proxy is not None and proxy.is_at(exc.host, exc.port)
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        whose = f"the certificate of the proxy {proxy}" if is_of_proxy else "its certificate"
        return _untrusted(url, exc.certificate_error, whose)
    error = exc.os_error
    if isinstance(exc, aiohttp.ClientSSLError):
        # Such as WRONG_VERSION_NUMBER, of a server that does not speak TLS.
        why = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
        where = f" with the proxy {proxy}" if is_of_proxy else ""
        return SpaceUnreachableError(url, f"TLS{where} failed: {why}")
    is_refused = isinstance(error, ConnectionRefusedError)
    reason = "connection refused" if is_refused else error.strerror or str(error)
    if not reason:  # asyncio tells nothing of TLS's own reason
        reason = "it broke TLS off at the start"
        remedy = (
            "It may want the certificate of a client, which an ssl.SSLContext in verify= can have, "
            "or another version of TLS."
        )
        return SpaceUnreachableError(url, reason, remedy=remedy)
    # A proxy whose name is unknown is none of aiohttp's errors of proxies.
    if proxy is not None and (is_of_proxy or isinstance(exc, aiohttp.ClientProxyConnectionError)):
        reason = f"no connection to the proxy {proxy}: {reason}"
        return SpaceUnreachableError(url, reason, remedy=proxy.remedy)
    return SpaceUnreachableError(url, reason)


_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})  # X509_V_ERR_… of OpenSSL: an unknown issuer


def _untrusted(url: str, error: Exception, whose: str) -> SpaceUnreachableError:
    """Return the error of a certificate that does not hold."""
    why = str(getattr(error, "verify_message", None) or error).rstrip(".")
    remedy = "It is for the server's owner to put right."
    # Of the checks by Windows and macOS no code is known.
    if getattr(error, "verify_code", 0) in {0, *_UNKNOWN_ISSUER}:
        remedy = (
            "If a company or somebody else whom you trust has signed it, give the file of that "
            'certificate: verify="ca.pem" (or SSL_CERT_FILE in the environment).'
        )
    reason = f"{whose} is not valid: {why}"
    return SpaceUnreachableError(url, reason, retryable=False, remedy=remedy)


def _forget_request(url: str, exc: aiohttp.ClientResponseError) -> None:
    """Take the request out of aiohttp's error, which stays on ours as the cause.

    It shows its headers, with the token in them, and the proxy's address, with the password.
    """
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    exc.request_info = aiohttp.RequestInfo(URL(url), "", headers, URL(url))
    exc.args, exc.history, exc.headers = (exc.request_info, ()), (), None


def _of_response(
    url: str, exc: aiohttp.ClientResponseError, headers: Mapping[str, str], proxy: Proxy | None
) -> QwenSpaceError:
    """Map a response that is not valid HTTP, the Space's or the proxy's."""
    if not isinstance(exc, aiohttp.ClientHttpProxyError):
        return invalid_http(url, exc.message, proxy)
    if exc.status == 407:
        return _proxy_login(url, headers, proxy)
    is_lasting = exc.status in {401, 403, 405}
    if proxy is None:  # of a session of the caller's
        return SpaceUnreachableError(
            url, f"the proxy answered HTTP {exc.status}", retryable=not is_lasting
        )
    said = f"the proxy {proxy} answered HTTP {exc.status}"
    return SpaceUnreachableError(url, said, retryable=not is_lasting, remedy=proxy.remedy)


def invalid_http(url: str, said: str, proxy: Proxy | None = None) -> ProtocolError:
    """Return the error of a response that is not HTTP, without the bytes that aiohttp quotes."""
    said = " ".join(said.partition("\n\n")[0].split()).rstrip(":")
    where = f"{url.partition('?')[0]}{_via(proxy)}"
    return ProtocolError(f"{where} does not speak HTTP as it should: {said:.300}")


# Statuses

_LONGEST_REASON = 200  # characters of a page

# Of servers in front whose app does not answer, as Cloudflare's 520 to 530 are, or not in time.
_UNAVAILABLE = frozenset({408, 425, 502, 503, 504, *range(520, 531)})

_RATE_LIMIT = re.compile(r";\s*r=0\s*;\s*t=(\d{1,9})", re.ASCII)  # of Hugging Face: nothing is left

_JOINS = re.compile(r"/queue/join$|/call/[^/]+$")


def error_from_response(
    url: str, status: int, headers: Mapping[str, str], body: str, proxy: Proxy | None = None
) -> QwenSpaceError:
    """Return the error for a status other than 200.

    Args:
        url: The address that was asked, without its query.
        status: The HTTP status.
        headers: The answer's headers, whatever their case.
        body: The start of its body.
        proxy: The proxy that the request went through.
    """
    detail = error_detail(body)
    seconds = _retry_after(headers)
    if 300 <= status < 400:
        location = _printable(headers.get("Location"))
        return SpaceStatusError(status, url, f"moved to {location}", location)
    if status == 407:
        return _proxy_login(url, headers, proxy)
    if status == 403 and proxy is not None and "X-Squid-Error" in headers:
        said = f"the proxy {proxy} does not let it through (HTTP 403)"
        return SpaceUnreachableError(url, said, retryable=False, remedy=proxy.remedy)
    if status in {401, 403}:
        return _no_access(url, status, headers, body)
    invalid = _invalid(body) if status == 422 else None
    if status == 400 and detail is not None and _JOINS.search(url):
        invalid = unquote(detail)  # the validator has raised an error
    if invalid is not None:
        return JobError(invalid or None, "It does not take this input")
    if status == 429:
        return QuotaError(detail or "Too many requests", seconds)
    if status == 503 and detail is not None:
        if "full" in detail:
            return QueueFullError(detail, seconds)
        return SpaceUnavailableError(url, detail, retry_after=seconds)
    if status in _UNAVAILABLE:
        said = hub.page_text(body)[:_LONGEST_REASON] or "no reason given"
        detail = f"HTTP {status}: {said}"
        return SpaceUnavailableError(url, detail, status=status, retry_after=seconds)
    error = SpaceStatusError(status, url, detail or hub.page_text(body))
    error.is_page = hub.is_page(body)
    return error


def _proxy_login(
    url: str, headers: Mapping[str, str], proxy: Proxy | None
) -> SpaceUnreachableError:
    """Return the error of a proxy that wants a user and a password, or others."""
    get_all = getattr(headers, "getall", None)  # a server lists its ways in several headers
    ways = get_all("Proxy-Authenticate", ()) if get_all else ()
    schemes = {each.partition(" ")[0].lower() for each in ways}
    if schemes & {"negotiate", "ntlm", "digest"} and "basic" not in schemes:
        return SpaceUnreachableError(
            url,
            f"the proxy {proxy or ''} wants a login by {', '.join(sorted(schemes))} (HTTP 407)",
            retryable=False,
            remedy="Run a local proxy that logs in to it, such as px or cntlm, and give that as "
            "proxy=.",
        )
    has_some = proxy is not None and urlsplit(proxy.url).username is not None
    wants = "does not take this user and password" if has_some else "wants a user and a password"
    return SpaceUnreachableError(
        url,
        f"the proxy {proxy or ''} {wants} (HTTP 407)".replace("  ", " "),
        retryable=False,
        remedy="Give them as http://user:password@host:port in proxy=, or where the environment "
        "names the proxy.",
    )


def _no_access(url: str, status: int, headers: Mapping[str, str], body: str) -> AuthenticationError:
    """Return the error of a request that lacks a token, a login, or a password."""
    if headers.get("cf-mitigated") == "challenge":
        return AuthenticationError(
            url,
            "Cloudflare, in front of the app, lets nothing through but browsers",
            "Ask the app's owner to let programs through, or for an address without it.",
        )
    challenge = _printable(headers.get("WWW-Authenticate")) or ""  # Gradio sends none
    scheme = challenge.partition(" ")[0].lower()
    if scheme == "basic":
        return AuthenticationError(
            url,
            f"a server in front of the app wants a user and a password ({challenge:.100})",
            'Give headers={"Authorization": "Basic ..."}, with user:password in base64 there.',
        )
    if scheme in {"digest", "negotiate", "ntlm"}:
        return AuthenticationError(
            url,
            f"a server in front of the app wants a login of another kind ({challenge:.100})",
            "Ask who runs it for a token or a cookie, and give that in headers=.",
        )
    detail = error_detail(body)
    if detail == NOT_LOGGED_IN:
        remedy = "The app has a login of its own: give auth=(user, password)."
        return AuthenticationError(url, detail, remedy)
    page = hub.page_text(body)[:_LONGEST_REASON]
    said = f"HTTP {status}: {page}" if page else f"HTTP {status}"
    return AuthenticationError(url, detail or said)


def _printable(value: str | None) -> str | None:
    """Return a header as text; aiohttp keeps bytes that are no UTF-8 as halves of surrogates."""
    if value is None or value.isascii():
        return value
    data = value.encode("utf-8", "surrogateescape")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait.

    A date is compared to that of the answer, if it has one: our clock may differ from theirs.
    """
    if "Retry-After" not in headers:
        used_up = _RATE_LIMIT.search(headers.get("RateLimit", ""))
        return float(used_up[1]) if used_up else None
    sent = headers.get("Date")
    now = parse_retry_after(sent, 0) if sent is not None else None
    return parse_retry_after(headers.get("Retry-After"), now or time.time())


def error_detail(body: str) -> str | None:
    """Return the sentence in one of Gradio's own error bodies; None for any other body."""
    detail = _read_object(body).get("detail")
    if isinstance(detail, dict):
        detail = detail.get("error")
    return None if detail is None else str(detail)


def _invalid(body: str) -> str | None:
    """Return the objections of the function's own validator; None for any other body."""
    detail = _read_object(body).get("detail")
    items = [each for each in detail if isinstance(each, dict)] if isinstance(detail, list) else []
    said = [str(each.get("message") or "") for each in items if each.get("is_valid") is False]
    return "; ".join(filter(None, said)) if said else None


def function_error(body: str) -> str:
    """Return the reason of a function that has failed without a queue; other bodies as they are."""
    told = _read_object(body)
    if "error" not in told:
        return body
    return "it gives no reason" if told["error"] is None else str(told["error"])


def _read_object(body: str) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` asks for, in either of its two forms.

    Args:
        value: The header, if there is one.
        now: The time, in seconds since 1970.
    """
    if value is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}(\.\d{1,9})?\s*", value, re.ASCII):
        return float(value)
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - now, 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
