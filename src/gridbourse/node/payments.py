"""What passes between a region's masters and the bank, as CSV files.

A customer who wants to buy pays in, and the payment names the number under which its master knows it on the market that
day. So the settlement agent, who receives all payments, learns a number and not a customer.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.node.node import Region
from gridbourse.region.private_files import write_private_csv
from gridbourse.units import money_units

PAYMENT_FIELDS = ["reference", "trader", "yuan"]
CUSTOMER_FIELDS = ["day", "node", "trader"]


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that the settlement agent received.

    Parameters
    ----------
    reference
        The bank's own reference of it, different from every other.
    trader
        The number that it names.
    money
        In 1e-7 yuan.
    """

    reference: str
    trader: int
    money: int


class PaymentFile:
    """The payments that came in: a CSV file with the columns `PAYMENT_FIELDS`, to which the bank appends.

    Parameters
    ----------
    path
        The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._credited = 0

    def credit(self, region: Region) -> None:
        """As settlement agent: credit the payments that are new, each once whatever is interrupted.

        Raises
        ------
        InvalidValue
            A line is no payment, or the region's folder is not the settlement agent's.
        """
        for payment in list(self._payments())[self._credited :]:
            region.credit({payment.trader: payment.money}, sha256(payment.reference.encode()).digest())
            self._credited += 1

    def _payments(self) -> Iterator[Payment]:
        text = self._path.read_text("utf-8") if self._path.exists() else ""
        # A last line without its end is still being written.
        for row in csv.DictReader(text[: text.rfind("\n") + 1].splitlines()):
            try:
                yield Payment(row["reference"], int(row["trader"]), money_units(row["yuan"]))
            except (KeyError, TypeError, ValueError) as error:
                raise InvalidValue("payment", row, f"the columns {', '.join(PAYMENT_FIELDS)} ({error})") from error


class CustomerFile:
    """The numbers that a master's own customers have on the market: a CSV file with the columns `CUSTOMER_FIELDS`.

    Parameters
    ----------
    path
        The file, which only its owner may read: it tells who is who.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: list[tuple[int, str, int]] = []

    def write(self, region: Region) -> None:
        """Write the numbers of all days that are open; the file is never half of it."""
        rows = sorted(
            (day, node_id, trader)
            for master in region.masters.values()
            for (node_id, day), trader in master.traders.items()
        )
        if rows == self._written:
            return
        write_private_csv(self._path, CUSTOMER_FIELDS, rows)
        self._written = rows
