"""Envelopes: open for every recipient in their place, for nobody else, nowhere else, and not once changed."""

import hmac
import json
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.crypto.envelope import (
    MAX_PAYLOAD_BYTES,
    MAX_RECIPIENTS,
    EncryptionKey,
    key_id,
    open_envelope,
    recipients_of,
    seal,
)
from gridbourse.errors import EnvelopeError, InvalidValue

VECTOR = {
    name: value if name == "source" else bytes.fromhex(value)
    for name, value in json.loads(
        (Path(__file__).parents[1] / "vectors" / "hpke_x25519_sha256_aes256gcm.json").read_text()
    ).items()
}
OWNER, ENCRYPTION_NODE, COUNTERPARTY, REGULATOR, STRANGER = KEYS = [
    EncryptionKey(bytes([number]) * 32) for number in range(1, 6)
]
READERS = [OWNER, ENCRYPTION_NODE, COUNTERPARTY, REGULATOR]
PLACE = b"chain 1001, offer 7 of user 3"
PAYLOAD = b"300 kWh of wind at 0.36 yuan/kWh, feeder 12"
COMMITMENT, SLOTS, SLOT_BYTES = slice(2, 34), 34, 88


def public(keys):
    return [key.public_bytes for key in keys]


def sealed(payload=PAYLOAD, readers=READERS):
    return seal(payload, place=PLACE, recipients=public(readers))


SEALED = sealed()
DONORS = [sealed(), sealed(b"?" * len(PAYLOAD)), sealed(readers=READERS[:2]), sealed(readers=KEYS)]


def refused(data, *, place=PLACE, key=REGULATOR):
    with pytest.raises(EnvelopeError):
        open_envelope(data, place=place, key=key)


def slots_of(data):
    end = SLOTS + data[1] * SLOT_BYTES
    return [data[start : start + SLOT_BYTES] for start in range(SLOTS, end, SLOT_BYTES)]


def with_slots(data, slots):
    return bytes([data[0], len(slots)]) + data[COMMITMENT] + b"".join(slots) + data[SLOTS + data[1] * SLOT_BYTES :]


# --- HPKE base mode written from RFC 9180 (sections 4 and 5), to check the envelope's parts from outside ---

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


def hpke_seal(plaintext, recipient, info, aad=b"", ephemeral_secret=bytes(range(32))):
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


def seal_by_hand(payload, secrets_by_reader, commitment_secret):
    """An envelope from its documented layout; unlike `seal`, it can give each reader another secret."""
    slots = sorted(
        key.key_id + hpke_seal(secret, key.public_bytes, b"gridbourse envelope " + PLACE)
        for key, secret in secrets_by_reader
    )
    commitment = hmac.digest(commitment_secret, b"gridbourse envelope commitment", "sha256")
    header = bytes([1, len(slots)]) + commitment + b"".join(slots)
    key = hmac.digest(commitment_secret, b"gridbourse envelope encryption", "sha256")
    return header + AESGCM(key).encrypt(bytes(12), payload, header)


def test_the_reference_hpke_meets_the_published_vector():
    data = VECTOR["enc"] + VECTOR["ct"]
    assert hpke_open(data, VECTOR["skRm"], VECTOR["info"], VECTOR["aad"]) == VECTOR["pt"]
    recipient = EncryptionKey(VECTOR["skRm"]).public_bytes
    assert hpke_seal(VECTOR["pt"], recipient, VECTOR["info"], VECTOR["aad"], VECTOR["skEm"]) == data


def test_the_standards_and_the_documented_layout_are_enough_to_open_an_envelope():
    data = sealed()
    slot = next(slot for slot in slots_of(data) if slot[:8] == REGULATOR.key_id)
    secret = hpke_open(slot[8:], REGULATOR.secret, b"gridbourse envelope " + PLACE)
    header_end = SLOTS + 4 * SLOT_BYTES
    key = hmac.digest(secret, b"gridbourse envelope encryption", "sha256")
    assert AESGCM(key).decrypt(bytes(12), data[header_end:], data[:header_end]) == PAYLOAD


def test_an_envelope_sealed_by_the_standards_and_the_documented_layout_opens():
    data = seal_by_hand(PAYLOAD, [(OWNER, b"s" * 32), (REGULATOR, b"s" * 32)], b"s" * 32)
    assert open_envelope(data, place=PLACE, key=OWNER) == PAYLOAD
    assert open_envelope(data, place=PLACE, key=REGULATOR) == PAYLOAD


def test_a_reader_sealed_another_secret_than_the_committed_one_is_not_deceived():
    data = seal_by_hand(PAYLOAD, [(COUNTERPARTY, b"a" * 32), (REGULATOR, b"b" * 32)], b"a" * 32)
    assert open_envelope(data, place=PLACE, key=COUNTERPARTY) == PAYLOAD
    with pytest.raises(EnvelopeError, match="commits to another secret"):
        open_envelope(data, place=PLACE, key=REGULATOR)


# --- who can open ---


@given(payload=st.binary(max_size=500), count=st.integers(1, MAX_RECIPIENTS), place=st.binary(max_size=80))
def test_every_recipient_opens_what_was_sealed_and_nobody_else_does(payload, count, place):
    readers = [EncryptionKey(bytes([100 + number]) * 32) for number in range(count)]
    data = seal(payload, place=place, recipients=public(readers))
    assert all(open_envelope(data, place=place, key=reader) == payload for reader in readers)
    refused(data, place=place, key=STRANGER)


@pytest.mark.parametrize("size", [0, MAX_PAYLOAD_BYTES])
def test_the_smallest_and_the_largest_payload_go_through(size):
    data = sealed(b"x" * size)
    assert open_envelope(data, place=PLACE, key=OWNER) == b"x" * size


def test_two_seals_of_one_payload_share_nothing_but_their_recipients():
    first, second = sealed(), sealed()
    assert recipients_of(first) == recipients_of(second)
    assert first[COMMITMENT] != second[COMMITMENT]
    for one, other in zip(slots_of(first), slots_of(second), strict=True):
        assert one[:8] == other[:8]
        assert one[8:] != other[8:]
    assert first[-len(PAYLOAD) - 16 :] != second[-len(PAYLOAD) - 16 :]


def test_the_recipients_are_named_in_ascending_order_whatever_order_they_came_in():
    expected = tuple(sorted(key.key_id for key in READERS))
    assert recipients_of(sealed(readers=READERS)) == expected
    assert recipients_of(sealed(readers=READERS[::-1])) == expected


def test_the_payload_does_not_show():
    assert PAYLOAD[:12] not in sealed()


# --- what does not open ---


@given(place=st.binary(max_size=80).filter(lambda place: place != PLACE))
def test_an_envelope_moved_to_another_place_does_not_open(place):
    refused(SEALED, place=place)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_envelope_stripped_of_recipients_does_not_open_for_those_left(count):
    for kept in combinations(slots_of(SEALED), count):
        for reader in READERS:
            refused(with_slots(SEALED, list(kept)), key=reader)


def test_an_envelope_with_a_recipient_added_does_not_open():
    stranger_slot = slots_of(sealed(readers=[STRANGER]))
    data = with_slots(SEALED, sorted(slots_of(SEALED) + stranger_slot))
    assert STRANGER.key_id in recipients_of(data)
    for reader in KEYS:
        refused(data, key=reader)


def test_an_envelope_with_recipients_reordered_or_repeated_is_none():
    slots = slots_of(SEALED)
    for changed in (slots[::-1], [slots[0], *slots], [slots[1], slots[0], *slots[2:]]):
        with pytest.raises(EnvelopeError, match="ascending"):
            recipients_of(with_slots(SEALED, changed))


def test_a_recipients_slot_from_another_envelope_in_the_same_place_does_not_fit():
    own, foreign = slots_of(SEALED), slots_of(sealed(b"another payload"))
    for position in range(4):
        data = with_slots(SEALED, [*own[:position], foreign[position], *own[position + 1 :]])
        for reader in READERS:
            refused(data, key=reader)


def test_no_single_flipped_bit_goes_unnoticed():
    for bit in range(len(SEALED) * 8):
        changed = bytearray(SEALED)
        changed[bit // 8] ^= 1 << bit % 8
        refused(bytes(changed))


def test_no_truncated_envelope_opens():
    for length in range(len(SEALED)):
        refused(SEALED[:length])


def mutated(random):
    """The sealed envelope, changed somewhere in one of many ways."""
    start, end = sorted(random.choices(range(len(SEALED) + 1), k=2))
    donor = random.choice(DONORS)
    piece = random.choice(
        [
            b"",
            random.randbytes(random.randint(1, 100)),
            random.randbytes(end - start),
            donor[start:end],
            SEALED[start:end] * 2,
            SEALED[start:end][::-1],
        ]
    )
    return SEALED[:start] + piece + SEALED[end:]


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_no_mutated_envelope_is_accepted(count):
    random = Random(count)
    tried = 0
    while tried < count:
        data = mutated(random)
        if data != SEALED and data not in DONORS:
            refused(data, key=random.choice(KEYS))
            tried += 1


@given(data=st.binary(max_size=1_000) | st.binary(max_size=1_000).map(lambda tail: b"\x01\x02" + tail))
def test_arbitrary_bytes_are_refused(data):
    refused(data)


@pytest.mark.parametrize("suite", [0, 2, 255])
def test_an_unknown_suite_is_named(suite):
    with pytest.raises(EnvelopeError, match=f"suite {suite} "):
        recipients_of(bytes([suite]) + SEALED[1:])


@pytest.mark.parametrize("count", [0, MAX_RECIPIENTS + 1])
def test_a_recipient_count_out_of_range_is_named(count):
    with pytest.raises(EnvelopeError, match=f"not {count}"):
        recipients_of(bytes([1, count]) + SEALED[2:])


def test_more_than_the_largest_payload_is_no_envelope():
    largest = sealed(bytes(MAX_PAYLOAD_BYTES))
    recipients_of(largest)
    with pytest.raises(EnvelopeError, match="no envelope"):
        recipients_of(largest + b"\x00")


# --- what cannot be sealed, and keys ---


def test_a_payload_too_long_is_refused():
    with pytest.raises(InvalidValue, match="payload"):
        sealed(bytes(MAX_PAYLOAD_BYTES + 1))


@pytest.mark.parametrize(
    "recipients",
    [
        [],
        public([OWNER, OWNER]),
        [EncryptionKey(bytes([number]) * 32).public_bytes for number in range(MAX_RECIPIENTS + 1)],
        [bytes(31)],
        [bytes(32)],  # a point of low order: every shared key with it is zero
    ],
    ids=["none", "repeated", "too many", "too short", "low order"],
)
def test_recipients_that_cannot_be_sealed_to_are_refused(recipients):
    with pytest.raises(InvalidValue, match="recipients"):
        seal(PAYLOAD, place=PLACE, recipients=recipients)


def test_a_key_comes_back_from_its_secret():
    key = EncryptionKey.generate()
    again = EncryptionKey(key.secret)
    assert (again.public_bytes, again.key_id) == (key.public_bytes, key_id(key.public_bytes))
    assert EncryptionKey.generate().secret != key.secret


def test_a_secret_of_another_length_is_refused():
    with pytest.raises(InvalidValue, match="31 bytes"):
        EncryptionKey(bytes(31))


def test_printing_a_key_shows_its_id_and_not_its_secret():
    assert repr(OWNER) == f"EncryptionKey({OWNER.key_id.hex()})"
