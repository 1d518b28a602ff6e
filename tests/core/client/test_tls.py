from __future__ import annotations

import contextlib
import datetime as dt
import ssl
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import trustme
import truststore

from qwen_space import SpaceClient, SpaceUnreachableError
from qwen_space.client import tls
from qwen_space.provider import Qwen_Qwen_2_5
from tests.certificates import CA, server_tls, trusting_tls
from tests.scripted_server import ScriptedServer

OTHER = trustme.CA()


def server(certificate: trustme.LeafCert | None = None) -> ScriptedServer:
    return ScriptedServer(tls=server_tls(certificate))


async def ask(space: ScriptedServer, **options: Any) -> str:
    async with SpaceClient(space.url, max_retries=0, **options) as client:
        return (await client.complete("Hi")).text


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_contexts", {})
    for name in tls._NAMED:
        monkeypatch.delenv(name, raising=False)


def ca_file(folder: Path, ca: trustme.CA = CA) -> Path:
    path = folder / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return path


def plain_folder(folder: Path) -> Path:
    ca_file(folder)
    (folder / "readme.txt").write_text("no certificate")
    return folder


def hashed_folder(folder: Path) -> Path:
    """A folder as `openssl rehash` makes it."""
    subject = ssl.PEM_cert_to_DER_cert(CA.cert_pem.bytes().decode())
    (folder / f"{_subject_hash(subject)}.0").write_bytes(CA.cert_pem.bytes())
    return folder


def _subject_hash(certificate: bytes) -> str:
    """Return the name under which OpenSSL looks for a certificate: a hash of its subject."""
    asked = ["openssl", "x509", "-inform", "DER", "-noout", "-hash"]
    return (
        subprocess.run(asked, input=certificate, capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("make", [ca_file, plain_folder, hashed_folder])
async def test_certificates_in_a_file_or_a_folder_are_trusted(
    make: Any, kind: Any, tmp_path: Path
) -> None:
    async with server() as space:
        assert await ask(space, verify=kind(make(tmp_path))) == "Hello there."


async def test_a_context_is_used_as_it_is() -> None:
    async with server() as space:
        assert await ask(space, verify=trusting_tls()) == "Hello there."


async def test_false_trusts_everyone_and_warns() -> None:
    async with server() as space:
        with pytest.warns(UserWarning, match="verify=False: the certificate of https://127"):
            assert await ask(space, verify=False) == "Hello there."


async def test_false_does_not_warn_where_nothing_is_encrypted() -> None:
    async with ScriptedServer() as space:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            assert await ask(space, verify=False) == "Hello there."


@pytest.mark.parametrize("options", [{}, {"verify": True}, {"trust_env": False}])
async def test_an_unknown_authority_is_not_trusted_and_the_remedy_is_named(
    options: dict[str, Any],
) -> None:
    async with server() as space:
        with pytest.raises(SpaceUnreachableError) as caught:
            await ask(space, **options)

    assert "its certificate is not valid: " in str(caught.value)
    assert 'verify="ca.pem"' in str(caught.value)
    assert space.exchanges == []


async def test_a_file_of_other_authorities_does_not_do(tmp_path: Path) -> None:
    async with server() as space:
        with pytest.raises(SpaceUnreachableError, match=r'verify="ca\.pem"'):
            await ask(space, verify=ca_file(tmp_path, OTHER))


@pytest.mark.parametrize(
    "certificate",
    [
        CA.issue_cert("space.example"),
        CA.issue_cert(
            "127.0.0.1", not_after=dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=1)
        ),
    ],
    ids=["of-another-host", "expired"],
)
async def test_no_file_helps_where_the_server_is_at_fault(
    certificate: trustme.LeafCert, tmp_path: Path
) -> None:
    async with server(certificate) as space:
        with pytest.raises(SpaceUnreachableError, match="owner to put right") as caught:
            await ask(space, verify=ca_file(tmp_path))

    assert "ca.pem" not in str(caught.value)


async def test_an_authority_that_another_has_signed_is_trusted_alone(tmp_path: Path) -> None:
    between = CA.create_child_ca()
    async with server(between.issue_cert("127.0.0.1")) as space:
        assert await ask(space, verify=ca_file(tmp_path, between)) == "Hello there."


async def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca_file(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    async with server() as space:
        assert await ask(space, verify="~/ca.pem") == "Hello there."


async def test_a_server_that_wants_the_certificate_of_a_client_is_told(tmp_path: Path) -> None:
    context = server_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # with 1.3 a client hears of it later
    context.verify_mode = ssl.CERT_REQUIRED
    CA.configure_trust(context)
    own = trusting_tls()
    CA.issue_cert("ada@space.example").configure_cert(own)

    async with ScriptedServer(tls=context) as space:
        assert await ask(space, verify=own) == "Hello there."
        with pytest.raises(SpaceUnreachableError, match=r"certificate of a client.*verify="):
            await ask(space, verify=ca_file(tmp_path))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("SSL_CERT_FILE", ca_file),
        ("SSL_CERT_DIR", plain_folder),
        ("REQUESTS_CA_BUNDLE", ca_file),
        ("CURL_CA_BUNDLE", ca_file),
    ],
)
async def test_the_environment_names_certificates(
    name: str, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(make(tmp_path)))
    async with server() as space:
        assert await ask(space) == "Hello there."
        with pytest.raises(SpaceUnreachableError):
            await ask(space, trust_env=False)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "there is no such file or folder"), (b"no", "no certificate in PEM form")],
)
async def test_a_bad_file_is_named(content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)

    async with server() as space:
        with pytest.raises(SpaceUnreachableError, match=says) as caught:
            await ask(space, verify=path)

    assert f"verify={str(path)!r}" in str(caught.value)
    assert "PEM form" in str(caught.value)


async def test_a_folder_without_certificates_is_told(tmp_path: Path) -> None:
    async with server() as space:
        with pytest.raises(SpaceUnreachableError, match="no certificate in PEM form"):
            await ask(space, verify=tmp_path)


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_windows_and_macos_check_certificates_themselves(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)

    assert isinstance(tls._system_context(), truststore.SSLContext)


def test_truststore_checks_certificates_where_openssl_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = str(tmp_path / "nowhere")
    paths = ssl.get_default_verify_paths()._replace(
        openssl_cafile=nowhere, openssl_capath=str(tmp_path)
    )
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)

    assert isinstance(tls._system_context(), truststore.SSLContext)


async def test_certificates_are_read_once(tmp_path: Path) -> None:
    path = ca_file(tmp_path)
    async with server() as space:
        await ask(space, verify=path)
        path.unlink()
        assert await ask(space, verify=path) == "Hello there."


async def test_the_provider_s_face_takes_it_too(tmp_path: Path) -> None:
    async with server() as space:

        class Own(Qwen_Qwen_2_5):
            url = space.url

        chat = [{"role": "user", "content": "Hi"}]
        pieces = Own.create_async_generator("", chat, verify=ca_file(tmp_path))
        async with contextlib.aclosing(pieces):
            assert "".join([piece async for piece in pieces]) == "Hello there."
