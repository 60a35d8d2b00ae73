"""Names that people read and tell apart: no letter in them is invisible, and no two only look different to machines."""

from __future__ import annotations

import unicodedata

from gridbourse.errors import InvalidValue
from gridbourse.text import Message

# Unicode's general categories (UAX #44): control, format (invisible and bidirectional), surrogates, private use,
# unassigned, line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters that show nothing though they are letters: Hangul fillers, the Mongolian vowel separator's kin, Braille blank.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")


def require_name(field: str, name: str) -> None:
    """Refuse a name that a reader would not see as it is.

    Raises
    ------
    InvalidValue
        It is empty, begins or ends with a blank or with a mark that belongs to a letter before it, or holds a control,
        bidirectional, invisible or unassigned character.
    """
    for character in name:
        if unicodedata.category(character) in _HIDDEN or character in _BLANK:
            remedy = Message("a name without the character U+{code}, which nobody sees", code=f"{ord(character):04X}")
            raise InvalidValue(field, name, remedy)
    if not name or name != name.strip() or unicodedata.combining(name[0]):
        raise InvalidValue(field, name, Message("a name that begins and ends with something to read"))


def comparable(name: str) -> str:
    """The form in which names are compared: compatible characters are one (NFKC), and case tells nothing apart."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
