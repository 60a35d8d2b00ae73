"""What counts of several records on a slave chain that say the same kind of thing: the newest, from the index."""

from __future__ import annotations

from gridbourse.index.participants import ParticipantRegistry
from gridbourse.index.reader import IndexReader
from gridbourse.index.records import DayRecord
from gridbourse.ledger.balancing_records import MeteredDetails, StatementDetails
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.records import MeterRegistered
from gridbourse.metering.surplus import AutoTradingLimits


class NewestRecords:
    """The newest limits, meters, metered energies and statements of a slave chain.

    What was read of delivery days is kept, and only what is newer is read again.

    Parameters
    ----------
    index
        The index.
    chain
        Name of the slave chain.
    """

    def __init__(self, index: IndexReader, chain: str) -> None:
        self._index = index
        self._chain = chain
        self._metered: dict[int, dict[str, MeteredDetails]] = {}
        self._metered_versions: dict[tuple[int, str], int] = {}
        self._statements: dict[tuple[str, int], StatementDetails] = {}
        self._read: dict[RecordKind, int] = {}

    @property
    def limits(self) -> dict[str, AutoTradingLimits]:
        """What each node may do by itself, as its owner said last."""
        return self._participants.all_limits(self._chain)

    @property
    def meters(self) -> dict[str, MeterRegistered]:
        """Every meter of the nodes, by its address in hexadecimal; of a node's several, the last one stands there."""
        return {
            meter.meter.hex(): MeterRegistered(meter.node_id, meter.meter.hex(), meter.limit_w)
            for meter in self._participants.meters()
            if meter.master == self._chain
        }

    @property
    def statements(self) -> dict[tuple[str, int], StatementDetails]:
        """The newest settlement of each node and day."""
        for found in self._newer(RecordKind.STATEMENT):
            if isinstance(found.details, StatementDetails):
                self._statements[found.node_id, found.day] = found.details
        return self._statements

    @property
    def metered(self) -> dict[int, dict[str, MeteredDetails]]:
        """The newest metered energies of each day and node."""
        for found in self._newer(RecordKind.METERED):
            if isinstance(found.details, MeteredDetails):
                self._metered.setdefault(found.day, {})[found.node_id] = found.details
                self._metered_versions[found.day, found.node_id] = found.version
        return self._metered

    @property
    def metered_count(self) -> dict[int, int]:
        """How often anything was metered of each day: it tells whether there is something new."""
        counts = dict.fromkeys(self.metered, 0)
        for (day, _), version in self._metered_versions.items():
            counts[day] += version
        return counts

    @property
    def _participants(self) -> ParticipantRegistry:
        return self._index.participants

    def _newer(self, kind: RecordKind) -> list[DayRecord]:
        found = self._index.records.of_days(kind, self._chain, after=self._read.get(kind, -1))
        if found:
            self._read[kind] = max(one.record for one in found)
        return found
