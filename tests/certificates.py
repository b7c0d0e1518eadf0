"""An authority that signs whatever certificate a test asks for, each in a PEM file of its own.

The keys are on curve P-256, which takes a millisecond to make. This file knows nothing of servers or storages.
"""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

HERE = ("localhost", "127.0.0.1")  # what a server of these tests is called
HOUR = timedelta(hours=1)
SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, in two files."""

    cert: str
    key: str


def text_of(key: ec.EllipticCurvePrivateKey, passphrase: str | None = None, old_format: bool = False) -> bytes:
    """A private key as PEM, locked when there is a passphrase; the old format is OpenSSL's own."""
    lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    form = PrivateFormat.TraditionalOpenSSL if old_format else PrivateFormat.PKCS8
    return key.private_bytes(Encoding.PEM, form, lock)


def names(hosts: tuple[str, ...]) -> x509.SubjectAlternativeName:
    entries: list[x509.GeneralName] = []
    for host in hosts:
        try:
            entries.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            entries.append(x509.DNSName(host))
    return x509.SubjectAlternativeName(entries)


class Authority:
    """Signs certificates and leaves them in `folder`; its own is the file `cert`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._count = itertools.count()
        own = self._builder(name, self._key.public_key(), -HOUR, HOUR)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        own = own.add_extension(SIGNS, critical=True)
        own = own.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self.cert = self._write("ca", own.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def issue(
        self,
        *hosts: str,
        since: timedelta = -HOUR,
        until: timedelta = HOUR,
        common_name: str = "somebody",
        passphrase: str | None = None,
        old_format: bool = False,
    ) -> Identity:
        """A certificate for `hosts`, valid from now + `since` to now + `until`."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = self._builder(common_name, key.public_key(), since, until)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        request = request.add_extension(signer, critical=False)
        if hosts:
            request = request.add_extension(names(hosts), critical=False)
        cert = request.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        stem = f"{self._name}-{next(self._count)}"
        locked = text_of(key, passphrase, old_format)
        return Identity(self._write(f"{stem}-cert", cert), self._write(f"{stem}-key", locked))

    def _builder(
        self, name: str, key: ec.EllipticCurvePublicKey, since: timedelta, until: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(timezone.utc)
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._name)])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
        )

    def _write(self, stem: str, text: bytes) -> str:
        file = self._folder / f"{self._name}-{stem}.pem"
        file.write_bytes(text)
        return str(file)
