"""TLS certificates that are trusted."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_importstatus.exceptions import (
    ImportRequestError,
    ImportSettingsError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.hooks.lookup import hook_for

from .cases import GOING_ON, READY, VENDORS, Connect, Poll, Serve, going_on
from .servers import Server, answer, trickled


def certificate(folder: Path, name: x509.GeneralName) -> Path:
    """A certificate that its own key has signed, in one file with that key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "importstatus tests")])
    now = datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    key_bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(key_bytes + signed.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the only certificate that the vendor's can be verified with."""
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return certificate(tmp_path_factory.mktemp("trusted"), address)


def with_certificate(serve: Serve, file: Path) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return serve(going_on, tls=context)


@pytest.fixture
def vendor(serve: Serve, trusted: Path) -> Server:
    return with_certificate(serve, trusted)


def test_an_untrusted_certificate_is_a_request_error(connect: Connect, vendor: Server, poll: Poll) -> None:
    with pytest.raises(ImportRequestError, match=r"certificate does not verify.*verify"):
        poll(connect("thalamus", host=vendor.url), "7")
    assert vendor.seen == []


def test_a_certificate_for_another_name_is_a_request_error(
    connect: Connect, serve: Serve, tmp_path: Path, poll: Poll
) -> None:
    file = certificate(tmp_path, x509.DNSName("another.example"))
    vendor = with_certificate(serve, file)
    with pytest.raises(ImportRequestError, match="certificate does not verify"):
        poll(connect("thalamus", host=vendor.url, extra={"verify": str(file)}), "7")
    assert vendor.seen == []


@pytest.mark.parametrize("off", [False, "false", "False", "0", "no"])
def test_verification_can_be_disabled(connect: Connect, vendor: Server, poll: Poll, off: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # urllib3's, for each such request
        assert poll(connect("thalamus", host=vendor.url, extra={"verify": off}), "7").state == "running"


def test_the_connections_ca_file_is_trusted(
    connect: Connect, vendor: Server, trusted: Path, poll: Poll
) -> None:
    conn_id = connect("thalamus", host=vendor.url, extra={"verify": str(trusted)})
    assert poll(conn_id, "7").state == "running"


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environments_ca_file_is_trusted(
    connect: Connect,
    vendor: Server,
    trusted: Path,
    monkeypatch: pytest.MonkeyPatch,
    poll: Poll,
    name: str,
) -> None:
    monkeypatch.setenv(name, str(trusted))
    assert poll(connect("thalamus", host=vendor.url), "7").state == "running"


@pytest.mark.parametrize("verify", [True, "true"])
def test_the_environments_ca_file_is_trusted_if_verify_is_true(
    connect: Connect,
    vendor: Server,
    trusted: Path,
    monkeypatch: pytest.MonkeyPatch,
    poll: Poll,
    verify: Any,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    conn_id = connect("thalamus", host=vendor.url, extra={"verify": verify})
    assert poll(conn_id, "7").state == "running"


def test_the_connections_ca_file_wins_over_the_environments(
    connect: Connect,
    vendor: Server,
    trusted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    poll: Poll,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate(tmp_path, x509.DNSName("x.example"))))
    conn_id = connect("thalamus", host=vendor.url, extra={"verify": str(trusted)})
    assert poll(conn_id, "7").state == "running"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_without_certificates_is_named(
    connect: Connect, vendor: Server, tmp_path: Path, poll: Poll, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(ImportSettingsError, match="verify is not a file"):
        poll(connect("thalamus", host=vendor.url, extra={"verify": str(file)}), "7")
    assert vendor.seen == []


def test_a_missing_ca_file_of_the_environment_is_named(
    connect: Connect, vendor: Server, monkeypatch: pytest.MonkeyPatch, poll: Poll
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    with pytest.raises(ImportSettingsError, match="REQUESTS_CA_BUNDLE"):
        poll(connect("thalamus", host=vendor.url), "7")
    assert vendor.seen == []


def test_trickling_headers_over_tls_are_abandoned(connect: Connect, serve: Serve, trusted: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted)
    server = serve(lambda _: trickled(answer(GOING_ON), 0.15), tls=context)
    conn_id = connect("thalamus", host=server.url, extra={"timeout": 0.3, "verify": str(trusted)})
    began = time.monotonic()
    # This concerns only requests: aiohttp has one timeout for everything.
    with pytest.raises(ImportUnavailableError):
        hook_for(conn_id).get_import_status("7")
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_connection_test_reports_an_unknown_certificate(
    connect: Connect, serve: Serve, trusted: Path, vendor: str
) -> None:
    server = with_certificate(serve, trusted)
    extra = {"verify": True, "token_url": f"{server.url}/token", **READY.get(vendor, {})}
    is_right, words = hook_for(connect(vendor, host=server.url, extra=extra)).test_connection()
    assert (is_right, "certificate does not verify" in words, "`verify`" in words) == (False, True, True), (
        words
    )
