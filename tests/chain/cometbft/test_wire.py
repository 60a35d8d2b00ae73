"""The bytes of the socket protocol, against examples of the Protocol Buffers documentation and against themselves."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.chain.cometbft.wire import Message, encode, read_varint, repeated, varint
from gridbourse.errors import InvalidValue


@pytest.mark.parametrize(
    ("fields", "encoded"),
    [
        ([(1, 150)], "089601"),
        ([(2, "testing")], "120774657374696e67"),
        ([(3, encode((1, 150)))], "1a03089601"),
        ([(1, -2)], "08feffffffffffffffff01"),
        ([(1, 0), (2, None)], ""),
        ([(20, b"")], "a20100"),
    ],
)
def test_fields_have_the_bytes_of_protocol_buffers(fields, encoded):
    assert encode(*fields).hex() == encoded


@given(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=300), st.lists(st.binary(max_size=5)))
def test_what_is_written_is_read(number, content, values):
    message = Message(encode((1, number), (2, content), *repeated(3, values)))
    assert (message.number(1), message.content(2), message.contents(3)) == (number, content, values)


@given(st.integers(0, 2**64 - 1), st.binary(max_size=4))
def test_a_number_ends_where_it_ends(number, rest):
    encoded = varint(number)
    assert read_varint(b"xx" + encoded + rest, 2) == (number, 2 + len(encoded))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(data):
    with suppress(InvalidValue):
        Message(data)


def test_unknown_fields_are_passed_over_and_the_last_value_of_a_field_counts():
    fixed = bytes([7 << 3 | 1]) + bytes(8) + bytes([8 << 3 | 5]) + bytes(4)
    assert Message(fixed + encode((1, 5)) + encode((1, 6))).number(1) == 6


@pytest.mark.parametrize("data", ["08", "ffffffffffffffffffffff", "1205ab", "0b", "12"])
def test_a_message_that_is_cut_or_of_another_kind_is_refused(data):
    with pytest.raises(InvalidValue):
        Message(bytes.fromhex(data))


def test_a_field_of_another_kind_is_refused():
    message = Message(encode((1, 5), (2, b"x")))
    for read in (lambda: message.content(1), lambda: message.number(2), lambda: message.contents(1)):
        with pytest.raises(InvalidValue):
            read()
