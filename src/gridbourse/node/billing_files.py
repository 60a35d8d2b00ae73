"""What passes between a master and its head-end and billing: metered energies in, settled days out, as CSV files."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.node.balancing import record_metered
from gridbourse.node.node import Region
from gridbourse.node.settle_day import statement_of
from gridbourse.region.private_files import write_private_csv
from gridbourse.units import format_yuan

METERED_FIELDS = ["node", "period", "metered_wh"]
STATEMENT_FIELDS = ["day", "node", "sold_wh", "bought_wh", "long_wh", "short_wh", "open_periods", "yuan"]

logger = logging.getLogger(__name__)


class MeteredFolder:
    """A folder of CSV files with the columns `METERED_FIELDS`, each with all energies of a day, or of a part of one.

    ``metered_wh`` is fed in less drawn, whole Wh, and empty where a reading is missing or in doubt. A file is moved
    into the folder when it is complete; a corrected one takes its place.

    Parameters
    ----------
    folder
        The folder; it need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handed_in: dict[Path, tuple[int, int]] = {}

    def hand_in(self, region: Region) -> None:
        """Let the masters record what is new. A file that cannot be taken is logged, and taken when it is corrected."""
        for path in sorted(self._folder.glob("*.csv")):
            status = path.stat()
            stamp = status.st_mtime_ns, status.st_size
            if self._handed_in.get(path) == stamp:
                continue
            try:
                record_metered(region, *read_metered(path))
            except InvalidValue as error:
                logger.warning("%s is not taken: %s", path, error)
            self._handed_in[path] = stamp


def read_metered(path: Path) -> tuple[range, dict[str, list[int | None]]]:
    """Read one file: its periods, and by node its energies, None where the file says none.

    Raises
    ------
    InvalidValue
        It has other columns, no line, or a number that is none.
    """
    energies: dict[str, dict[int, int | None]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                text = row["metered_wh"].strip()
                energies.setdefault(row["node"], {})[int(row["period"])] = int(text) if text else None
            except (KeyError, AttributeError, TypeError, ValueError) as error:
                raise InvalidValue("metered", row, f"the columns {', '.join(METERED_FIELDS)} ({error})") from error
    numbers = [period for own in energies.values() for period in own]
    if not numbers:
        raise InvalidValue("metered", str(path), f"at least one line below {', '.join(METERED_FIELDS)}")
    periods = range(min(numbers), max(numbers) + 1)
    return periods, {node_id: [own.get(period) for period in periods] for node_id, own in energies.items()}


class StatementFile:
    """What every settled day comes to for each own customer: a CSV file with the columns `STATEMENT_FIELDS`.

    ``yuan`` is what the customer gets on balance, for deals and imbalances; negative for what it pays.

    Parameters
    ----------
    path
        The file, which only its owner may read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: int | None = None

    def write(self, region: Region) -> None:
        """Write all settled days, if there is anything new; the file is never half of it."""
        records = sum(relay.record_count for relay in region.relays.values())
        if records != self._records:
            settled = sorted((day, node) for relay in region.relays.values() for node, day in relay.statements)
            write_private_csv(self._path, STATEMENT_FIELDS, [_settled(region, *key) for key in settled])
            self._records = records


def _settled(region: Region, day: int, node_id: str) -> tuple[object, ...]:
    totals = statement_of(region, node_id, day).totals
    energies = totals.sold_wh, totals.bought_wh, totals.long_wh, totals.short_wh
    return day, node_id, *energies, totals.open_periods, format_yuan(totals.money)
