"""A region of which a month is settled: rules, connections, a plant under the mechanism, and a month's deals."""

from dataclasses import replace
from datetime import date

from small_region import PAYMENT, SPEC, Clock, ask, bid, write

from gridbourse.delivery import DeliveryCalendar, date_day
from gridbourse.market.types import EnergyType
from gridbourse.node.region import Region
from gridbourse.node.settling.balancing import DaySettlement, record_metered
from gridbourse.region.rules import RulesSpec
from gridbourse.rules.delivered import Connection
from gridbourse.rules.parameters import TariffKind, VoltageLevel
from gridbourse.rules.rule_set import find_rule_set

CALENDAR = DeliveryCalendar("Asia/Shanghai")
SET = find_rule_set("sichuan-2026")
RULES = RulesSpec(date(2026, 8, 1), SET.version, VoltageLevel.KV35, VoltageLevel.KV110)
MONTH = 202608
DAY = date_day("2026-08-03")
TIP = CALENDAR.period_from("2026-08-03T13:00")
MIDDLE = Connection(VoltageLevel.FROM_1_TO_10KV, TariffKind.TWO_PART)
LOW = Connection(VoltageLevel.BELOW_1KV, TariffKind.SINGLE_PART)
OVER = CALENDAR.ends_at(date_day("2026-08-31")) + 86_400


def spec():
    roofs, grid = SPEC.masters
    anna, arno = roofs.nodes
    bert, bea = grid.nodes
    return replace(
        SPEC,
        time_zone="Asia/Shanghai",
        rules=(RULES,),
        masters=(
            replace(roofs, nodes=(replace(anna, under_mechanism=True), arno)),
            replace(grid, nodes=(replace(bert, connection=LOW), replace(bea, connection=MIDDLE))),
        ),
    )


class SettledMonth:
    """Anna sold 1 kWh to Bea, and Arno 2 kWh to Bert, in one quarter hour of August; the day is metered."""

    def __init__(self, folder):
        self.metered = {"Anna": 800, "Arno": 2_000, "Bert": -2_000, "Bea": -1_200}
        self.clock = Clock()
        self.clock.now = CALENDAR.starts_at(DAY)
        self.region = Region.create(folder, spec(), clock=self.clock)
        self.region.open_day(DAY)
        self.region.deposit({"Bert": 10**9, "Bea": 10**9}, DAY, PAYMENT)
        write(self.region, "Anna", ask(period=TIP))
        write(self.region, "Arno", ask(2_000, 3_000, EnergyType.STORAGE, TIP))
        for relay in self.region.relays.values():
            relay.submit()
        write(self.region, "Bert", bid(2_000, 3_000, TIP))
        write(self.region, "Bea", bid(1_000, 3_600, TIP))
        for relay in self.region.relays.values():
            relay.submit()
        self.region.answer(self.region.deliver(), confirmed=True)
        self.region.settle()
        self.region.deliver()

    def meter(self, **energies):
        record_metered(self.region, {name: {TIP: wh} for name, wh in (energies or self.metered).items()})
        settlement = DaySettlement(self.region)
        settlement.step()
        settlement.step()
