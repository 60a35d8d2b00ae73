"""Fig. 3 of the paper: a request for energy makes nodes look at their meters, and who has a surplus answers."""

import pytest
from small_region import DAY, PERIOD, bid, write

from gridbourse.crypto.keys import SigningKey
from gridbourse.market.events import IntentRecorded, OrderPlaced
from gridbourse.market.types import EnergyType, Side
from gridbourse.metering.journal import Journal
from gridbourse.metering.meter import Meter
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.connections import register_meter
from gridbourse.node.jobs.job import JobSchedule
from gridbourse.node.jobs.loop import RegionLoop
from gridbourse.region.layout import READINGS_FILE


def limits(**changes):
    said = {
        "active": True,
        "energy_type": EnergyType.PV,
        "accepted_types": EnergyType.any(),
        "lowest_sell_ticks": 3_000,
        "highest_buy_ticks": 0,
        "smallest_wh": 1,
    }
    return AutoTradingLimits(**(said | changes))


@pytest.fixture
def scene(region, folder, clock):
    """Anna's meter has told for three days that she feeds in 2 kWh in every period; nobody offers anything."""
    meter = Meter(SigningKey.generate())
    register_meter(region, "Anna", meter.address, 100_000)
    last = clock.now // 900 - 1
    journal = Journal(folder / READINGS_FILE)
    for period in range(last - 3 * 96, last + 1):
        meter.count(exported_wh=2_000)
        journal.append(meter.read(period))
    journal.close()
    loop = RegionLoop(region, JobSchedule(anchor_seconds=0.0))
    loop.step()
    return region, loop


def ask_for(region, loop, **wanted):
    write(region, "Bert", bid(**wanted))
    for _ in range(2):
        loop.step()
    assert loop.failures == ()


def happened(region, kind):
    market = region.main.market
    return [event for event in market.events_between(1, market.chain.head().height) if isinstance(event, kind)]


def asks(region):
    return [placed for placed in happened(region, OrderPlaced) if placed.order_id.side is Side.ASK]


def test_who_has_a_surplus_answers_within_its_owners_limits_and_they_trade(scene):
    region, loop = scene
    region.set_limits({"Anna": limits()})
    ask_for(region, loop, energy_wh=1_500, price_ticks=3_700)
    (placed,) = asks(region)
    assert (placed.energy_wh, placed.order_id.price_ticks, placed.order_id.period) == (2_000, 3_000, PERIOD)
    assert [intent.energy_wh for intent in happened(region, IntentRecorded)] == [1_500]


def test_a_request_is_answered_once(scene):
    region, loop = scene
    region.set_limits({"Anna": limits()})
    ask_for(region, loop, energy_wh=1_500)
    ask_for(region, loop, energy_wh=1_500)
    assert len(asks(region)) == 1


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"active": False}, id="switched off"),
        pytest.param({"lowest_sell_ticks": 3_701}, id="too dear"),
        pytest.param({"reserve_wh": 2_000}, id="kept back"),
    ],
)
def test_nobody_answers_against_its_owners_limits(scene, own):
    region, loop = scene
    region.set_limits({"Anna": limits(**own)})
    ask_for(region, loop, price_ticks=3_700)
    assert asks(region) == []


def test_nobody_answers_for_a_period_of_which_its_meter_lets_expect_nothing(scene):
    region, loop = scene
    region.set_limits({"Arno": limits(energy_type=EnergyType.STORAGE)})
    ask_for(region, loop)
    assert asks(region) == []
    assert region.calendar.day_of(PERIOD) == DAY
