"""A master's purse: an account of its own on the market, through which its users' money goes from day to day.

A user has another account every delivery day, and nobody else is to learn which of them are the same user's. Money that
went from one to the next would tell. So it goes through the purse, together with everybody else's, and comes out of it
in amounts of one digit (`leading_digit`), which many have in common; what is over waits in the purse, its user's own.
"""

from __future__ import annotations

from hashlib import sha256

from gridbourse.units import MONEY_UNITS_PER_YUAN

PURSE_ZONE = 0


def purse_pseudonym(master_id: int) -> bytes:
    """Under which name a master's purse is registered; everybody may know whose it is."""
    return sha256(b"gridbourse purse of master %d" % master_id).digest()


def leading_digit(money: int) -> int:
    """Round an amount, in 1e-7 yuan, down to whole yuan of which but the first digit is nought."""
    yuan = str(money // MONEY_UNITS_PER_YUAN)
    return int(yuan[0] + "0" * (len(yuan) - 1)) * MONEY_UNITS_PER_YUAN


def returned_reference(reference: bytes) -> bytes:
    """Under which reference money comes back that the bank could not pay out under `reference`."""
    return sha256(b"returned" + reference).digest()
