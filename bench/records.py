"""What privacy costs a record: sealing it to three readers, opening it, and its share for commitments to fields.

Then what it costs to show one field of a record and to check it. All is done on one core, in memory; the record is an
order.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from bench.report import Report, Row, Spread, output_folder
from gridbourse.chain.interface import Chain
from gridbourse.contracts.slave_ledger import LedgerRecord, SlaveLedger
from gridbourse.crypto.commitment import commit, prove_field, verify_field
from gridbourse.crypto.envelope import EncryptionKey
from gridbourse.crypto.keys import Address
from gridbourse.crypto.suite import SUITE_NAMES, suite_named
from gridbourse.errors import InvalidValue
from gridbourse.ledger.records import OrderDetails
from gridbourse.ledger.sealing import open_record, seal_record
from gridbourse.market.types import EnergyType, Side

ROUNDS = 15
CALLS_PER_ROUND = 200
READERS = 3

ORDER = OrderDetails("Anna", "Roof 1", 1_000, Side.ASK, EnergyType.PV, 1_888_992, 1_000, 3_600)
AUTHOR = Address(bytes(range(20)))
LEDGER = SlaveLedger(cast("Chain", SimpleNamespace(chain_id=7_101)), Address(bytes(20)))


def micros(call: Callable[[], Any]) -> Spread:
    """Time a call, in microseconds."""
    call()
    rounds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(CALLS_PER_ROUND):
            call()
        rounds.append((time.perf_counter() - begin) / CALLS_PER_ROUND * 1e6)
    return Spread.of(rounds)


def records_of(suite_name: str) -> Row:
    """Cost of an order's record in one suite."""
    suite = suite_named(suite_name)
    keys = [EncryptionKey.generate(suite) for _ in range(READERS)]
    readers = [key.public_bytes for key in keys]
    content = seal_record(LEDGER, AUTHOR, ORDER, readers, suite)
    record = LedgerRecord(0, AUTHOR, ORDER.KIND, bytes(32), 1, bytes(32), content)
    return {
        "suite": suite.title,
        "bytes": len(content),
        "seal, µs": micros(lambda: seal_record(LEDGER, AUTHOR, ORDER, readers, suite)),
        "open, µs": micros(lambda: open_record(LEDGER, record, keys[0])),
    }


def installed() -> Iterator[Row]:
    """Rows of all suites whose libraries are there."""
    for name in SUITE_NAMES:
        with suppress(InvalidValue):
            yield records_of(name)


def fields() -> list[Row]:
    """Cost of committing to an order's fields, and of showing and checking one."""
    stated, seed = asdict(ORDER), secrets.token_bytes(32)
    commitment, proof = commit(stated, seed), prove_field(stated, seed, "price_ticks")
    return [
        {"work": "commit to all fields", "µs": micros(lambda: commit(stated, seed))},
        {"work": "prove one field", "µs": micros(lambda: prove_field(stated, seed, "price_ticks"))},
        {"work": "check one field", "µs": micros(lambda: verify_field(proof, tuple(stated), commitment))},
    ]


def main(folder: Path) -> None:
    report = Report(folder, "records", "What privacy costs a record")
    report.table(f"An order's record, sealed to {READERS} readers", list(installed()))
    report.table(f"Its {len(asdict(ORDER))} fields", fields())
    report.write()


if __name__ == "__main__":
    main(output_folder())
