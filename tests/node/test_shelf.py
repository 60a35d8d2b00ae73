"""What is put away is what is found again, however little stays in memory."""

import os

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gridbourse.regulator import shelf as shelves
from gridbourse.regulator.shelf import PAGE_BYTES, Finder, Hashes, Names, Rows, Shelf

WIDE = "<Q500s"  # eight rows a page
NUMBERS = st.integers(0, 2**64 - 1)


class RowsAsLists(RuleBasedStateMachine):
    """Two tables on one shelf that keeps two pages, beside two lists."""

    def __init__(self):
        super().__init__()
        shelf = Shelf(kept_pages=2)
        self.tables = [Rows(shelf, WIDE), Rows(shelf, WIDE)]
        self.lists = [[], []]

    @rule(which=st.integers(0, 1), numbers=st.lists(NUMBERS, max_size=20))
    def append(self, which, numbers):
        for number in numbers:
            assert self.tables[which].append(number, bytes(500)) == len(self.lists[which])
            self.lists[which].append(number)

    @rule(which=st.integers(0, 1))
    def extend(self, which):
        assert self.tables[which].extend() == len(self.lists[which])
        self.lists[which].append(0)

    @rule(which=st.integers(0, 1), place=st.floats(0, 1, exclude_max=True), number=NUMBERS)
    def change(self, which, place, number):
        if self.lists[which]:
            turn = int(place * len(self.lists[which]))
            self.tables[which][turn] = number, bytes(500)
            self.lists[which][turn] = number

    @invariant()
    def they_agree(self):
        for table, numbers in zip(self.tables, self.lists, strict=True):
            assert [table[turn][0] for turn in range(len(table))] == numbers


TestRowsAreLists = RowsAsLists.TestCase


def test_no_row_stands_outside_the_table():
    rows = Rows(Shelf(), "<Q")
    rows.append(1)
    for number in (-1, 1):
        with pytest.raises(IndexError, match="there is no row"):
            rows[number]
        with pytest.raises(IndexError, match="there is no row"):
            rows[number] = (1,)


def on_disk(shelf):
    return os.pread(shelf._file.fileno(), 2**20, 0)


def test_nothing_that_is_put_away_can_be_read_on_the_disk(tmp_path):
    shelf = Shelf(tmp_path, kept_pages=1)
    rows = Rows(shelf, "<64s")
    for _ in range(1_000):
        rows.append(b"Anna sells from the roof of Garden Road 7".ljust(64, b"."))
    assert len(on_disk(shelf)) > 10 * PAGE_BYTES
    assert b"Anna" not in on_disk(shelf)
    assert list(tmp_path.iterdir()) == [], "nobody else can open the file"


def test_a_page_that_was_changed_on_the_disk_is_not_believed():
    shelf = Shelf(kept_pages=1)
    rows = Rows(shelf, WIDE)
    for number in range(100):
        rows.append(number, bytes(500))
    os.pwrite(shelf._file.fileno(), b"\x00", 100)
    with pytest.raises(InvalidTag):
        rows[0]


def test_the_same_page_put_away_twice_is_sealed_anew():
    shelf = Shelf(kept_pages=1)
    rows = Rows(shelf, WIDE)
    for _ in range(100):
        rows.append(0, bytes(500))
    before = on_disk(shelf)[:PAGE_BYTES]
    rows[0] = 0, bytes(500)
    rows[50]
    assert on_disk(shelf)[:PAGE_BYTES] != before


def test_what_finds_no_room_on_the_disk_stays_in_memory(monkeypatch, caplog):
    shelf = Shelf(kept_pages=1)
    rows = Rows(shelf, WIDE)

    def no_room(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shelves.os, "pwrite", no_room)
        for number in range(100):
            rows.append(number, bytes(500))
        assert [rows[turn][0] for turn in range(100)] == list(range(100))
    assert "no room on disk" in caplog.text
    for number in range(100, 200):
        rows.append(number, bytes(500))
    assert [rows[turn][0] for turn in range(200)] == list(range(200))
    assert len(shelf._pages) == 1


def test_hashes_are_found_again():
    hashes, expected = Hashes(Shelf(kept_pages=1)), [os.urandom(32) for _ in range(1_000)]
    for value in expected:
        hashes.append(value)
    assert [hashes[turn] for turn in range(len(hashes))] == expected


@given(st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.integers(0, 2**32 - 1))))
def test_a_finder_finds_every_number_of_a_key_rising(entries):
    finder = Finder()
    for key, number in entries:
        finder.add(key, number)
    for key, _ in entries:
        assert finder.find(key) == sorted(number for other, number in entries if other == key)


def test_a_finder_finds_nothing_for_other_keys():
    finder = Finder()
    for number in range(1_000):
        finder.add(number.to_bytes(4, "big"), number)
    assert not any(finder.find(number.to_bytes(4, "big")) for number in range(1_000, 2_000))


def test_names_have_numbers_and_none_has_zero():
    names = Names()
    assert [names.number(text) for text in ("Anna", "Bert", "Anna", None)] == [1, 2, 1, 0]
    assert [names[number] for number in range(3)] == [None, "Anna", "Bert"]
