"""A served region, its meters, and a clock that is moved on: a local day and a morning go by, touched by nobody.

Offers, trades, schedules, capacities, statements, reports and money follow from the meters, the owners' limits, and
what a customer and its bank once agreed.
"""

import csv
import json
from itertools import pairwise

import pytest

from gridbourse.api.schema import DealStatus
from gridbourse.crypto.keys import SigningKey
from gridbourse.delivery import date_day, date_text
from gridbourse.ledger.payout_records import PayoutInstruction
from gridbourse.market.types import EnergyType, Role, Settings
from gridbourse.metering.meter import Meter
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.connections import register_meter
from gridbourse.node.jobs.money.payout_files import ConfirmationFile, PayoutFile
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec
from gridbourse.region.grid import GridSpec, LineSpec
from gridbourse.service.rights import Kind, Principal
from gridbourse.units import money_units
from service import Service, until

YUAN = 10**7
DAY = date_day("2026-06-01")
HILLS, RIVER = 0, 1
SPEC = RegionSpec(
    "loop",
    910,
    Settings(300, floor_ticks=500, cap_ticks=9_000, gate_lead_seconds=900, max_candidates=64),
    (
        MasterSpec(
            "source",
            Role.SOURCE,
            (
                NodeSpec("Wind", NodeKind.WIND, "Ridge", HILLS),
                NodeSpec("Hydro", NodeKind.HYDRO, "Weir", RIVER),
                NodeSpec("Thermal", NodeKind.THERMAL, "Quay", RIVER),
            ),
        ),
        MasterSpec(
            "grid",
            Role.GRID,
            (
                NodeSpec("Dispatch", NodeKind.DISPATCH, "Control centre"),
                NodeSpec("Efficiency", NodeKind.EFFICIENCY, "Control centre"),
                NodeSpec("Monitoring", NodeKind.MONITORING, "Control centre"),
                NodeSpec("Services", NodeKind.SERVICES, "Control centre"),
            ),
        ),
        MasterSpec(
            "aggregator",
            Role.AGGREGATOR,
            (NodeSpec("Store", NodeKind.STORAGE, "Yard", RIVER), NodeSpec("Works", NodeKind.INDUSTRIAL, "Mill", RIVER)),
        ),
        MasterSpec("user", Role.USER, (NodeSpec("Home", NodeKind.RESIDENTIAL, "House 1", HILLS),)),
    ),
    time_zone="Asia/Shanghai",
    grid=GridSpec(("hills", "river"), (LineSpec("pass", "hills", "river", 400, 500),)),
)
FLOWS_WH = {"Wind": 9_000, "Hydro": 2_000, "Thermal": 1_000, "Store": 0, "Works": -6_000, "Home": -1_500}
"""What each meter counts in a period; a little is added to it, so that there are imbalances."""
CONNECTION_W = 60_000
DEPOSITS = {"Works": 400 * YUAN, "Home": 100 * YUAN}
KEPT = 30 * YUAN
PRINCIPAL = Principal(Kind.MASTER, "grid", "grid")


class Clock:
    now = 0

    def __call__(self):
        return self.now


class Rounds:
    """A job that counts the node's rounds."""

    name = "rounds"
    every_seconds = 0.0

    def __init__(self):
        self.count = 0

    def tasks(self, region):
        self.count += 1
        yield from ()


class Bank:
    """A job of the test: the bank pays what the payout file says, each reference once, and says so."""

    name = "bank"
    every_seconds = 0.0

    def __init__(self, folder):
        self.payouts, self.confirmations = folder / "payouts.csv", folder / "confirmations.csv"
        self.confirmations.write_text("reference,state\n")
        self.paid = {}

    def tasks(self, region):
        if self.payouts.exists():
            with self.payouts.open(encoding="utf-8-sig", newline="") as file:
                new = [row for row in csv.DictReader(file) if row["reference"] not in self.paid]
            self.paid |= {row["reference"]: row["yuan"] for row in new}
            with self.confirmations.open("a") as file:
                file.writelines(f"{row['reference']},paid\n" for row in new)
        yield from ()


def limits(kind, **prices):
    sell, buy = prices.get("sell", 8_900), prices.get("buy", 600)
    return AutoTradingLimits(
        active=True,
        energy_type=kind,
        accepted_types=EnergyType.any(),
        lowest_sell_ticks=sell,
        highest_buy_ticks=buy,
        smallest_wh=100,
    )


LIMITS = {
    "Wind": limits(EnergyType.WIND, sell=3_000),
    "Hydro": limits(EnergyType.HYDRO, sell=3_500),
    "Thermal": limits(EnergyType.THERMAL, sell=4_000),
    "Store": limits(EnergyType.STORAGE, sell=4_500),
    "Works": limits(EnergyType.PV, buy=5_000),
    "Home": limits(EnergyType.PV, buy=5_200),
}


class Loop:
    """The region as it is served, and its meters."""

    def __init__(self, folder):
        self.clock, self.rounds = Clock(), Rounds()
        self.clock.now = DAY * 86_400 - 8 * 3_600 - 2 * 3_600
        Region.create(folder / "region", SPEC, clock=self.clock).close()
        self.bank = Bank(folder)
        jobs = [ConfirmationFile(self.bank.confirmations), PayoutFile(self.bank.payouts), self.bank, self.rounds]
        self.service = Service(folder / "region", clock=self.clock, jobs=jobs).start()
        self.exchange, self.node = self.service.exchange, self.service.node
        self.calendar = self.exchange.calendar
        self.meters = {name: Meter(SigningKey.generate()) for name in FLOWS_WH}
        self.read_until = self.calendar.periods(DAY).start - 3 * 96

    def prepare(self):
        """The evening before: meters, limits, money, and what Home and its bank agree on. From then on nobody acts."""
        for name, meter in self.meters.items():
            self.service.region(register_meter, name, meter.address, CONNECTION_W)
        self.service.region(Region.set_limits, LIMITS)
        self.service.region(Region.write, [PayoutInstruction("Home", KEPT, "Home, bank 1", standing=True)])
        self.settle_down()
        self.service.region(Region.deposit, DEPOSITS, DAY, bytes(32))
        self.pass_time(self.clock.now)

    def pass_time(self, moment):
        """Move the clock to a moment; the readings until then come in, and everything takes place that follows."""
        self.clock.now = moment
        ended = moment // 900
        payloads = []
        for period in range(self.read_until, ended):
            for turn, (name, meter) in enumerate(self.meters.items()):
                flow_wh = FLOWS_WH[name] + (period + turn) % 3 * 50
                meter.count(imported_wh=max(-flow_wh, 0), exported_wh=max(flow_wh, 0))
                payloads.append(meter.read(period).to_bytes())
        self.read_until = max(self.read_until, ended)
        if payloads:
            until(lambda: all(self.exchange.metering.has_meter(name) for name in FLOWS_WH))
            self.service.ask(self.exchange.metering.hand_in(PRINCIPAL, payloads))
        self.settle_down()

    def settle_down(self):
        """Until nodes have decided about what came in, and some rounds have followed from that."""
        seen, metering = self.exchange.offering._seen, self.exchange.metering
        known = [name for name in LIMITS if metering.reading_count(name)]
        until(lambda: all(seen.get(name, (0,))[0] == metering.reading_count(name) for name in known))
        self.await_rounds(4)

    def await_rounds(self, count):
        target = self.rounds.count + count
        until(lambda: self.rounds.count >= target)

    def settled(self, day):
        """The trades of a delivery day that were carried out."""
        entries = self.exchange.index.trades.entries(self.calendar.periods(day))
        return [entry for entry in entries if entry.trade.status == DealStatus.SETTLED]

    def read(self, look):
        """What the region says."""
        return self.service.region(look)


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    scene = Loop(tmp_path_factory.mktemp("loop"))
    try:
        scene.prepare()
        start = scene.calendar.starts_at(DAY) - 2 * 3_600
        hours = [start + hour * 3_600 + 60 for hour in range(1, 2 + 24 + 8)]
        for before, moment in pairwise(hours):
            assert before < moment
            scene.pass_time(moment)
        scene.await_rounds(6)
        yield scene
    finally:
        scene.service.stop()


def test_nothing_failed_and_the_audit_finds_nothing(loop):
    assert [alarm for alarm in loop.exchange.alarms() if alarm.kind == "failing_job"] == []
    assert loop.read(lambda region: region.regulator.audit()) == []


def test_nodes_offered_and_traded_also_between_zones(loop):
    deals = loop.settled(DAY)
    assert len(deals) > 50
    zones = loop.read(
        lambda region: {
            (region.main.market.trader(deal.seller).zone, region.main.market.trader(deal.buyer).zone) for deal in deals
        }
    )
    assert (HILLS, RIVER) in zones, "the works take the wind's energy, which is cheapest"


def test_plants_have_schedules_and_dispatch_published_capacities_of_both_days(loop):
    def look(region):
        schedules = {key for relay in region.relays.values() for key in relay.schedules}
        return schedules, region.relays["grid"].capacities

    schedules, capacities = loop.read(look)
    assert {(name, day) for name in ("Hydro", "Thermal", "Store") for day in (DAY, DAY + 1)} <= schedules
    days = {loop.calendar.day_of(own.first_period) for own in capacities}
    assert {DAY, DAY + 1} <= days
    assert any(wh for own in capacities for wh in own.capacity_wh)
    assert any(own.periods == 4 for own in capacities)


def test_every_service_of_the_grid_reported_on_the_day(loop):
    reports = loop.read(lambda region: region.regulator.reports())
    told = {report.user_id: json.loads(report.body) for report in reports if date_text(DAY) in report.title}
    assert set(told) == {"Dispatch", "Efficiency", "Monitoring", "Services"}
    assert all(body["first_period"] == loop.calendar.periods(DAY).start for body in told.values())


def test_statements_of_the_local_day_add_up(loop):
    statements = {
        name: loop.exchange.statements.statement(Principal(Kind.NODE, name, master), DAY)
        for name in FLOWS_WH
        if (master := loop.exchange.index.participants.master_of(name))
    }
    assert all(not found.unsettled_nodes and not found.open_periods for found in statements.values())
    deals = [line for found in statements.values() for line in found.lines if line.item == "deal"]
    assert sum(line.money for line in deals if line.side == "bid") == sum(
        line.money for line in deals if line.side == "ask"
    )
    assert any(line.item == "imbalance" for found in statements.values() for line in found.lines)


def test_money_was_carried_paid_out_and_is_there_to_the_unit(loop):
    def look(region):
        market = region.main.market
        accounts = [market.trader(number) for number in range(1, market.trader_count() + 1)]
        held = sum(account.free_money + account.held_money for account in accounts)
        next_day = market.trader(region.masters["user"].trader("Home", DAY + 1))
        return *market.money_moved(), held, next_day.free_money + next_day.held_money

    credited, debited, held, next_day = loop.read(look)
    assert credited == sum(DEPOSITS.values())
    assert debited > 0
    assert credited == debited + held
    assert sum(map(money_units, loop.bank.paid.values())) == debited
    assert next_day > 0


def test_the_morning_after_is_traded_with_the_money_that_was_carried(loop):
    bought = loop.settled(DAY + 1)
    assert bought
    assert {loop.exchange.index.participants.owner(deal.buyer).node_id for deal in bought} == {"Works", "Home"}
