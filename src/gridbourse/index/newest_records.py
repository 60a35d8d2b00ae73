"""What counts of several records on a slave chain that say the same kind of thing: the newest."""

from __future__ import annotations

from collections import Counter

from gridbourse.ledger.balancing_records import MeteredDetails, StatementDetails
from gridbourse.ledger.records import Details, LimitsSet, MeterRegistered
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.units import PERIODS_PER_DAY


class NewestRecords:
    """The newest limits, meters, metered energies and statements of a slave chain."""

    def __init__(self) -> None:
        self.limits: dict[str, AutoTradingLimits] = {}
        """What each node may do by itself, as its newest mandate says."""
        self.meters: dict[str, MeterRegistered] = {}
        """Every meter of the nodes, by its address in hexadecimal; of a node's several, the last one stands there."""
        self.statements: dict[tuple[str, int], StatementDetails] = {}
        """The newest settlement of each node and day."""
        self.metered: dict[int, dict[str, MeteredDetails]] = {}
        """The newest metered energies of each day and node."""
        self.metered_count: Counter[int] = Counter()
        """How often anything was metered of each day: it tells whether there is something new."""

    def keep(self, details: Details) -> None:
        """Take in what a record says that was written after all before."""
        match details:
            case LimitsSet():
                self.limits[details.user_id] = details.limits()
            case MeterRegistered():
                self.meters.pop(details.meter_hex, None)
                self.meters[details.meter_hex] = details
            case MeteredDetails():
                day = details.first_period // PERIODS_PER_DAY
                self.metered.setdefault(day, {})[details.user_id] = details
                self.metered_count[day] += 1
            case StatementDetails():
                self.statements[details.user_id, details.first_period // PERIODS_PER_DAY] = details
            case _:
                pass
