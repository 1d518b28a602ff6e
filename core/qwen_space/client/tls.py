"""The certificates by which a server is trusted."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import sys
from pathlib import Path

import truststore

from qwen_space.config import SpaceConfig

__all__ = ["TLSFileError", "tls_context"]

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")  # a name by which OpenSSL finds a certificate in a folder
_CERTIFICATES = frozenset({".pem", ".crt", ".cer"})


class TLSFileError(Exception):
    """A file or a folder of certificates cannot be used; says which and why."""


_SYSTEM = "", ""
_NAMED = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_contexts: dict[tuple[str, str], ssl.SSLContext] = {}  # in one process they change for nobody


async def tls_context(config: SpaceConfig) -> ssl.SSLContext | bool:
    """Return the check of certificates that a configuration asks for, as aiohttp takes it.

    Certificates are read once in a process, in a thread: the system's take about 20 ms.

    Raises:
        TLSFileError: The file or the folder of certificates cannot be used.
    """
    if config.verify is False or isinstance(config.verify, ssl.SSLContext):
        return config.verify
    source = _source(config)
    if source not in _contexts:
        _contexts[source] = await asyncio.to_thread(_read, *source)
    return _contexts[source]


def _source(config: SpaceConfig) -> tuple[str, str]:
    """Return the path of the certificates, and the name under which it was given."""
    if not isinstance(config.verify, (bool, ssl.SSLContext)):
        return os.path.expanduser(config.verify), "verify"  # noqa: PTH111 - a name is enough
    # As httpx, OpenSSL and requests have it. The systems' own checks know nothing of these.
    names = _NAMED if config.trust_env else ()
    return next(((os.environ[name], name) for name in names if os.environ.get(name)), _SYSTEM)


def _read(path: str, name: str) -> ssl.SSLContext:
    return _context_of(path, name) if path else _system_context()


def _context_of(path: str, name: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates in a file or in a folder."""
    context = _new_context()
    try:
        if not Path(path).is_dir():
            context.load_verify_locations(cafile=path)
        elif any(_HASHED.fullmatch(each.name) for each in Path(path).iterdir()):
            context.load_verify_locations(capath=path)
        else:  # a plain folder, in which OpenSSL would find nothing and say nothing
            _load_each(context, Path(path))
    except FileNotFoundError as exc:
        raise TLSFileError(f"{name}={path!r}: there is no such file or folder") from exc
    except ssl.SSLError as exc:
        raise TLSFileError(f"{name}={path!r}: it holds no certificate in PEM form") from exc
    except OSError as exc:
        raise TLSFileError(f"{name}={path!r} cannot be read: {exc.strerror or exc}") from exc
    return context


def _load_each(context: ssl.SSLContext, folder: Path) -> None:
    files = [each for each in sorted(folder.iterdir()) if each.suffix in _CERTIFICATES]
    for each in files:
        context.load_verify_locations(cafile=each)
    if not files:
        raise ssl.SSLError


def _system_context() -> ssl.SSLContext:
    """Return a context that trusts the certificates that the system trusts."""
    paths = ssl.get_default_verify_paths()
    file, folder = Path(paths.openssl_cafile), Path(paths.openssl_capath)
    has_folder = folder.is_dir() and any(_HASHED.fullmatch(each.name) for each in folder.iterdir())
    # Windows and macOS check certificates themselves, and truststore asks them. On Linux it reads
    # the files anew for each connection, and so it is left to where OpenSSL finds none of its own,
    # as with a Python that was built for another distribution.
    if sys.platform in {"win32", "darwin"} or not (file.is_file() or has_folder):
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = _new_context()
    context.load_verify_locations(
        cafile=file if file.is_file() else None, capath=folder if has_folder else None
    )
    return context


def _new_context() -> ssl.SSLContext:
    """Return a context that checks certificates and host names, and trusts none so far.

    Not `ssl.create_default_context`, whose strictness of Python 3.13 refuses the certificate
    authorities of many a company, and which httpx's successor does without too. But as there, and
    as in curl, an authority that another one has signed is trusted where it alone is given.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    return context
