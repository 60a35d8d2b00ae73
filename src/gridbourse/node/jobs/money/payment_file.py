"""Payments that came in, as the bank writes them to a CSV file.

A customer who wants to buy pays in, and the payment names the number under which its master knows it on the market that
day. So the settlement agent, who receives all payments, learns a number and not a customer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from gridbourse.errors import ContractReverted, InvalidValue
from gridbourse.files.reading import Line, RefusedLine, judge, read_lines, refused_file, write_refused
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region

PAYMENT_FIELDS = ("reference", "trader", "yuan")
MAX_TRADER = 2**32 - 1

logger = logging.getLogger(__name__)


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

    @property
    def digest(self) -> bytes:
        """The reference as the main chain keeps it."""
        return sha256(self.reference.encode()).digest()


class PaymentFile:
    """Credits what a CSV file with the columns `PAYMENT_FIELDS` says, to which the bank appends.

    Each line is credited once, whatever is interrupted. A line that cannot be credited is told beside the file with the
    reason, and not tried again as long as it stands there.

    Parameters
    ----------
    path
        The file; it need not be there yet.
    """

    name = "payments"
    every_seconds = 0.0

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._credited: dict[str, Line] = {}
        self._refused: dict[int, RefusedLine] = {}
        self._is_new = True

    def tasks(self, region: Region) -> Iterator[Task]:
        """One, if the file has grown."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if size != self._size:
            yield Task(str(self._path), partial(self._credit, region, size))

    def _credit(self, region: Region, size: int) -> None:
        if not region.settles:
            raise InvalidValue("--payments", str(self._path), "this file to the settlement agent only")
        if self._is_new:
            self._recall()
        lines, refused = read_lines(self._path, PAYMENT_FIELDS, is_growing=True)
        done = {line.number for line in self._credited.values()} | self._refused.keys()
        for own in refused:
            self._refuse(own)
        new = [line for line in lines if line.number not in done]
        payments, refused = judge(new, _payment)
        for own in refused:
            self._refuse(own)
        for line, payment in payments:
            self._take(region, line, payment)
        write_refused(self._path, self._refused.values())
        self._size = size

    def _take(self, region: Region, line: Line, payment: Payment) -> None:
        first = self._credited.get(payment.reference)
        if first is not None:
            reason = f"its reference is that of line {first.number}: the bank gives every payment another one"
            self._refuse(RefusedLine(line, reason))
            return
        try:
            region.credit({payment.trader: payment.money}, payment.digest)
        except (InvalidValue, ContractReverted) as error:
            self._refuse(RefusedLine(line, str(error)))
        else:
            self._credited[payment.reference] = line

    def _refuse(self, refused: RefusedLine) -> None:
        if refused.line.number not in self._refused:
            logger.warning("%s: line %d is refused: %s", self._path, refused.line.number, refused.reason)
            self._refused[refused.line.number] = refused

    def _recall(self) -> None:
        """What was refused by an earlier run, as it stands beside the file."""
        told = refused_file(self._path)
        if told.exists():
            lines, _ = read_lines(told, ("line", "reason", "content"))
            for line in lines:
                number = line.integer("line", 1, 2**63)
                self._refused[number] = RefusedLine(Line(number, {}, line.values["content"]), line.values["reason"])
        self._is_new = False


def _payment(line: Line) -> Payment:
    return Payment(line.text("reference"), line.integer("trader", 1, MAX_TRADER), line.money("yuan"))
