"""A region that traded and metered on a day of every month from February to August 2026, with worked numbers."""

import shutil
from datetime import date
from fractions import Fraction

from gridbourse.delivery import DeliveryCalendar, date_day
from gridbourse.market.types import EnergyType, Offer, Role, Settings, Side
from gridbourse.node.region import Region
from gridbourse.node.settling.balancing import GRACE_SECONDS, DaySettlement, record_metered
from gridbourse.region.communities import CommunitySpec
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec
from gridbourse.region.rules import RulesSpec
from gridbourse.rules.delivered import Connection
from gridbourse.rules.parameters import TariffKind, VoltageLevel
from gridbourse.rules.rule_set import SHIPPED, find_rule_set
from gridbourse.rules.sharing import SharingKey
from gridbourse.text import DisplayName

CALENDAR = DeliveryCalendar("Asia/Shanghai")
SET = find_rule_set("sichuan-2026")
MWH = 1_000_000
MIDDLE, LOW = VoltageLevel.FROM_1_TO_10KV, VoltageLevel.BELOW_1KV
GENERATION = 2_458
CONSUMPTION = (482, 146, 470, 505, 428, 47, 232, 170, 291, 285, 461, 150, 547, 501, 117, 59)
FLATS = tuple(f"Flat {number:02}" for number in range(1, 17))
PARK = (CommunitySpec("Park", SharingKey.DYNAMIC, ("Roof",), FLATS),)
SPEC = RegionSpec(
    "months",
    700,
    Settings(300, floor_ticks=0, cap_ticks=9_000, gate_lead_seconds=900, max_candidates=64, incentive_permille=0),
    (
        MasterSpec(
            "plants",
            Role.SOURCE,
            (
                NodeSpec("Hill", NodeKind.WIND, "Hill 1"),
                NodeSpec("Pump", NodeKind.STORAGE, "Lake 2"),
                NodeSpec("Coast", NodeKind.WIND, "Coast 3", under_mechanism=True),
            ),
        ),
        MasterSpec("shops", Role.AGGREGATOR, (NodeSpec("Shop", NodeKind.COMMERCIAL, "Street 4"),)),
        MasterSpec(
            "works",
            Role.USER,
            (
                NodeSpec("Works", NodeKind.INDUSTRIAL, "Road 5"),
                NodeSpec("Roof", NodeKind.PV, "House 0"),
                *(
                    NodeSpec(
                        name, NodeKind.RESIDENTIAL, f"Door {name[-2:]}", display_name=DisplayName(zh=f"{name[-2:]}号房")
                    )
                    for name in FLATS
                ),
            ),
            communities=PARK,
        ),
        MasterSpec(
            "grid",
            Role.GRID,
            (
                NodeSpec(
                    "Town",
                    NodeKind.COMMERCIAL,
                    "Square 6",
                    connection=Connection(MIDDLE, TariffKind.SINGLE_PART),
                    display_name=DisplayName("Town shop", "镇上商店"),
                ),
                NodeSpec("Home", NodeKind.RESIDENTIAL, "Lane 7", connection=Connection(LOW, TariffKind.SINGLE_PART)),
                NodeSpec("Mill", NodeKind.INDUSTRIAL, "Brook 8", connection=Connection(MIDDLE, TariffKind.TWO_PART)),
                NodeSpec("Watt", NodeKind.THERMAL, "Yard 9"),
            ),
        ),
    ),
    time_zone="Asia/Shanghai",
    rules=(
        RulesSpec(date(2026, 2, 1), SET.version),
        RulesSpec(date(2026, 8, 3), SET.version, VoltageLevel.KV35),
        RulesSpec(date(2026, 8, 9), SET.version, VoltageLevel.KV110),
        RulesSpec(date(2026, 8, 16), SET.version, MIDDLE),
        RulesSpec(date(2026, 9, 1), "valley", MIDDLE),
    ),
)
DAYS = {
    # seller, buyer, energy in MWh, price in yuan/MWh; then the meters in MWh
    "2026-02-03": (
        [("Hill", "Pump", 80, 400), ("Hill", "Pump", 20, 350), ("Hill", "Town", 1, 500)],
        {"Hill": 91, "Pump": -100, "Town": -1},
    ),
    "2026-03-03": ([("Hill", "Town", 100, 420)], {"Hill": 88, "Town": -100}),
    "2026-04-03": ([("Hill", "Shop", 1_000, 350)], {"Hill": 1_000, "Shop": -900}),
    "2026-05-03": ([("Hill", "Works", 1_000, 400)], {"Hill": 1_000, "Works": -940}),
    "2026-06-03": ([("Hill", "Town", 1, 280)], {"Hill": 1, "Town": -1, "Coast": 1_000}),
    "2026-07-03": ([("Hill", "Town", 1, 360)], {"Hill": 1, "Town": -1, "Coast": 1_000}),
    "2026-08-03": ([("Hill", "Town", 1, 300)], {"Hill": 1, "Town": -1}),
    "2026-08-10": ([("Hill", "Town", 1, 300)], {"Hill": 1, "Town": -1}),
    "2026-08-17": ([("Hill", "Home", 1, 300)], {"Hill": 1, "Home": -1}),
}
DAYS["2026-08-24"] = (
    [],
    {"Roof": Fraction(GENERATION, MWH)}
    | {name: Fraction(-wh, MWH) for name, wh in zip(FLATS, CONSUMPTION, strict=True)},
)
GRID = tuple(master for master in SPEC.masters if master.role is Role.GRID)
OVER = CALENDAR.ends_at(date_day("2026-08-31")) + 86_400


class Clock:
    """Tells what the test says."""

    def __init__(self):
        self.now = CALENDAR.starts_at(date_day("2026-02-01"))

    def __call__(self):
        return self.now


def trade_and_meter(folder, clock):
    """Let the region live through all its days; it is closed afterwards."""
    own = folder.parent / "rules" / "valley"
    shutil.copytree(SHIPPED / "sichuan_2026", own)
    for name, before, after in (
        ("rule_set.toml", 'name = "sichuan-2026"', 'name = "valley"'),
        ("parameters.csv", "2026-08-31", "2026-12-31"),
    ):
        (own / name).write_text((own / name).read_text("utf-8").replace(before, after), "utf-8")
    region = Region.create(folder, SPEC, clock=clock, rules=own.parent)
    try:
        for number, (text, (deals, metered)) in enumerate(DAYS.items(), start=1):
            _live(region, clock, number, date_day(text), deals, metered)
    finally:
        region.close()
    clock.now = OVER


def _live(region, clock, number, day, deals, metered):
    period = CALENDAR.periods(day)[19 * 4]
    clock.now = CALENDAR.starts_at(day)
    region.open_day(day)
    buyers = {buyer for _, buyer, _, _ in deals}
    if buyers:
        region.deposit(dict.fromkeys(buyers, 10**14), day, number.to_bytes(32, "big"))
    for seller, buyer, mwh, price in deals:
        ask = Offer(Side.ASK, EnergyType.WIND, period, mwh * MWH, price * 10)
        bid = Offer(Side.BID, EnergyType.any(), period, mwh * MWH, price * 10)
        region.offer([(seller, ask)], energy_quota_wh=2_000 * MWH)
        region.offer([(buyer, bid)])
    region.answer(region.deliver(), confirmed=True)
    region.settle()
    region.deliver()
    clock.now = CALENDAR.ends_at(day)
    still = dict.fromkeys(CALENDAR.periods(day), 0)
    record_metered(region, {name: still | {period: int(mwh * MWH)} for name, mwh in metered.items()})
    clock.now += GRACE_SECONDS
    settlement = DaySettlement(region)
    settlement.step()
    settlement.step()
