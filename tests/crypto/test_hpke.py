"""The suite of RFC 9180: a second hand, written here from that RFC, meets its vectors and opens what it sealed."""

import hmac
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gridbourse.crypto.envelope import EncryptionKey, seal
from gridbourse.crypto.suite import HPKE

PLACE = b"chain 1001, offer 7 of user 3"
PAYLOAD = b"300 kWh of wind at 0.36 yuan/kWh, feeder 12"
INFO = b"gridbourse envelope"
SECRET = bytes(range(32))
VECTOR = {
    name: value if name == "source" else bytes.fromhex(value)
    for name, value in json.loads(
        (Path(__file__).parents[1] / "vectors" / "hpke_x25519_sha256_aes256gcm.json").read_text()
    ).items()
}
KEM_ID = b"KEM\x00\x20"
SUITE_ID = b"HPKE\x00\x20\x00\x01\x00\x02"


def extract(suite_id, salt, label, secret):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite_id + label + secret, "sha256")


def expand(suite_id, secret, label, info, length):
    labelled = length.to_bytes(2) + b"HPKE-v1" + suite_id + label + info
    return hmac.digest(secret, labelled + b"\x01", "sha256")[:length]


def hpke_cipher(shared, encapsulated, recipient, info):
    prk = extract(KEM_ID, b"", b"eae_prk", shared)
    shared_secret = expand(KEM_ID, prk, b"shared_secret", encapsulated + recipient, 32)
    context = b"\x00" + extract(SUITE_ID, b"", b"psk_id_hash", b"") + extract(SUITE_ID, b"", b"info_hash", info)
    secret = extract(SUITE_ID, shared_secret, b"secret", b"")
    return AESGCM(expand(SUITE_ID, secret, b"key", context, 32)), expand(SUITE_ID, secret, b"base_nonce", context, 12)


def hpke_seal(plaintext, recipient, info, aad=b"", ephemeral_secret=SECRET):
    ephemeral = X25519PrivateKey.from_private_bytes(ephemeral_secret)
    encapsulated = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    cipher, nonce = hpke_cipher(shared, encapsulated, recipient, info)
    return encapsulated + cipher.encrypt(nonce, plaintext, aad)


def hpke_open(data, secret_key, info, aad=b""):
    private_key = X25519PrivateKey.from_private_bytes(secret_key)
    shared = private_key.exchange(X25519PublicKey.from_public_bytes(data[:32]))
    cipher, nonce = hpke_cipher(shared, data[:32], private_key.public_key().public_bytes_raw(), info)
    return cipher.decrypt(nonce, data[32:], aad)


def test_the_second_hand_of_hpke_meets_the_published_vector():
    data = VECTOR["enc"] + VECTOR["ct"]
    assert hpke_open(data, VECTOR["skRm"], VECTOR["info"], VECTOR["aad"]) == VECTOR["pt"]
    recipient = EncryptionKey(VECTOR["skRm"]).public_bytes
    assert hpke_seal(VECTOR["pt"], recipient, VECTOR["info"], VECTOR["aad"], VECTOR["skEm"]) == data


def test_hpke_and_its_second_hand_open_each_others_secrets():
    key = EncryptionKey.generate()
    assert hpke_open(HPKE.seal_secret(SECRET, key.public_bytes), key.secret, INFO) == SECRET
    assert key.open_secret(hpke_seal(SECRET, key.public_bytes, INFO)) == SECRET


def test_the_standards_and_the_documented_layout_are_enough_to_open_an_envelope_of_hpke():
    key = EncryptionKey.generate()
    data = seal(PAYLOAD, place=PLACE, recipients=[key.public_bytes])
    secret = hpke_open(data[42:122], key.secret, INFO)
    payload_key = hmac.digest(secret, b"gridbourse envelope encryption " + PLACE, "sha256")
    end = 34 + 8 + 80
    assert AESGCM(payload_key).decrypt(bytes(12), data[end:], data[:end]) == PAYLOAD
