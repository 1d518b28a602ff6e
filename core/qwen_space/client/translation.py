"""aiohttp's errors as ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from qwen_space.client.http_errors import proxy_login
from qwen_space.client.proxies import Proxy
from qwen_space.config import Timeouts
from qwen_space.errors import (
    ProtocolError,
    QwenSpaceError,
    SpaceTimeoutError,
    SpaceUnreachableError,
    StreamInterruptedError,
)

__all__ = ["no_http", "translated"]


@contextlib.contextmanager
def translated(url: str, timeouts: Timeouts, proxy: Proxy | None = None) -> Iterator[None]:
    """Turn aiohttp's errors into ours. This is the only place that does."""
    try:
        yield
    except aiohttp.ClientResponseError as exc:
        _forget_request(url, exc)
        raise _of_response(url, exc, proxy) from exc
    except (aiohttp.InvalidURL, UnicodeError) as exc:  # the latter of a name such as "a..b"
        raise SpaceUnreachableError(url, f"not a valid address ({exc})", lasting=True) from exc
    except aiohttp.ConnectionTimeoutError as exc:
        raise SpaceTimeoutError("connect", timeouts.connect or 0) from exc
    except aiohttp.ServerTimeoutError as exc:
        raise SpaceTimeoutError("silence", timeouts.silence or 0) from exc
    except asyncio.TimeoutError as exc:
        if isinstance(exc, QwenSpaceError):
            raise
        raise SpaceTimeoutError("total", timeouts.total or 0) from exc
    except aiohttp.ClientConnectorError as exc:
        raise _unreachable(url, exc, proxy) from exc
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as exc:
        raise StreamInterruptedError("", str(exc) or type(exc).__name__) from exc
    except aiohttp.ClientError as exc:
        raise no_http(url, str(exc)) from exc


def _unreachable(
    url: str, exc: aiohttp.ClientConnectorError, proxy: Proxy | None
) -> SpaceUnreachableError:
    """Return why no connection was made, in the words of whoever knows."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return _untrusted(url, exc.certificate_error)
    error = exc.os_error
    if isinstance(exc, aiohttp.ClientSSLError):
        # Such as WRONG_VERSION_NUMBER, of a server that does not speak TLS.
        why = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
        return SpaceUnreachableError(url, f"TLS failed: {why}")
    is_refused = isinstance(error, ConnectionRefusedError)
    reason = "connection refused" if is_refused else error.strerror or str(error)
    if isinstance(exc, aiohttp.ClientProxyConnectionError) and proxy is not None:
        reason = f"no connection to the proxy {proxy}: {reason}"
        return SpaceUnreachableError(url, reason, remedy=proxy.remedy)
    return SpaceUnreachableError(url, reason)


_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})  # X509_V_ERR_… of OpenSSL: who has signed it?


def _untrusted(url: str, error: Exception) -> SpaceUnreachableError:
    """Return the error of a certificate that does not hold."""
    why = getattr(error, "verify_message", None) or error
    remedy = "It is for the server's owner to put right."
    # Of the checks by Windows and macOS no code is known.
    if getattr(error, "verify_code", 0) in {0, *_UNKNOWN_ISSUER}:
        remedy = (
            "If a company or somebody else whom you trust has signed it, give the file of that "
            'certificate: verify="ca.pem" (or SSL_CERT_FILE in the environment).'
        )
    reason = f"its certificate is not valid: {why}"
    return SpaceUnreachableError(url, reason, lasting=True, remedy=remedy)


def _forget_request(url: str, exc: aiohttp.ClientResponseError) -> None:
    """Take the request out of aiohttp's error, which stays on ours as the cause.

    It shows its headers, with the token in them, and the proxy's address, with the password.
    """
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    exc.request_info = aiohttp.RequestInfo(URL(url), "", headers, URL(url))
    exc.args, exc.history, exc.headers = (exc.request_info, ()), (), None


def _of_response(url: str, exc: aiohttp.ClientResponseError, proxy: Proxy | None) -> QwenSpaceError:
    """Return what an answer that is none means: the Space's, or the proxy's."""
    if not isinstance(exc, aiohttp.ClientHttpProxyError):
        return no_http(url, exc.message)
    if exc.status == 407:
        return proxy_login(url, proxy)
    is_lasting = exc.status in {401, 403, 405}
    if proxy is None:  # of a session of the caller's
        return SpaceUnreachableError(
            url, f"the proxy answered HTTP {exc.status}", lasting=is_lasting
        )
    said = f"the proxy {proxy} answered HTTP {exc.status}"
    return SpaceUnreachableError(url, said, lasting=is_lasting, remedy=proxy.remedy)


def no_http(url: str, said: str) -> ProtocolError:
    """Return the error of an answer that is no HTTP, without the bytes that aiohttp shows of it."""
    said = " ".join(said.partition("\n\n")[0].split()).rstrip(":")
    return ProtocolError(f"{url.partition('?')[0]} does not speak HTTP as it should: {said:.300}")
