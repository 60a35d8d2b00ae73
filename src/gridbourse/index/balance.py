"""The balance: what masters submit sealed to each other on the main chain, and imbalance prices."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, insert, select

from gridbourse.contracts.balancing import ImbalancePrice, Publication, Submission
from gridbourse.contracts.slave_ledger import LedgerRecord
from gridbourse.crypto.keys import Address
from gridbourse.index.blocks import Block, MainBlock
from gridbourse.index.database import Database
from gridbourse.index.schema import imbalance_prices, submissions


def apply(connection: Connection, blocks: Sequence[Block]) -> None:
    """Write submissions, sealed as they are, and prices.

    Parameters
    ----------
    connection
        In a transaction.
    blocks
        New blocks.
    """
    entries = [entry for block in blocks if isinstance(block, MainBlock) for entry in block.balance]
    if not entries:
        return
    submitted = [_submission_row(entry) for entry in entries if isinstance(entry, Submission)]
    if submitted:
        connection.execute(insert(submissions), submitted)
    number = connection.scalar(select(func.max(imbalance_prices.c.number))) or 0
    published = [entry for entry in entries if isinstance(entry, Publication)]
    if published:
        rows = [_price_row(number + turn, entry) for turn, entry in enumerate(published, start=1)]
        connection.execute(insert(imbalance_prices), rows)


def _submission_row(entry: Submission) -> dict[str, object]:
    record = entry.record
    return {
        "number": record.index,
        "master_id": entry.master_id,
        "kind": record.kind,
        "author": record.author,
        "leaf": record.leaf,
        "height": record.height,
        "transaction_hash": record.transaction_hash,
        "content": record.content,
    }


def _price_row(number: int, entry: Publication) -> dict[str, object]:
    price = entry.price
    return {
        "number": number,
        "period": price.period,
        "price_ticks": price.price_ticks,
        "region_wh": price.region_wh,
        "reference_wh": price.reference_wh,
        "as_of_block": entry.as_of_block,
        "height": entry.height,
    }


# Queries

_SUBMISSIONS = select(submissions).where(submissions.c.number >= bindparam("first")).order_by(submissions.c.number)
_PRICES = (
    select(
        imbalance_prices.c.period,
        imbalance_prices.c.price_ticks,
        imbalance_prices.c.region_wh,
        imbalance_prices.c.reference_wh,
        imbalance_prices.c.as_of_block,
        imbalance_prices.c.height,
    )
    .where(imbalance_prices.c.period >= bindparam("first"), imbalance_prices.c.period < bindparam("stop"))
    .order_by(imbalance_prices.c.number)
)


class Balance:
    """Reads submissions and prices.

    Parameters
    ----------
    database
        The index.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._submissions: list[Submission] = []

    @property
    def submissions(self) -> list[Submission]:
        """All submissions in their order; what was read is kept."""
        self._submissions += [
            Submission(
                row.master_id,
                LedgerRecord(
                    row.number,
                    Address(row.author),
                    row.kind,
                    row.leaf,
                    row.height,
                    row.transaction_hash,
                    row.content,
                ),
            )
            for row in self._database.rows(_SUBMISSIONS, first=len(self._submissions))
        ]
        return self._submissions

    def published(self, periods: range) -> dict[int, list[Publication]]:
        """Imbalance prices of delivery periods as they were published, the newest of each period last."""
        found: dict[int, list[Publication]] = {}
        for period, price_ticks, region_wh, reference_wh, as_of_block, height in self._database.rows(
            _PRICES, first=periods.start, stop=periods.stop
        ):
            price = ImbalancePrice(period, price_ticks, region_wh, reference_wh)
            found.setdefault(period, []).append(Publication(price, as_of_block, height))
        return found

    def price(self, period: int) -> ImbalancePrice | None:
        """The imbalance price of a period that counts."""
        published = self.published(range(period, period + 1)).get(period)
        return published[-1].price if published else None
