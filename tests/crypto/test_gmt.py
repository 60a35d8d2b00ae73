"""The Chinese suite meets its standards' vectors, and a second hand opens what it sealed.

SM2's second hand is written here from GB/T 32918.4, on the curve of GB/T 32918.5; SM4-GCM's is another library.
"""

import json
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SM3, Hash

from gridbourse.crypto import suite
from gridbourse.crypto.envelope import EncryptionKey, recipients_of, seal
from gridbourse.crypto.suite import suite_named
from gridbourse.errors import EnvelopeError, InvalidValue

sm4_gcm_encrypt = pytest.importorskip("gmssl_pyx").sm4_gcm_encrypt

GMT = suite_named("gmt")
PLACE = b"chain 1001, offer 7 of user 3"
PAYLOAD = b"300 kWh of wind at 0.36 yuan/kWh, feeder 12"
SECRET = bytes(range(32))
GM = {
    name: value if name == "source" else bytes.fromhex(value)
    for name, value in json.loads((Path(__file__).parents[1] / "vectors" / "gmt.json").read_text()).items()
}
P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)


def add(one, other):
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and y1 != y2:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, P) if one == other else (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def multiply(scalar, point):
    result = None
    for bit in f"{scalar:b}":
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def point_of(data):
    return int.from_bytes(data[:32]), int.from_bytes(data[32:])


def bytes_of(point):
    return b"".join(number.to_bytes(32) for number in point)


def sm3(data):
    digest = Hash(SM3())
    digest.update(data)
    return digest.finalize()


def mask(shared, length):
    rounds = range(1, -(-length // 32) + 1)
    return b"".join(sm3(shared + counter.to_bytes(4)) for counter in rounds)[:length]


def masked(message, shared):
    return bytes(one ^ other for one, other in zip(message, mask(shared, len(message)), strict=True))


def sm2_seal(message, public, random):
    shared = bytes_of(multiply(random, point_of(public)))
    return bytes_of(multiply(random, G)) + sm3(shared[:32] + message + shared[32:]) + masked(message, shared)


def sm2_open(data, private):
    shared = bytes_of(multiply(int.from_bytes(private), point_of(data[:64])))
    message = masked(data[96:], shared)
    assert sm3(shared[:32] + message + shared[32:]) == data[64:96]
    return message


def hmac_sm3(key, message):
    inner, outer = (bytes(byte ^ pad for byte in key.ljust(64, b"\x00")) for pad in (0x36, 0x5C))
    return sm3(outer + sm3(inner + message))


SM2_VECTOR = GM["sm2_c1"] + GM["sm2_c3"] + GM["sm2_c2"]


def test_the_second_hand_of_sm2_meets_the_published_vector():
    random = int.from_bytes(GM["sm2_random"])
    assert bytes_of(multiply(int.from_bytes(GM["sm2_private"]), G)) == GM["sm2_public"]
    assert sm2_seal(GM["sm2_plaintext"], GM["sm2_public"], random) == SM2_VECTOR
    assert sm2_open(SM2_VECTOR, GM["sm2_private"]) == GM["sm2_plaintext"]


def test_the_library_meets_the_published_vectors():
    key = GMT.private_key(GM["sm2_private"] + GM["sm2_public"])
    assert key.open_secret(SM2_VECTOR) == GM["sm2_plaintext"]
    assert sm3(GM["sm3_message"]) == GM["sm3_digest"]
    ciphertext, tag = sm4_gcm_encrypt(GM["sm4_key"], GM["sm4_nonce"], GM["sm4_associated_data"], GM["sm4_plaintext"])
    assert (ciphertext, tag) == (GM["sm4_ciphertext"], GM["sm4_tag"])


def test_gmt_and_its_second_hand_open_each_others_secrets():
    key = EncryptionKey.generate(GMT)
    for number in range(1, 300):
        # Some coordinates begin with a zero byte, which DER leaves out.
        secret = number.to_bytes(32)
        sealed = GMT.seal_secret(secret, key.public_bytes)
        assert key.open_secret(sealed) == secret
        if number < 4 or 0 in (sealed[0], sealed[32]):
            assert sm2_open(sealed, key.secret[:32]) == secret
    for number in (3, 4, 5):
        assert key.open_secret(sm2_seal(SECRET, key.public_bytes, number)) == SECRET


def test_gmt_authenticates_and_encrypts_as_a_second_hand_does():
    assert GMT.mac(SECRET, PAYLOAD) == hmac_sm3(SECRET, PAYLOAD)
    for payload in (b"!", PAYLOAD):
        ciphertext, tag = sm4_gcm_encrypt(SECRET[:16], bytes(12), PLACE, payload)
        assert GMT.encrypt(SECRET, payload, PLACE) == ciphertext + tag
        assert GMT.decrypt(SECRET, ciphertext + tag, PLACE) == payload


def test_the_standards_and_the_documented_layout_are_enough_to_open_an_envelope_of_gmt():
    key = EncryptionKey.generate(GMT)
    data = seal(PAYLOAD, place=PLACE, recipients=[key.public_bytes], suite=GMT)
    secret = sm2_open(data[42:170], key.secret[:32])
    end = 34 + 8 + 128
    payload_key = hmac_sm3(secret, b"gridbourse envelope encryption " + PLACE)[:16]
    ciphertext, tag = sm4_gcm_encrypt(payload_key, bytes(12), data[:end], PAYLOAD)
    assert data[end:] == ciphertext + tag


def test_a_point_off_the_curve_is_refused():
    """Points of other curves would give the private key away piece by piece (Biehl, Meyer, Müller, CRYPTO 2000)."""
    key = EncryptionKey.generate(GMT)
    sealed = GMT.seal_secret(SECRET, key.public_bytes)
    x, y = point_of(sealed[:64])
    for point in [(x, y ^ 1), (x ^ 1, y), (0, 0), (x, P - y), (x, 0)]:
        with pytest.raises(InvalidTag):
            key.open_secret(bytes_of(point) + sealed[64:])
    public_x, public_y = point_of(key.public_bytes)
    for point in [(public_x, public_y ^ 1), (0, 0), (P, 0)]:
        with pytest.raises(InvalidValue, match="recipients"):
            GMT.seal_secret(SECRET, bytes_of(point))


def test_an_sm2_private_key_beside_anothers_public_key_is_refused():
    one, other = GMT.generate(), GMT.generate()
    for secret in (one[:32] + other[32:], one[:32], bytes(32) + one[32:], b"\xff" * 96):
        with pytest.raises(InvalidValue, match="an SM2 private key"):
            EncryptionKey(secret, GMT)


def test_without_its_library_the_chinese_suite_says_what_to_install(monkeypatch):
    data = seal(PAYLOAD, place=PLACE, recipients=[EncryptionKey.generate(GMT).public_bytes], suite=GMT)
    suite._gmt.cache_clear()
    monkeypatch.setitem(sys.modules, "gridbourse.crypto.gmt", None)
    with pytest.raises(InvalidValue, match="pip install gmssl-pyx"):
        suite_named("gmt")
    with pytest.raises(EnvelopeError, match="gmssl-pyx"):
        recipients_of(data)
