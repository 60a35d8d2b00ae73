"""The name under which a user appears on the main chain: a new one every delivery day.

Two steps of HMAC-SHA-256 (RFC 2104): a master's secret gives one key per delivery day, and the day's key
gives each user's pseudonym. A master can so hand out the key of one day, which resolves that day and no
other; without the key a pseudonym cannot be told from random bytes, nor linked to the user's other ones.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NewType

from gridbourse.errors import InvalidValue

Pseudonym = NewType("Pseudonym", bytes)
"""32 bytes that stand for one user of one master on one delivery day."""

KEY_BYTES = 32
MAX_DAY = 2**32 - 1


@dataclass(frozen=True, slots=True)
class PseudonymKey:
    """A master's secret, from which the pseudonyms of all its users on all days follow.

    Parameters
    ----------
    secret
        32 random bytes.

    Raises
    ------
    InvalidValue
        `secret` is not 32 bytes.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _require_key(self.secret)

    @classmethod
    def generate(cls) -> PseudonymKey:
        """Make a new key from the operating system's randomness."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def day_key(self, day: int) -> DayKey:
        """Key of one delivery day.

        Parameters
        ----------
        day
            Delivery day, by its local date, in days since 1970-01-01 (`gridbourse.delivery`).

        Raises
        ------
        InvalidValue
            `day` is negative or needs more than 32 bits.
        """
        if not 0 <= day <= MAX_DAY:
            raise InvalidValue("day", day, f"days since 1970-01-01, from 0 to {MAX_DAY}")
        return DayKey(_derive(self.secret, b"gridbourse pseudonym day", day.to_bytes(4, "big")))


@dataclass(frozen=True, slots=True)
class DayKey:
    """What names one master's users on one delivery day, and tells who they are.

    Parameters
    ----------
    secret
        32 bytes from `PseudonymKey.day_key`.

    Raises
    ------
    InvalidValue
        `secret` is not 32 bytes.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _require_key(self.secret)

    def pseudonym(self, user_id: bytes) -> Pseudonym:
        """Name of a user on this day."""
        return Pseudonym(_derive(self.secret, b"gridbourse pseudonym user", user_id))

    def users_by_pseudonym(self, user_ids: Iterable[bytes]) -> dict[Pseudonym, bytes]:
        """Table to look pseudonyms of this day up in; a pseudonym not in it belongs to none of the users."""
        return {self.pseudonym(user_id): user_id for user_id in user_ids}


def _derive(key: bytes, label: bytes, value: bytes) -> bytes:
    """HMAC over a label and a value, told apart by the label's length."""
    return hmac.digest(key, bytes([len(label)]) + label + value, "sha256")


def _require_key(secret: bytes) -> None:
    if len(secret) != KEY_BYTES:
        raise InvalidValue("secret", f"{len(secret)} bytes", f"{KEY_BYTES} random bytes")
