"""aiohttp's errors as ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from qwen_space.client.http_errors import PROXY_LOGIN
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
def translated(url: str, timeouts: Timeouts) -> Iterator[None]:
    """Turn aiohttp's errors into ours. This is the only place that does."""
    try:
        yield
    except aiohttp.ClientResponseError as exc:
        _forget_request(url, exc)
        raise _of_response(url, exc) from exc
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
        raise _unreachable(url, exc) from exc
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as exc:
        raise StreamInterruptedError("", str(exc) or type(exc).__name__) from exc
    except aiohttp.ClientError as exc:
        raise no_http(url, str(exc)) from exc


def _unreachable(url: str, exc: aiohttp.ClientConnectorError) -> SpaceUnreachableError:
    """Return why no connection was made, in the words of whoever knows."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        why = getattr(exc.certificate_error, "verify_message", None) or exc.certificate_error
        return SpaceUnreachableError(url, f"its certificate is not valid: {why}", lasting=True)
    error = exc.os_error
    if isinstance(exc, aiohttp.ClientSSLError):
        # Such as WRONG_VERSION_NUMBER, of a server that does not speak TLS.
        why = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
        return SpaceUnreachableError(url, f"TLS failed: {why}")
    is_refused = isinstance(error, ConnectionRefusedError)
    reason = "connection refused" if is_refused else error.strerror or str(error)
    if isinstance(exc, aiohttp.ClientProxyConnectionError):
        reason = f"no connection to the proxy: {reason}"
    return SpaceUnreachableError(url, reason)


def _forget_request(url: str, exc: aiohttp.ClientResponseError) -> None:
    """Take the request out of aiohttp's error, which stays on ours as the cause.

    It shows its headers, with the token in them, and the proxy's address, with the password.
    """
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    exc.request_info = aiohttp.RequestInfo(URL(url), "", headers, URL(url))
    exc.args, exc.history, exc.headers = (exc.request_info, ()), (), None


def _of_response(url: str, exc: aiohttp.ClientResponseError) -> QwenSpaceError:
    """Return what an answer that is none means: the Space's, or the proxy's."""
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        if exc.status == 407:
            return SpaceUnreachableError(url, PROXY_LOGIN, lasting=True)
        return SpaceUnreachableError(url, f"the proxy answered HTTP {exc.status}")
    return no_http(url, exc.message)


def no_http(url: str, said: str) -> ProtocolError:
    """Return the error of an answer that is no HTTP, without the bytes that aiohttp shows of it."""
    said = " ".join(said.partition("\n\n")[0].split()).rstrip(":")
    return ProtocolError(f"{url.partition('?')[0]} does not speak HTTP as it should: {said:.300}")
