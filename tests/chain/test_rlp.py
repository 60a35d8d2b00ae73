from __future__ import annotations

import pytest
import rlp as oracle
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.chain import rlp
from gridbourse.errors import InvalidValue

ITEMS = st.recursive(
    st.binary(max_size=300) | st.integers(min_value=0, max_value=2**256 - 1),
    lambda members: st.lists(members, max_size=6),
    max_leaves=20,
)


def as_decoded(item):
    if isinstance(item, int):
        return item.to_bytes((item.bit_length() + 7) // 8, "big")
    return [as_decoded(member) for member in item] if isinstance(item, list) else item


def depth(item) -> int:
    return 1 + max(map(depth, item), default=0) if isinstance(item, list) else 0


@given(ITEMS)
def test_encoding_agrees_with_the_reference_library(item):
    assert rlp.encode(item) == oracle.encode(item)


@given(ITEMS.filter(lambda item: depth(item) <= rlp.MAX_DEPTH))
def test_decoding_undoes_encoding(item):
    assert rlp.decode(rlp.encode(item)) == as_decoded(item)


@given(st.binary(max_size=80))
def test_whatever_decodes_has_that_one_encoding(data):
    try:
        item = rlp.decode(data)
    except InvalidValue:
        return
    assert rlp.encode(item) == data


@given(st.binary(max_size=80))
def test_only_what_the_reference_library_accepts_decodes(data):
    try:
        expected = oracle.decode(data, strict=True)
    except oracle.exceptions.DecodingError:
        with pytest.raises(InvalidValue):
            rlp.decode(data)
    else:
        assert depth(expected) > rlp.MAX_DEPTH or rlp.decode(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="nothing"),
        pytest.param("8101", id="a small byte with a prefix"),
        pytest.param("b801ff", id="a long form for a short string"),
        pytest.param("b90038" + "61" * 56, id="a length with a leading zero"),
        pytest.param("b8", id="a missing length"),
        pytest.param("8261", id="a missing byte"),
        pytest.param("c261", id="a list cut short"),
        pytest.param("c18261", id="an item that leaves its list"),
        pytest.param("6161", id="two items"),
        pytest.param("bf" + "ff" * 8, id="a length beyond memory"),
        pytest.param("c9c8c7c6c5c4c3c2c1c0", id="lists too deep"),
    ],
)
def test_anything_but_the_canonical_encoding_is_refused(data):
    with pytest.raises(InvalidValue, match="rlp"):
        rlp.decode(bytes.fromhex(data))


@pytest.mark.parametrize("item", [b"\x00", b"\x00\x01", b"\x01" * 9, []])
def test_an_integer_has_no_leading_zero_and_fits(item):
    with pytest.raises(InvalidValue):
        rlp.to_int(item)


def test_zero_is_the_empty_string():
    assert rlp.encode(0) == b"\x80"
    assert rlp.to_int(b"") == 0
