"""Long lists, page by page: a cursor names the last entry that was read, so that new ones in front shift nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import dropwhile, islice
from typing import Any, TypeVar

from gridbourse.api.schema import Page
from gridbourse.errors import InvalidValue

_Entry = TypeVar("_Entry")
_View = TypeVar("_View")


def cut(
    entries: Iterable[_Entry],
    cursor: str | None,
    limit: int,
    *,
    key: Callable[[_Entry], int],
    view: Callable[[_Entry], _View],
) -> Page[_View]:
    """Take the page after a cursor.

    Parameters
    ----------
    entries
        All entries, by rising `key`.
    cursor
        Where the page before ended; None for the first.
    limit
        Entries of a page.
    key
        An entry's place; no two share one.
    view
        What is shown of an entry.

    Raises
    ------
    InvalidValue
        The cursor is none of ours.
    """
    last = read_cursor(cursor)
    rest = entries if last is None else dropwhile(lambda entry: key(entry) <= last, entries)
    found = list(islice(rest, limit + 1))
    next_cursor = write_cursor(key(found[limit - 1])) if len(found) > limit else None
    return Page([view(entry) for entry in found[:limit]], next_cursor)


def newest_first(entries: Sequence[_Entry], cursor: str | None, place: Callable[[Any], int] = int) -> Iterator[_Entry]:
    """Entries from the newest down, past those of the pages before, which are not looked at.

    Parameters
    ----------
    entries
        All entries, by rising place.
    cursor
        As for `cut`, whose keys are the negated places.
    place
        Where an entry stands; by default the entry itself is a number.

    Raises
    ------
    InvalidValue
        The cursor is none of ours.
    """
    last = read_cursor(cursor)
    end = len(entries) if last is None else bisect_left(entries, -last, key=place)
    return (entries[turn] for turn in range(end - 1, -1, -1))


def read_cursor(cursor: str | None) -> int | None:
    """The place that a cursor names. Raises `InvalidValue` if it names none."""
    if cursor is None:
        return None
    try:
        return int(cursor, 36)
    except ValueError as error:
        raise InvalidValue("cursor", cursor, "the `next_cursor` of the page before, unchanged") from error


def write_cursor(place: int) -> str:
    """Write a place as a cursor."""
    digits, rest = "", abs(place)
    while rest:
        rest, digit = divmod(rest, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return ("-" if place < 0 else "") + (digits or "0")
