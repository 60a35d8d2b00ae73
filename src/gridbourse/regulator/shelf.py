"""Long tables of which only the part used last stays in memory.

What the service answers from follows from the chains and grows with them. It is kept in rows of fixed width. Rows lie
in pages; those used last stay in memory, the others in a temporary file that has no name and is gone with the process.
A page is sealed before it is put there, under a key that this process alone has and never writes: what records say is
confidential, and a disk outlives processes.
"""

from __future__ import annotations

import logging
import os
import tempfile
import weakref
from array import array
from bisect import bisect_left, insort
from collections import OrderedDict
from pathlib import Path
from struct import Struct
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gridbourse.crypto.merkle import HASH_BYTES

logger = logging.getLogger(__name__)

PAGE_BYTES = 4_096
KEPT_PAGES = 512
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SEALED_BYTES = _NONCE_BYTES + PAGE_BYTES + _TAG_BYTES
_BUCKET_BITS = 10
_BUCKETS = 1 << _BUCKET_BITS
_LARGEST = 2**32 - 1


class Shelf:
    """Pages, the most recently used of them in memory. Belongs to one thread.

    Parameters
    ----------
    folder
        Where the temporary file lies; None for the system's place, which on some machines is memory.
    kept_pages
        How many pages of `PAGE_BYTES` stay in memory.
    """

    def __init__(self, folder: Path | None = None, kept_pages: int = KEPT_PAGES) -> None:
        self._file = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115 - goes with the shelf
        weakref.finalize(self, self._file.close)
        self._cipher = AESGCM(AESGCM.generate_key(128))
        self._seals = 0
        self._kept_pages = kept_pages
        self._pages: OrderedDict[int, bytearray] = OrderedDict()
        self._changed: set[int] = set()
        self._count = 0

    def put(self, page: bytearray) -> int:
        """Take a page of `PAGE_BYTES`; returns its number."""
        number, self._count = self._count, self._count + 1
        self._changed.add(number)
        self._keep(number, page)
        return number

    def page(self, number: int) -> bytearray:
        """A page to read; it may be put away as soon as another one is asked for."""
        page = self._pages.get(number)
        if page is None:
            page = self._fetch(number)
            self._keep(number, page)
        else:
            self._pages.move_to_end(number)
        return page

    def page_to_change(self, number: int) -> bytearray:
        """A page to write to; it may be put away as soon as another one is asked for."""
        page = self.page(number)
        self._changed.add(number)
        return page

    def _keep(self, number: int, page: bytearray) -> None:
        self._pages[number] = page
        while len(self._pages) > self._kept_pages:
            oldest = next(iter(self._pages))
            if oldest in self._changed:
                try:
                    self._put_away(oldest)
                except OSError:
                    logger.exception("no room on disk for what the service knows; it stays in memory")
                    return
            del self._pages[oldest]

    def _put_away(self, number: int) -> None:
        nonce = self._seals.to_bytes(_NONCE_BYTES, "big")
        self._seals += 1
        sealed = nonce + self._cipher.encrypt(nonce, self._pages[number], number.to_bytes(8, "big"))
        if os.pwrite(self._file.fileno(), sealed, number * _SEALED_BYTES) < _SEALED_BYTES:
            raise OSError("the page was cut short")
        self._changed.discard(number)

    def _fetch(self, number: int) -> bytearray:
        sealed = os.pread(self._file.fileno(), _SEALED_BYTES, number * _SEALED_BYTES)
        nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return bytearray(self._cipher.decrypt(nonce, content, number.to_bytes(8, "big")))


class Rows:
    """A growing table of rows of one layout.

    Parameters
    ----------
    shelf
        Where its pages lie.
    layout
        Fields of a row, as `struct` writes them.
    """

    def __init__(self, shelf: Shelf, layout: str) -> None:
        self._shelf = shelf
        self._row = Struct(layout)
        self._width = self._row.size
        self._rows_per_page = PAGE_BYTES // self._width
        self._pages = array("I")
        self._newest = bytearray(PAGE_BYTES)
        """The page that is not full yet; it is not on the shelf."""
        self._newest_start = self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, *fields: Any) -> int:
        """Add a row; returns its number, counted from 0."""
        number = self.extend()
        self._row.pack_into(self._newest, (number - self._newest_start) * self._width, *fields)
        return number

    def extend(self) -> int:
        """Add a row of zeros; returns its number."""
        number = self._count
        if number - self._newest_start == self._rows_per_page:
            self._pages.append(self._shelf.put(self._newest))
            self._newest, self._newest_start = bytearray(PAGE_BYTES), number
        self._count += 1
        return number

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        if self._newest_start <= number < self._count:
            return self._row.unpack_from(self._newest, (number - self._newest_start) * self._width)
        place, turn = self._place(number)
        return self._row.unpack_from(self._shelf.page(place), turn * self._width)

    def __setitem__(self, number: int, fields: tuple[Any, ...]) -> None:
        if self._newest_start <= number < self._count:
            self._row.pack_into(self._newest, (number - self._newest_start) * self._width, *fields)
        else:
            place, turn = self._place(number)
            self._row.pack_into(self._shelf.page_to_change(place), turn * self._width, *fields)

    def _place(self, number: int) -> tuple[int, int]:
        if not 0 <= number < self._count:
            raise IndexError(f"there is no row {number} of {self._count}")
        turn, row = divmod(number, self._rows_per_page)
        return self._pages[turn], row


class Hashes:
    """A growing list of hashes of 32 bytes."""

    def __init__(self, shelf: Shelf) -> None:
        self._rows = Rows(shelf, f"{HASH_BYTES}s")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> bytes:
        found: bytes = self._rows[number][0]
        return found

    def append(self, value: bytes) -> None:
        """Add a hash."""
        self._rows.append(value)


class Names:
    """Numbers, from 1 on, for the few texts that stand in many rows; 0 is no text."""

    def __init__(self) -> None:
        self._texts: list[str | None] = [None]
        self._numbers: dict[str | None, int] = {None: 0}

    def __getitem__(self, number: int) -> str | None:
        return self._texts[number]

    def number(self, text: str | None) -> int:
        """The number of a text."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self._texts)
            self._texts.append(text)
        return number


class Finder:
    """Finds numbers, below 2^32, by keys; stays in memory, at about ten bytes an entry.

    It keeps no keys but 42 bits of their hashes. So it may find more than was asked for: whoever asks compares with
    what lies under the number. Keys are bytes, whose hashes nobody outside this process can foresee.
    """

    def __init__(self) -> None:
        # Sorted, so that an entry costs its eight bytes and little more; many, so that an insertion moves few.
        self._buckets = [array("Q") for _ in range(_BUCKETS)]

    def add(self, key: bytes, number: int) -> None:
        """Let a number be found by a key, beside those that are already."""
        bucket, mark = self._place(key)
        insort(bucket, mark | number)

    def find(self, key: bytes) -> list[int]:
        """Numbers that a key may stand for, rising."""
        bucket, mark = self._place(key)
        turn, found = bisect_left(bucket, mark), []
        while turn < len(bucket) and bucket[turn] ^ mark <= _LARGEST:
            found.append(bucket[turn] & _LARGEST)
            turn += 1
        return found

    def _place(self, key: bytes) -> tuple[array[int], int]:
        digest = hash(key)
        return self._buckets[digest & _BUCKETS - 1], (digest >> _BUCKET_BITS & _LARGEST) << 32
