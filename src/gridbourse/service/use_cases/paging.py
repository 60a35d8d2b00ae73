"""Long lists, page by page: a cursor names the last entry that was read, so that new ones in front shift nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from gridbourse.api.schema import Page
from gridbourse.errors import InvalidValue
from gridbourse.index.database import is_integer

_Entry = TypeVar("_Entry")
_View = TypeVar("_View")


def page_of(
    found: Sequence[_Entry], limit: int, *, place: Callable[[_Entry], int], view: Callable[[_Entry], _View]
) -> Page[_View]:
    """Make a page.

    Parameters
    ----------
    found
        Its entries, and one more if there are any.
    limit
        Entries of a page.
    place
        Where an entry stands; no two share one.
    view
        What is shown of an entry.
    """
    next_cursor = write_cursor(place(found[limit - 1])) if len(found) > limit else None
    return Page([view(entry) for entry in found[:limit]], next_cursor)


def read_cursor(cursor: str | None) -> int | None:
    """The place that a cursor names. Raises `InvalidValue` if it names none."""
    if cursor is None:
        return None
    remedy = "the `next_cursor` of the page before, unchanged"
    try:
        place = int(cursor, 36)
    except ValueError as error:
        raise InvalidValue("cursor", cursor, remedy) from error
    if not is_integer(2 * place):
        raise InvalidValue("cursor", cursor, remedy)
    return place


def write_cursor(place: int) -> str:
    """Write a place as a cursor."""
    digits, rest = "", place
    while rest:
        rest, digit = divmod(rest, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"
