"""The example region as a service that has traded for a while: what the pages are looked at with."""

import json
import random
import time
from pathlib import Path

from gridbourse.crypto.keys import SigningKey
from gridbourse.market.types import EnergyType, Offer, Side
from gridbourse.metering.meter import Meter
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.connections import register_meter
from gridbourse.node.region import Region
from gridbourse.node.settling.settle_day import settle_day
from gridbourse.region.description_file import read_region
from gridbourse.service.rights import Kind
from gridbourse.simulation.profiles import Profiles
from service import Service, until

DESCRIPTION = Path(__file__).parents[2] / "examples" / "region.toml"
DAY = int(time.time()) // 86_400 + 1
NOON = DAY * 96 + 48
SELLERS = {
    "Wind turbine 01": EnergyType.WIND,
    "Hydro plant 01": EnergyType.HYDRO,
    "Thermal unit 01": EnergyType.THERMAL,
    "Roof 01": EnergyType.PV,
    "Battery 01": EnergyType.STORAGE,
}
BUYERS = ("Office 01", "Factory 01", "Home 01", "Charging point 01")
ANY = EnergyType.any()
QUOTA_WH = 5_000_000
LIMITS = AutoTradingLimits(True, EnergyType.PV, ANY, 3_200, 4_500, reserve_wh=2_000, max_share_permille=900)


def open_valley(folder: Path) -> Service:
    """Make the region, open its service, give everybody an account and the buyers money."""
    spec = read_region(DESCRIPTION)
    Region.create(folder, spec).close()
    service = Service(folder).start()
    for master in spec.masters:
        service.account(master.name, Kind.MASTER)
        for node in master.nodes:
            service.account(node.node_id)
    service.account("regulator", Kind.REGULATOR)
    service.region(Region.open_day, DAY)
    service.region(Region.deposit, dict.fromkeys(BUYERS, 3_000 * 10**7), DAY, b"\x01" * 32)
    return service


def trade_a_while(service: Service) -> None:
    """Fill the books of tomorrow; confirm most deals, abandon some, leave the newest to be answered."""
    dice = random.Random(2021)
    for batch in range(6):
        service.region(Region.offer, list(_orders(dice, batch)), energy_quota_wh=QUOTA_WH)
        service.region(_answer)
    service.region(Region.offer, list(_the_book_at_noon()), energy_quota_wh=QUOTA_WH)
    service.region(_report)
    service.region(_settle_the_day)
    service.region(Region.set_limits, {"Roof 01": LIMITS})
    _meter_the_roof(service)
    service.region(Region.anchor)


def _meter_the_roof(service: Service) -> None:
    """Let the roof's meter tell of the last days, and the roof offer by itself what that lets expect."""
    meter, last = Meter(SigningKey.generate()), int(time.time()) // 900 - 1
    service.region(register_meter, "Roof 01", meter.address, 60_000)
    sun = Profiles.load().energies_wh("pv_5", 60_000)
    readings = []
    for turn in range(3 * 96):
        period = last - 3 * 96 + turn + 1
        meter.count(exported_wh=sun[period - last + 4 * 96 + 48])  # wherever the sun stands now, it is noon on the roof
        readings.append(meter.read(period).to_bytes())
    service.exchange.metering._open.take(readings)
    until(lambda: service.exchange.offering.made)


def _orders(dice, batch):
    for period in range(NOON - 28 + batch % 2, NOON + 30, 2):
        sun = max(0.0, 1 - abs(period - NOON) / 30)
        seller = dice.choice(list(SELLERS))
        price = round(4_300 - 900 * sun + dice.gauss(0, 160))
        yield seller, Offer(Side.ASK, SELLERS[seller], period, dice.randrange(40, 260) * 500, price)
        if dice.random() < 0.75:
            limit = price + dice.randrange(-150, 420)
            yield dice.choice(BUYERS), Offer(Side.BID, ANY, period, dice.randrange(30, 180) * 500, limit)


def _answer(region):
    questions = region.deliver()
    at_noon = {one.deal_id for one in questions if region.main.market.deal(one.deal_id).ask.period == NOON}
    abandoned = {one.deal_id for one in questions if one.deal_id % 9 == 4} - at_noon
    region.answer([one for one in questions if one.deal_id not in abandoned], confirmed=True)
    region.answer([one for one in questions if one.deal_id in abandoned][:1], confirmed=False)
    region.settle()


def _the_book_at_noon():
    for price, kwh, seller in (
        (3610, 42, "Roof 01"),
        (3640, 118, "Wind turbine 01"),
        (3640, 60, "Hydro plant 01"),
        (3680, 75, "Battery 01"),
        (3725, 210, "Hydro plant 01"),
        (3760, 90, "Roof 01"),
        (3810, 160, "Thermal unit 01"),
        (3890, 240, "Thermal unit 01"),
    ):
        yield seller, Offer(Side.ASK, SELLERS[seller], NOON, kwh * 1000, price)
    for price, kwh, buyer in (
        (3620, 25, "Home 01"),
        (3590, 64, "Factory 01"),
        (3565, 120, "Office 01"),
        (3540, 33, "Home 01"),
        (3520, 180, "Factory 01"),
        (3460, 96, "Charging point 01"),
        (3400, 210, "Factory 01"),
        (3350, 140, "Office 01"),
    ):
        yield buyer, Offer(Side.BID, ANY, NOON, kwh * 1000, price)


def _report(region):
    body = {"first_period": NOON, "free_wh": {"valley to city": [412_000, 396_500], "river to city": [150_000, 0]}}
    region.report("Dispatch", "free transfer capacity", json.dumps(body))
    region.report("Monitoring", "monitoring", json.dumps({"first_period": NOON, "points": 10, "in_doubt": 0}))


def _settle_the_day(region):
    """Settle what is settled of tomorrow, as if tomorrow were over; one meter was silent for half an hour."""
    dice = random.Random(7)
    periods = range(DAY * 96, DAY * 96 + 96)
    names = (*SELLERS, *BUYERS)
    blank = {name: [0] * 96 for name in names}
    sold = settle_day(region, periods, blank)
    metered = {
        name: [round(one.imbalances[name].traded.position_wh * dice.gauss(1, 0.06)) for one in sold] for name in names
    }
    metered["Charging point 01"][70:72] = [None, None]
    settle_day(region, periods, metered)
