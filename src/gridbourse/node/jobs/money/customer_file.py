"""The numbers that a master's own customers have on the market, for them to name in payments."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from gridbourse.delivery import date_text
from gridbourse.files.writing import write_private_csv
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region

CUSTOMER_FIELDS = ("day", "node", "trader")


class CustomerFile:
    """Keeps a CSV file with the columns `CUSTOMER_FIELDS` for all days that are or were open.

    Parameters
    ----------
    path
        The file, which only its owner may read: it tells who is who.
    """

    name = "customer file"
    every_seconds = 0.0

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: list[tuple[str, str, int]] = []

    def tasks(self, region: Region) -> Iterator[Task]:
        """One, if there are new numbers."""
        rows = sorted(
            (date_text(day), node_id, trader)
            for master in region.masters.values()
            for (node_id, day), trader in master.traders.items()
        )
        if rows != self._written:
            yield Task(str(self._path), partial(self._write, rows))

    def _write(self, rows: list[tuple[str, str, int]]) -> None:
        write_private_csv(self._path, CUSTOMER_FIELDS, rows)
        self._written = rows
