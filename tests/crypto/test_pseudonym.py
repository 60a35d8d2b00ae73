"""Pseudonyms: the same name all day, another tomorrow, and known to nobody without the key."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.crypto.pseudonym import DayKey, PseudonymKey
from gridbourse.errors import InvalidValue

SECRETS = st.binary(min_size=32, max_size=32)
DAYS = st.integers(0, 2**32 - 1)
USERS = st.binary(max_size=40)
MASTER = PseudonymKey(bytes(range(32)))


@given(secret=SECRETS, day=DAYS, user=USERS)
def test_a_user_keeps_one_pseudonym_of_32_bytes_all_day(secret, day, user):
    name = PseudonymKey(secret).day_key(day).pseudonym(user)
    assert name == PseudonymKey(secret).day_key(day).pseudonym(user)
    assert len(name) == 32


def test_the_derivation_is_fixed():
    # Pinned: names already on a chain must stay resolvable.
    name = MASTER.day_key(20_000).pseudonym(b"user 1")
    assert name.hex() == "c8e8251bb0035c41eecfbff6a6ce2d3bb2f8f3a655706370c999c20cc679ed66"


@given(
    secrets=st.lists(SECRETS, min_size=2, max_size=3, unique=True),
    days=st.lists(DAYS, min_size=2, max_size=3, unique=True),
    users=st.lists(USERS, min_size=2, max_size=3, unique=True),
)
def test_masters_days_and_users_never_share_a_pseudonym(secrets, days, users):
    names = [PseudonymKey(secret).day_key(day).pseudonym(user) for secret, day, user in product(secrets, days, users)]
    assert len(set(names)) == len(names)


def test_bits_of_pseudonyms_are_balanced_within_and_across_days():
    # A sanity check that nothing of user or day shows through, not a proof: that is HMAC's to give.
    users = [b"user %d" % number for number in range(2_000)]
    today, tomorrow = (MASTER.day_key(day) for day in (20_000, 20_001))
    counts = Counter()
    for user in users:
        name = int.from_bytes(today.pseudonym(user))
        change = name ^ int.from_bytes(tomorrow.pseudonym(user))
        counts.update(("name", bit) for bit in range(256) if name >> bit & 1)
        counts.update(("change", bit) for bit in range(256) if change >> bit & 1)
    # 2,000 coins: mean 1,000, standard deviation 22.4; six of them on either side.
    assert len(counts) == 512
    assert all(866 <= count <= 1_134 for count in counts.values())


@given(users=st.lists(USERS, max_size=20, unique=True), day=DAYS)
def test_the_day_key_resolves_each_of_its_users(users, day):
    key = MASTER.day_key(day)
    found = key.users_by_pseudonym(users)
    assert [found[key.pseudonym(user)] for user in users] == users


@given(
    users=st.lists(USERS, min_size=1, max_size=20, unique=True),
    day=st.integers(0, 10_000),
    later=st.integers(1, 400),
)
def test_a_day_key_resolves_no_other_day(users, day, later):
    found = MASTER.day_key(day).users_by_pseudonym(users)
    other = MASTER.day_key(day + later)
    assert not any(other.pseudonym(user) in found for user in users)


def test_a_day_key_taken_for_a_masters_secret_names_nobody():
    day_key = MASTER.day_key(20_000)
    assert PseudonymKey(day_key.secret).day_key(20_000).pseudonym(b"user 1") != day_key.pseudonym(b"user 1")


@pytest.mark.parametrize("day", [-1, 2**32])
def test_a_day_out_of_range_is_named(day):
    with pytest.raises(InvalidValue, match="day"):
        MASTER.day_key(day)


@pytest.mark.parametrize("kind", [PseudonymKey, DayKey])
def test_a_secret_of_another_length_is_refused_and_not_shown(kind):
    with pytest.raises(InvalidValue, match="31 bytes"):
        kind(b"\xaa" * 31)


@pytest.mark.parametrize("key", [MASTER, MASTER.day_key(1)])
def test_printing_a_key_does_not_show_its_secret(key):
    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)


def test_generated_keys_differ():
    assert PseudonymKey.generate() != PseudonymKey.generate()
