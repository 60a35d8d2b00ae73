"""Guessing at passwords: how often an account may be tried, whoever tries and from wherever.

An address from which the holder signed in before has tries of its own, so that strangers who guess cannot keep the
holder out. Tries are kept in the service's file: a restart forgets none, and several web servers count together.
"""

from __future__ import annotations

from collections.abc import Callable

from gridbourse.errors import TooManyAttempts
from gridbourse.service.accounts import ServiceStore
from gridbourse.text import Message

WINDOW_SECONDS = 900
FAILURES = 10
"""Wrong passwords within the window, for one account from all addresses that it does not know."""
KNOWN_SECONDS = 90 * 86_400
"""How long an account knows an address."""


class Attempts:
    """Counts the attempts to sign in to accounts.

    Parameters
    ----------
    store
        Where they are counted.
    clock
        Seconds since the epoch.
    """

    def __init__(self, store: ServiceStore, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    def begin(self, account: str, address: str) -> int:
        """Count an attempt, as a failed one until `succeed` says otherwise: so those that run at once count, too.

        Returns
        -------
        int
            Its number.

        Raises
        ------
        TooManyAttempts
            There were too many.
        """
        now = self._clock()
        with self._store.transaction() as db:
            db.execute("DELETE FROM failed_sign_ins WHERE at <= ?", (now - WINDOW_SECONDS,))
            db.execute("DELETE FROM known_addresses WHERE at <= ?", (now - KNOWN_SECONDS,))
            known = "SELECT 1 FROM known_addresses WHERE account = ? AND address = ?"
            is_known = db.execute(known, (account, address)).fetchone() is not None
            failures = [at for (at,) in db.execute(_OF_ADDRESS if is_known else _OF_STRANGERS, (account, address))]
            if len(failures) >= FAILURES:
                seconds = failures[-FAILURES] + WINDOW_SECONDS - now
                text = "this account was tried too often; wait {seconds} s, or come from where you signed in before"
                raise TooManyAttempts(Message(text, seconds=seconds), seconds)
            made = db.execute("INSERT INTO failed_sign_ins VALUES (?, ?, ?)", (account, address, now))
            assert made.lastrowid is not None, "a row was inserted"
            return made.lastrowid

    def succeed(self, attempt: int, account: str, address: str) -> None:
        """Take an attempt off the count, and remember from where the holder signs in."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM failed_sign_ins WHERE rowid = ?", (attempt,))
            db.execute("INSERT OR REPLACE INTO known_addresses VALUES (?, ?, ?)", (account, address, self._clock()))


_OF_ADDRESS = "SELECT at FROM failed_sign_ins WHERE account = ? AND address = ? ORDER BY at"
_OF_STRANGERS = """
    SELECT at FROM failed_sign_ins AS failed WHERE account = ?1 AND ?2 IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM known_addresses AS known WHERE known.account = ?1 AND known.address = failed.address
    ) ORDER BY at"""
