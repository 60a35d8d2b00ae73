"""Envelopes: open for every recipient in their place, for nobody else, nowhere else, and not once changed."""

from itertools import combinations
from random import Random

import pytest
from cryptography.exceptions import InvalidTag
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
from gridbourse.crypto.suite import SUITE_NAMES, suite_named
from gridbourse.errors import EnvelopeError, InvalidValue

PLACE = b"chain 1001, offer 7 of user 3"
PAYLOAD = b"300 kWh of wind at 0.36 yuan/kWh, feeder 12"
COMMITMENT, SLOTS = slice(2, 34), 34


def public(keys):
    return [key.public_bytes for key in keys]


class Scene:
    """Five keys of one suite, and an envelope that the first four of them open."""

    def __init__(self, suite):
        self.suite = suite
        self.slot_bytes = 8 + suite.sealed_bytes
        self.keys = [EncryptionKey.generate(suite) for _ in range(5)]
        self.owner, self.encryption_node, self.counterparty, self.regulator, self.stranger = self.keys
        self.readers = self.keys[:4]
        self.more_keys = [EncryptionKey.generate(suite) for _ in range(MAX_RECIPIENTS)]
        self.data = self.sealed()
        self.donors = [
            self.sealed(),
            self.sealed(b"?" * len(PAYLOAD)),
            self.sealed(readers=self.readers[:2]),
            self.sealed(readers=self.keys),
        ]

    def sealed(self, payload=PAYLOAD, readers=None, place=PLACE):
        return seal(payload, place=place, recipients=public(readers or self.readers), suite=self.suite)

    def refused(self, data, *, place=PLACE, key=None):
        with pytest.raises(EnvelopeError):
            open_envelope(data, place=place, key=key or self.regulator)

    def slots_of(self, data):
        end = SLOTS + data[1] * self.slot_bytes
        return [data[start : start + self.slot_bytes] for start in range(SLOTS, end, self.slot_bytes)]

    def with_slots(self, data, slots):
        end = SLOTS + data[1] * self.slot_bytes
        return bytes([data[0], len(slots)]) + data[COMMITMENT] + b"".join(slots) + data[end:]

    def seal_by_hand(self, payload, secrets_by_reader, commitment_secret):
        """An envelope from its documented layout; unlike `seal`, it can give each reader another secret."""
        suite = self.suite
        slots = sorted(key.key_id + suite.seal_secret(secret, key.public_bytes) for key, secret in secrets_by_reader)
        commitment = suite.mac(commitment_secret, b"gridbourse envelope commitment " + PLACE)
        header = bytes([suite.number, len(slots)]) + commitment + b"".join(slots)
        key = suite.mac(commitment_secret, b"gridbourse envelope encryption " + PLACE)
        return header + suite.encrypt(key, payload, header)


@pytest.fixture(scope="module", params=SUITE_NAMES)
def scene(request):
    try:
        return Scene(suite_named(request.param))
    except InvalidValue as absent:
        pytest.skip(str(absent))


def test_an_envelope_sealed_by_the_documented_layout_opens(scene):
    data = scene.seal_by_hand(PAYLOAD, [(scene.owner, b"s" * 32), (scene.regulator, b"s" * 32)], b"s" * 32)
    assert open_envelope(data, place=PLACE, key=scene.owner) == PAYLOAD
    assert open_envelope(data, place=PLACE, key=scene.regulator) == PAYLOAD


def test_a_reader_sealed_another_secret_than_the_committed_one_is_not_deceived(scene):
    data = scene.seal_by_hand(PAYLOAD, [(scene.counterparty, b"a" * 32), (scene.regulator, b"b" * 32)], b"a" * 32)
    assert open_envelope(data, place=PLACE, key=scene.counterparty) == PAYLOAD
    with pytest.raises(EnvelopeError, match="commits to another secret"):
        open_envelope(data, place=PLACE, key=scene.regulator)


def test_a_ciphertext_of_a_suite_with_another_key_text_or_data_is_refused(scene):
    key = bytes(range(32))
    ciphertext = scene.suite.encrypt(key, PAYLOAD, PLACE)
    assert scene.suite.decrypt(key, ciphertext, PLACE) == PAYLOAD
    for changed in (
        (key[::-1], ciphertext, PLACE),
        (key, ciphertext[:-1], PLACE),
        (key, ciphertext, PLACE + b"!"),
        (key, bytes(16), PLACE),
    ):
        with pytest.raises(InvalidTag):
            scene.suite.decrypt(*changed)


def test_a_suite_that_is_none_is_named():
    with pytest.raises(InvalidValue, match="one of hpke, gmt"):
        suite_named("aes")


# --- who can open ---


@given(payload=st.binary(max_size=500), count=st.integers(1, MAX_RECIPIENTS), place=st.binary(max_size=80))
def test_every_recipient_opens_what_was_sealed_and_nobody_else_does(scene, payload, count, place):
    readers = [scene.owner, *scene.more_keys][:count]
    data = scene.sealed(payload, readers, place)
    assert all(open_envelope(data, place=place, key=reader) == payload for reader in readers)
    scene.refused(data, place=place, key=scene.stranger)


@pytest.mark.parametrize("size", [0, MAX_PAYLOAD_BYTES])
def test_the_smallest_and_the_largest_payload_go_through(scene, size):
    data = scene.sealed(b"x" * size)
    assert open_envelope(data, place=PLACE, key=scene.owner) == b"x" * size


def test_two_seals_of_one_payload_share_nothing_but_their_recipients(scene):
    first, second = scene.sealed(), scene.sealed()
    assert recipients_of(first) == recipients_of(second)
    assert first[COMMITMENT] != second[COMMITMENT]
    for one, other in zip(scene.slots_of(first), scene.slots_of(second), strict=True):
        assert one[:8] == other[:8]
        assert one[8:] != other[8:]
    assert first[-len(PAYLOAD) - 16 :] != second[-len(PAYLOAD) - 16 :]


def test_the_recipients_are_named_in_ascending_order_whatever_order_they_came_in(scene):
    expected = tuple(sorted(key.key_id for key in scene.readers))
    assert recipients_of(scene.sealed(readers=scene.readers)) == expected
    assert recipients_of(scene.sealed(readers=scene.readers[::-1])) == expected


def test_the_payload_does_not_show(scene):
    assert PAYLOAD[:12] not in scene.sealed()


# --- what does not open ---


@given(place=st.binary(max_size=80).filter(lambda place: place != PLACE))
def test_an_envelope_moved_to_another_place_does_not_open(scene, place):
    scene.refused(scene.data, place=place)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_envelope_stripped_of_recipients_does_not_open_for_those_left(scene, count):
    for kept in combinations(scene.slots_of(scene.data), count):
        for reader in scene.readers:
            scene.refused(scene.with_slots(scene.data, list(kept)), key=reader)


def test_an_envelope_with_a_recipient_added_does_not_open(scene):
    stranger_slot = scene.slots_of(scene.sealed(readers=[scene.stranger]))
    data = scene.with_slots(scene.data, sorted(scene.slots_of(scene.data) + stranger_slot))
    assert scene.stranger.key_id in recipients_of(data)
    for reader in scene.keys:
        scene.refused(data, key=reader)


def test_an_envelope_with_recipients_reordered_or_repeated_is_none(scene):
    slots = scene.slots_of(scene.data)
    for changed in (slots[::-1], [slots[0], *slots], [slots[1], slots[0], *slots[2:]]):
        with pytest.raises(EnvelopeError, match="ascending"):
            recipients_of(scene.with_slots(scene.data, changed))


def test_a_recipients_slot_from_another_envelope_in_the_same_place_does_not_fit(scene):
    own, foreign = scene.slots_of(scene.data), scene.slots_of(scene.sealed(b"another payload"))
    for position in range(4):
        data = scene.with_slots(scene.data, [*own[:position], foreign[position], *own[position + 1 :]])
        for reader in scene.readers:
            scene.refused(data, key=reader)


def test_no_single_flipped_bit_goes_unnoticed(scene):
    for bit in range(len(scene.data) * 8):
        changed = bytearray(scene.data)
        changed[bit // 8] ^= 1 << bit % 8
        scene.refused(bytes(changed))


def test_no_truncated_envelope_opens(scene):
    for length in range(len(scene.data)):
        scene.refused(scene.data[:length])


def mutated(scene, random):
    """The sealed envelope, changed somewhere in one of many ways."""
    start, end = sorted(random.choices(range(len(scene.data) + 1), k=2))
    donor = random.choice(scene.donors)
    piece = random.choice(
        [
            b"",
            random.randbytes(random.randint(1, 100)),
            random.randbytes(end - start),
            donor[start:end],
            scene.data[start:end] * 2,
            scene.data[start:end][::-1],
        ]
    )
    return scene.data[:start] + piece + scene.data[end:]


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_no_mutated_envelope_is_accepted(scene, count):
    random = Random(count)
    tried = 0
    while tried < count:
        data = mutated(scene, random)
        if data != scene.data and data not in scene.donors:
            scene.refused(data, key=random.choice(scene.keys))
            tried += 1


@given(tail=st.binary(max_size=1_000), start=st.sampled_from([b"", b"\x01\x02", b"\x02\x02"]))
def test_arbitrary_bytes_are_refused(scene, tail, start):
    scene.refused(start + tail)


@pytest.mark.parametrize("suite", [0, 3, 255])
def test_an_unknown_suite_is_named(scene, suite):
    with pytest.raises(EnvelopeError, match=f"suite: {suite} "):
        recipients_of(bytes([suite]) + scene.data[1:])


def test_an_envelope_that_claims_another_suite_does_not_open(scene):
    for number in {1, 2} - {scene.suite.number}:
        scene.refused(bytes([number]) + scene.data[1:])


@pytest.mark.parametrize("count", [0, MAX_RECIPIENTS + 1])
def test_a_recipient_count_out_of_range_is_named(scene, count):
    with pytest.raises(EnvelopeError, match=f"not {count}"):
        recipients_of(bytes([scene.suite.number, count]) + scene.data[2:])


def test_more_than_the_largest_payload_is_no_envelope(scene):
    largest = scene.sealed(bytes(MAX_PAYLOAD_BYTES))
    recipients_of(largest)
    with pytest.raises(EnvelopeError, match="no envelope"):
        recipients_of(largest + b"\x00")


# --- what cannot be sealed, and keys ---


def test_a_payload_too_long_is_refused(scene):
    with pytest.raises(InvalidValue, match="payload"):
        scene.sealed(bytes(MAX_PAYLOAD_BYTES + 1))


@pytest.mark.parametrize(
    "recipients",
    [
        lambda scene: [],
        lambda scene: public([scene.owner, scene.owner]),
        lambda scene: public([scene.owner, *scene.more_keys]),
        lambda scene: [scene.owner.public_bytes[:-1]],
        # Of X25519 a point of low order, with which every shared key is zero; of SM2 no point at all.
        lambda scene: [bytes(len(scene.owner.public_bytes))],
        lambda scene: [b"\xff" * 48],
    ],
    ids=["none", "repeated", "too many", "too short", "no point", "of no suite"],
)
def test_recipients_that_cannot_be_sealed_to_are_refused(scene, recipients):
    with pytest.raises(InvalidValue, match="recipients"):
        seal(PAYLOAD, place=PLACE, recipients=recipients(scene), suite=scene.suite)


def test_keys_of_another_suite_neither_seal_nor_open(scene):
    (name,) = {*SUITE_NAMES} - {scene.suite.name}
    try:
        other = EncryptionKey.generate(suite_named(name))
    except InvalidValue as absent:
        pytest.skip(str(absent))
    with pytest.raises(InvalidValue, match="recipients"):
        scene.sealed(readers=[other])
    scene.refused(scene.data, key=other)


def test_a_key_comes_back_from_its_secret(scene):
    again = EncryptionKey(scene.owner.secret, scene.suite)
    assert (again.public_bytes, again.key_id) == (scene.owner.public_bytes, key_id(scene.owner.public_bytes))
    assert open_envelope(scene.data, place=PLACE, key=again) == PAYLOAD
    assert EncryptionKey.generate(scene.suite).secret != scene.owner.secret


def test_a_secret_of_another_length_is_refused_and_not_shown(scene):
    with pytest.raises(InvalidValue, match="31 bytes") as refused:
        EncryptionKey(b"\xaa" * 31, scene.suite)
    assert "aaaa" not in str(refused.value)


def test_printing_a_key_shows_its_id_and_not_its_secret(scene):
    assert repr(scene.owner) == f"EncryptionKey({scene.owner.key_id.hex()})"
