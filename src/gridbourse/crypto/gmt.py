"""The Chinese suite: SM2 public-key encryption, HMAC-SM3, SM4-GCM.

SM2 is GB/T 32918.4-2016 on the curve of GB/T 32918.5-2017, by GmSSL (`gmssl-pyx`); SM3 is GB/T 32905-2016, and
SM4-GCM is RFC 8998 with GB/T 32907-2016, both by OpenSSL (`cryptography`). A sealed secret is C1 || C3 || C2
(GM/T 0003) without the leading byte of C1. GmSSL takes it in DER (GM/T 0009), which is written here: it never parses
what others wrote. Where a sealed secret does not open, GmSSL also prints where it refused to the standard error.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from gmssl_pyx import GmsslInnerError, sm2_decrypt, sm2_encrypt, sm2_key_generate

from gridbourse.crypto.suite import NONCE, SECRET_BYTES, PrivateKey, Suite
from gridbourse.errors import InvalidValue

_PRIVATE_BYTES = 32
_PUBLIC_BYTES = 64
_COORDINATE_BYTES = 32
_HASH_BYTES = 32
_SM4_KEY_BYTES = 16
_TAG_BYTES = 16

_SEQUENCE = 0x30
_INTEGER = 0x02
_OCTETS = 0x04


class _Sm2Key:
    """A private key is stored as its number and the point that belongs to it, for GmSSL does not tell the point."""

    def __init__(self, secret: bytes) -> None:
        self._private = secret[:_PRIVATE_BYTES]
        self.public_bytes = secret[_PRIVATE_BYTES:]

    def open_secret(self, sealed: bytes) -> bytes:
        try:
            return bytes(sm2_decrypt(self._private, _to_der(sealed)))
        except GmsslInnerError as error:
            raise InvalidTag from error


class _Gmt:
    name = "gmt"
    number = 2
    title = "SM2, SM4-GCM, SM3"
    sealed_bytes = 2 * _COORDINATE_BYTES + _HASH_BYTES + SECRET_BYTES

    def generate(self) -> bytes:
        public, private = sm2_key_generate()
        return bytes(private + public)

    def private_key(self, secret: bytes) -> PrivateKey:
        key, probe = _Sm2Key(secret), secrets.token_bytes(SECRET_BYTES)
        try:
            if len(secret) == _PRIVATE_BYTES + _PUBLIC_BYTES:
                belongs = key.open_secret(self.seal_secret(probe, key.public_bytes)) == probe
            else:
                belongs = False
        except (InvalidTag, InvalidValue):
            belongs = False
        if not belongs:
            remedy = "an SM2 private key of 32 bytes followed by its public key of 64 bytes"
            raise InvalidValue("secret", f"{len(secret)} bytes", remedy)
        return key

    def seal_secret(self, secret: bytes, public_key: bytes) -> bytes:
        try:
            return _from_der(bytes(sm2_encrypt(public_key, secret)))
        except GmsslInnerError as error:
            raise InvalidValue("recipients", public_key.hex(), "usable SM2 public keys of 64 bytes") from error

    def mac(self, key: bytes, message: bytes) -> bytes:
        authenticator = hmac.HMAC(key, hashes.SM3())
        authenticator.update(message)
        return authenticator.finalize()

    def encrypt(self, key: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        encryptor = Cipher(algorithms.SM4(key[:_SM4_KEY_BYTES]), modes.GCM(NONCE)).encryptor()
        encryptor.authenticate_additional_data(associated_data)
        return encryptor.update(plaintext) + encryptor.finalize() + encryptor.tag

    def decrypt(self, key: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        body, tag = ciphertext[:-_TAG_BYTES], ciphertext[-_TAG_BYTES:]
        decryptor = Cipher(algorithms.SM4(key[:_SM4_KEY_BYTES]), modes.GCM(NONCE, tag)).decryptor()
        decryptor.authenticate_additional_data(associated_data)
        return decryptor.update(body) + decryptor.finalize()


GMT: Suite = _Gmt()


def _to_der(sealed: bytes) -> bytes:
    """SEQUENCE { x INTEGER, y INTEGER, hash OCTET STRING, ciphertext OCTET STRING } (GM/T 0009, section 7.2)."""
    x, y = sealed[:_COORDINATE_BYTES], sealed[_COORDINATE_BYTES : 2 * _COORDINATE_BYTES]
    rest = sealed[2 * _COORDINATE_BYTES :]
    body = b"".join([_integer(x), _integer(y), _octets(rest[:_HASH_BYTES]), _octets(rest[_HASH_BYTES:])])
    length = bytes([len(body)]) if len(body) < 0x80 else bytes([0x81, len(body)])
    return bytes([_SEQUENCE]) + length + body


def _integer(number: bytes) -> bytes:
    shortest = number.lstrip(b"\x00") or b"\x00"
    if shortest[0] & 0x80:
        shortest = b"\x00" + shortest
    return bytes([_INTEGER, len(shortest)]) + shortest


def _octets(data: bytes) -> bytes:
    return bytes([_OCTETS, len(data)]) + data


def _from_der(data: bytes) -> bytes:
    """Read what GmSSL has just written; the length of the whole takes one or two bytes, that of a part one."""
    at = 3 if data[1] & 0x80 else 2
    parts = []
    while at < len(data):
        part = data[at + 2 : at + 2 + data[at + 1]]
        parts.append(part.lstrip(b"\x00").rjust(_COORDINATE_BYTES, b"\x00") if data[at] == _INTEGER else part)
        at += 2 + data[at + 1]
    return b"".join(parts)
