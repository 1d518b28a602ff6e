"""A certificate authority, and the TLS of servers and clients that rely on it."""

from __future__ import annotations

import ssl

import trustme

__all__ = ["CA", "server_tls", "trusting_tls"]

CA = trustme.CA()


def server_tls(certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """Return the TLS of a server that shows a certificate: the authority's for 127.0.0.1."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (certificate or CA.issue_cert("127.0.0.1")).configure_cert(context)
    return context


def trusting_tls() -> ssl.SSLContext:
    """Return the TLS of a client that trusts the authority."""
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context
