"""A signed reading says one thing in one way, and only its meter can say it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.crypto.keys import SigningKey, keccak256
from gridbourse.errors import InvalidValue
from gridbourse.metering.reading import MAX_REGISTER_WH, MAX_SEQUENCE, READING_BYTES, Reading, SignedReading
from gridbourse.units import MAX_PERIOD

CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
KEY = SigningKey(bytes(31) + b"\x01")
OTHER_KEY = SigningKey(bytes(31) + b"\x02")
PERIOD = 1_946_400
READING = Reading(KEY.address, 7, PERIOD, 1_234, 567, (PERIOD + 1) * 900)


@st.composite
def readings(draw):
    period = draw(st.integers(0, MAX_PERIOD))
    registers = st.integers(0, MAX_REGISTER_WH)
    taken_at = (period + 1) * 900 + draw(st.integers(0, 899))
    sequence = draw(st.integers(0, MAX_SEQUENCE))
    return Reading(KEY.address, sequence, period, draw(registers), draw(registers), taken_at)


@given(reading=readings())
def test_a_signed_reading_comes_back_from_its_bytes_and_is_genuine(reading):
    signed = reading.sign(KEY)
    assert SignedReading.from_bytes(signed.to_bytes()) == signed
    assert signed.is_genuine()


def test_the_encoding_is_the_documented_one():
    expected = (
        "7e5f4552091a69125d5dfcb7b8c2659029395bdf"  # meter: the address of the secret 1
        "00000007"  # sequence
        "001db320"  # period
        "00000000000004d2"  # imported
        "0000000000000237"  # exported
        "000000006869c004"  # taken at
    )
    assert READING.to_bytes().hex() == expected
    assert READING.digest() == keccak256(b"gridbourse meter reading" + READING.to_bytes())


@given(reading=readings(), place=st.integers(0, READING_BYTES * 8 - 1))
def test_with_any_bit_changed_a_reading_is_not_genuine(reading, place):
    data = bytearray(reading.sign(KEY).to_bytes())
    data[place // 8] ^= 1 << place % 8
    try:
        changed = SignedReading.from_bytes(bytes(data))
    except InvalidValue:
        return
    assert not changed.is_genuine()


def test_another_key_cannot_sign_for_a_meter():
    assert not READING.sign(OTHER_KEY).is_genuine()


def test_the_other_form_of_a_signature_is_still_the_meters():
    # Whoever carries a reading can turn s into -s. It says the same, so it must not count as a second reading.
    signature = READING.sign(KEY).signature
    other_s = CURVE_ORDER - int.from_bytes(signature[32:64])
    twin = SignedReading(READING, signature[:32] + other_s.to_bytes(32) + bytes([signature[64] ^ 1]))
    assert twin.is_genuine()


@pytest.mark.parametrize("data", [b"", bytes(READING_BYTES - 1), bytes(READING_BYTES + 1)])
def test_bytes_of_another_length_are_no_reading(data):
    with pytest.raises(InvalidValue, match="reading"):
        SignedReading.from_bytes(data)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("meter", b"short"),
        ("sequence", -1),
        ("sequence", MAX_SEQUENCE + 1),
        ("imported_wh", -1),
        ("imported_wh", MAX_REGISTER_WH + 1),
        ("exported_wh", -1),
        ("exported_wh", MAX_REGISTER_WH + 1),
        ("taken_at", (PERIOD + 1) * 900 - 1),
        ("taken_at", (PERIOD + 2) * 900),
    ],
)
def test_a_field_outside_its_range_is_refused_by_name(field, value):
    with pytest.raises(InvalidValue, match=field):
        replace(READING, **{field: value})


@pytest.mark.parametrize("period", [-1, MAX_PERIOD + 1])
def test_a_period_outside_its_range_is_refused_by_name(period):
    with pytest.raises(InvalidValue, match="period"):
        replace(READING, period=period, taken_at=(period + 1) * 900)
