"""What records on a slave chain say of nodes, days and money, as far as the index has it, for those who act on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from gridbourse.index.queries.reader import IndexReader
from gridbourse.index.records import DayRecord
from gridbourse.ledger.balancing_records import CapacityDetails, MeteredDetails, ScheduleDetails, StatementDetails
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.payout_records import PayoutInstruction
from gridbourse.ledger.records import MeterRegistered
from gridbourse.metering.surplus import AutoTradingLimits


class NewestRecords:
    """Of each kind the newest, or where all count, all.

    What somebody asked for once is kept, and only what is newer is read when it is asked for again.

    Parameters
    ----------
    index
        The index.
    chain
        Name of the slave chain.
    sequence
        Tells the number of the newest change in the index: as long as it stays, nothing is read again.
    """

    def __init__(self, index: IndexReader, chain: str, sequence: Callable[[], int]) -> None:
        self._index = index
        self._chain = chain
        self._sequence = sequence
        self._read: dict[RecordKind, int] = {}
        self._as_of: dict[RecordKind, int] = {}
        self._limits: dict[str, AutoTradingLimits] = {}
        self._meters: dict[str, MeterRegistered] = {}
        self._metered: dict[int, dict[str, MeteredDetails]] = {}
        self._metered_versions: dict[tuple[int, str], int] = {}
        self._statements: dict[tuple[str, int], StatementDetails] = {}
        self._schedules: dict[tuple[str, int], tuple[bytes, ScheduleDetails]] = {}
        self._capacities: list[CapacityDetails] = []
        self._instructions: dict[bytes, PayoutInstruction] = {}
        self._reported: set[tuple[str, str]] = set()
        self._readers: dict[RecordKind, Callable[[], None]] = {
            RecordKind.MANDATE: self._read_limits,
            RecordKind.METER: self._read_meters,
            RecordKind.METERED: self._read_metered,
            RecordKind.STATEMENT: self._read_statements,
            RecordKind.SCHEDULE: self._read_schedules,
            RecordKind.CAPACITY: self._read_capacities,
            RecordKind.PAYOUT_INSTRUCTION: self._read_instructions,
            RecordKind.REPORT: self._read_reports,
        }

    @property
    def limits(self) -> dict[str, AutoTradingLimits]:
        """What each node may do by itself, as its owner said last."""
        self._require(RecordKind.MANDATE)
        return self._limits

    @property
    def meters(self) -> dict[str, MeterRegistered]:
        """Every meter of the nodes, by its address in hexadecimal; of a node's several, the last one stands there."""
        self._require(RecordKind.METER)
        return self._meters

    @property
    def statements(self) -> dict[tuple[str, int], StatementDetails]:
        """The newest settlement of each node and day."""
        self._require(RecordKind.STATEMENT)
        return self._statements

    @property
    def metered(self) -> dict[int, dict[str, MeteredDetails]]:
        """The newest metered energies of each day and node."""
        self._require(RecordKind.METERED)
        return self._metered

    @property
    def metered_count(self) -> Counter[int]:
        """How often anything was metered of each day: it tells whether there is something new."""
        self._require(RecordKind.METERED)
        counts = Counter[int]()
        for (day, _), version in self._metered_versions.items():
            counts[day] += version
        return counts

    @property
    def schedules(self) -> dict[tuple[str, int], tuple[bytes, ScheduleDetails]]:
        """The newest schedule of each plant and day, with its leaf."""
        self._require(RecordKind.SCHEDULE)
        return self._schedules

    @property
    def capacities(self) -> list[CapacityDetails]:
        """What dispatch published, the oldest first."""
        self._require(RecordKind.CAPACITY)
        return self._capacities

    @property
    def instructions(self) -> dict[bytes, PayoutInstruction]:
        """What users want paid out, by leaf."""
        self._require(RecordKind.PAYOUT_INSTRUCTION)
        return self._instructions

    @property
    def reported(self) -> set[tuple[str, str]]:
        """Who reported on what."""
        self._require(RecordKind.REPORT)
        return self._reported

    def _require(self, kind: RecordKind) -> None:
        sequence = self._sequence()
        if self._as_of.get(kind) != sequence:
            self._read.setdefault(kind, -1)
            self._readers[kind]()
            self._as_of[kind] = sequence

    def _read_limits(self) -> None:
        self._limits = self._index.participants.all_limits(self._chain)

    def _read_meters(self) -> None:
        self._meters = {
            meter.meter.hex(): MeterRegistered(meter.node_id, meter.meter.hex(), meter.limit_w)
            for meter in self._index.participants.meters()
            if meter.master == self._chain
        }

    def _of_days(self, kind: RecordKind) -> list[DayRecord]:
        found = self._index.records.of_days(kind, self._chain, self._read[kind])
        self._read[kind] = max((one.record for one in found), default=self._read[kind])
        return found

    def _read_metered(self) -> None:
        for found in self._of_days(RecordKind.METERED):
            if isinstance(found.details, MeteredDetails):
                self._metered.setdefault(found.day, {})[found.node_id] = found.details
                self._metered_versions[found.day, found.node_id] = found.version

    def _read_statements(self) -> None:
        for found in self._of_days(RecordKind.STATEMENT):
            if isinstance(found.details, StatementDetails):
                self._statements[found.node_id, found.day] = found.details

    def _read_schedules(self) -> None:
        for found in self._of_days(RecordKind.SCHEDULE):
            if isinstance(found.details, ScheduleDetails):
                self._schedules[found.node_id, found.day] = found.leaf, found.details

    def _read_capacities(self) -> None:
        for found in self._index.records.kept(RecordKind.CAPACITY, self._chain, self._read[RecordKind.CAPACITY]):
            if isinstance(found.details, CapacityDetails):
                self._capacities.append(found.details)
            self._read[RecordKind.CAPACITY] = found.record

    def _read_instructions(self) -> None:
        kind = RecordKind.PAYOUT_INSTRUCTION
        for found in self._index.records.kept(kind, self._chain, self._read[kind]):
            if isinstance(found.details, PayoutInstruction):
                self._instructions[found.leaf] = found.details
            self._read[kind] = found.record

    def _read_reports(self) -> None:
        for record, node_id, title in self._index.records.reported(self._chain, self._read[RecordKind.REPORT]):
            self._reported.add((node_id, title))
            self._read[RecordKind.REPORT] = max(record, self._read[RecordKind.REPORT])
