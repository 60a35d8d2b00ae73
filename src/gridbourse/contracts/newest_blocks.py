"""What the newest blocks of a chain hold for a contract, read once for all in a process who follow it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

REMEMBERED_BLOCKS = 64

_Entry = TypeVar("_Entry")


class NewestBlocks(Generic[_Entry]):
    """Remembers what blocks hold.

    Parameters
    ----------
    read
        Reads what a range of blocks holds, from its first to its last.
    """

    def __init__(self, read: Callable[[int, int], Iterable[_Entry]]) -> None:
        self._read = read
        self._entries_of_block: OrderedDict[int, list[_Entry]] = OrderedDict()

    def between(self, first_block: int, last_block: int) -> Iterator[_Entry]:
        """What a range of blocks holds; a long one is read anew, and not remembered."""
        if last_block - first_block < REMEMBERED_BLOCKS:
            for height in range(first_block, last_block + 1):
                yield from self._at(height)
        else:
            yield from self._read(first_block, last_block)

    def _at(self, height: int) -> list[_Entry]:
        entries = self._entries_of_block.get(height)
        if entries is None:
            entries = list(self._read(height, height))
            if not entries:
                return entries  # there may be no such block yet
            self._entries_of_block[height] = entries
            if len(self._entries_of_block) > REMEMBERED_BLOCKS:
                self._entries_of_block.popitem(last=False)
        return entries
