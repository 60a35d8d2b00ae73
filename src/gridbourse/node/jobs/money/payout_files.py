"""What passes between the settlement agent and the bank when money goes out, as CSV files."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.files.reading import Line, RefusedLine, judge, read_lines, write_refused
from gridbourse.files.writing import write_private_csv
from gridbourse.node.jobs.job import Task
from gridbourse.node.jobs.money.pay_out import confirm_payout, open_payouts
from gridbourse.node.region import Region
from gridbourse.units import format_yuan

PAYOUT_FIELDS = ("reference", "payee", "yuan")
CONFIRMATION_FIELDS = ("reference", "state")
STATES = {"paid": True, "returned": False}

logger = logging.getLogger(__name__)

_REFERENCE = re.compile("[0-9a-f]{64}")


class PayoutFile:
    """Keeps a CSV file with the columns `PAYOUT_FIELDS`: all that the bank is to pay and has not confirmed.

    It may be handed in as often as one likes: a bank pays each reference once.

    Parameters
    ----------
    path
        The file, which only its owner may read.
    """

    name = "payout file"
    every_seconds = 0.0

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: list[tuple[str, str, str]] | None = None

    def tasks(self, region: Region) -> Iterator[Task]:
        """One, if there is anything new."""
        rows = [
            (payout.reference.hex(), payout.order.payee, format_yuan(payout.order.money))
            for payout in open_payouts(region)
        ]
        if rows != self._written:
            yield Task(str(self._path), partial(self._write, rows))

    def _write(self, rows: list[tuple[str, str, str]]) -> None:
        write_private_csv(self._path, PAYOUT_FIELDS, rows)
        self._written = rows


class ConfirmationFile:
    """Takes what the bank did from a CSV file with the columns `CONFIRMATION_FIELDS`, to which it appends.

    ``state`` is ``paid`` or ``returned``. A line that cannot be taken is told beside the file.

    Parameters
    ----------
    path
        The file; it need not be there yet.
    """

    name = "payout confirmations"
    every_seconds = 0.0

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0

    def tasks(self, region: Region) -> Iterator[Task]:
        """One, if the file has grown."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if size != self._size:
            yield Task(str(self._path), partial(self._take, region, size))

    def _take(self, region: Region, size: int) -> None:
        lines, refused = read_lines(self._path, CONFIRMATION_FIELDS, is_growing=True)
        confirmations, wrong = judge(lines, read_confirmation)
        refused += wrong
        for line, (reference, paid) in confirmations:
            try:
                confirm_payout(region, reference, paid=paid)
            except InvalidValue as error:
                refused.append(RefusedLine(line, str(error)))
        for own in refused:
            logger.warning("%s: line %d is refused: %s", self._path, own.line.number, own.reason)
        write_refused(self._path, refused)
        self._size = size


def read_confirmation(line: Line) -> tuple[bytes, bool]:
    """Read a line of a confirmation file: the reference, and whether the bank paid. Raises `InvalidValue`."""
    reference, state = line.text("reference"), line.text("state")
    if not _REFERENCE.fullmatch(reference):
        raise line.wrong("reference", "64 hexadecimal digits, as the payout file has them")
    if state not in STATES:
        raise line.wrong("state", " or ".join(STATES))
    return bytes.fromhex(reference), STATES[state]
