"""What every settled day comes to for each own customer, for a master's billing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from gridbourse.delivery import date_text
from gridbourse.files.writing import write_private_csv
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region
from gridbourse.node.settling.settle_day import statement_of
from gridbourse.units import format_yuan

STATEMENT_FIELDS = ("day", "node", "sold_wh", "bought_wh", "long_wh", "short_wh", "open_periods", "yuan")


class StatementFile:
    """Keeps a CSV file with the columns `STATEMENT_FIELDS`.

    ``yuan`` is what the customer gets on balance, for deals and imbalances; negative for what it pays.

    Parameters
    ----------
    path
        The file, which only its owner may read.
    """

    name = "statement file"
    every_seconds = 0.0

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: int | None = None

    def tasks(self, region: Region) -> Iterator[Task]:
        """One, if the slave chains hold new records."""
        records = sum(relay.record_count for relay in region.relays.values())
        if records != self._records:
            yield Task(str(self._path), partial(self._write, region, records))

    def _write(self, region: Region, records: int) -> None:
        settled = sorted((day, node) for relay in region.relays.values() for node, day in relay.statements)
        write_private_csv(self._path, STATEMENT_FIELDS, [_settled(region, *key) for key in settled])
        self._records = records


def _settled(region: Region, day: int, node_id: str) -> tuple[object, ...]:
    totals = statement_of(region, node_id, day).totals
    energies = totals.sold_wh, totals.bought_wh, totals.long_wh, totals.short_wh
    return date_text(day), node_id, *energies, totals.open_periods, format_yuan(totals.money)
