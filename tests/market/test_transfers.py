"""What may be carried from zone to zone, and what deals take of it."""

import pytest
from examples import GRID, NOW, PAYMENT, PERIOD, SETTINGS, SOURCE, TRADERS_BELOW, USER, Market

from gridbourse.errors import MarketError
from gridbourse.market.consortium import Consortium
from gridbourse.market.events import CandidatePassedOver, TransferCapacityPublished
from gridbourse.market.types import Reason, Role, Side, TransferCapacity, ZonePair
from gridbourse.units import PERIOD_SECONDS

NORTH, CITY = 0, 7
WAY, WAY_BACK = ZonePair(PERIOD, NORTH, CITY), ZonePair(PERIOD, CITY, NORTH)
SELLER, CITY_SELLER, BUYER = 1, 4, 5


@pytest.fixture
def market():
    """The small market with a city: trader 4 and the user master's traders live there, the others in the north."""
    market = Market(Consortium([Role.SOURCE, Role.GRID, Role.USER], SETTINGS))
    for master_id, traders in TRADERS_BELOW.items():
        zones = [CITY if trader >= CITY_SELLER else NORTH for trader in traders]
        market.register_traders(master_id, [bytes([trader]) * 32 for trader in traders], zones)
        market.set_quotas(master_id, {(trader, PERIOD): 10_000 for trader in traders})
    market.deposit(GRID, dict.fromkeys(range(1, 7), 10**9), PAYMENT)
    return market


def publish(market, capacity_wh, way=WAY):
    market.publish_transfer_capacity(GRID, {way: capacity_wh})


def refused_rule(call, *arguments):
    with pytest.raises(MarketError) as refused:
        call(*arguments)
    return (refused.value.rule, *refused.value.arguments)


def test_nothing_goes_between_zones_before_a_capacity_is_published(market):
    ask, bid = market.sell(SELLER, 100, 2_000), market.buy(BUYER, 100, 2_000)
    assert market.events[-1] == CandidatePassedOver(bid, ask, Reason.NO_TRANSFER_CAPACITY)
    assert market.deals() == []


def test_deals_take_what_is_published_and_no_more(market):
    publish(market, 150)
    market.sell(SELLER, 300, 2_000)
    for energy_wh, used_wh in ((100, 100), (60, 150), (10, 150)):
        market.buy(BUYER, energy_wh, 2_000)
        assert market.transfer_capacity(WAY) == TransferCapacity(150, used_wh)
    assert [deal.energy_wh for deal in market.deals()] == [100, 50]


def test_the_way_back_is_another_one(market):
    publish(market, 100, WAY_BACK)
    market.sell(CITY_SELLER, 100, 2_000)
    market.buy(SELLER + 1, 100, 2_000)
    assert market.transfer_capacity(WAY_BACK).used_wh == 100
    market.sell(SELLER, 100, 2_000)
    market.buy(BUYER, 100, 2_000)
    assert len(market.deals()) == 1


def test_within_a_zone_there_is_no_limit(market):
    market.sell(CITY_SELLER, 10_000, 2_000)
    market.buy(BUYER, 10_000, 2_000)
    assert len(market.deals()) == 1


def test_a_candidate_out_of_reach_is_passed_over_for_one_within(market):
    far, near = market.sell(SELLER, 100, 1_900), market.sell(CITY_SELLER, 100, 2_000)
    bid = market.buy(BUYER, 100, 2_000)
    assert market.happened(CandidatePassedOver) == [CandidatePassedOver(bid, far, Reason.NO_TRANSFER_CAPACITY)]
    assert market.asks_of_deals() == [near]


@pytest.mark.parametrize("end", ["abandon", "expire"])
def test_a_deal_that_ends_without_delivery_gives_back(market, end):
    publish(market, 100)
    market.sell(SELLER, 100, 2_000)
    market.buy(BUYER, 100, 2_000)
    if end == "abandon":
        market.abandon(USER, [1], Side.BID, NOW)
    else:
        market.expire(SOURCE, [1], NOW + SETTINGS.cooling_off_seconds + 1)
    assert market.transfer_capacity(WAY) == TransferCapacity(100, 0)


def test_a_settled_deal_keeps_its_way(market):
    publish(market, 100)
    market.sell(SELLER, 100, 2_000)
    market.buy(BUYER, 100, 2_000)
    market.confirm_both(1)
    market.settle(GRID, [1])
    assert market.transfer_capacity(WAY) == TransferCapacity(100, 100)


def test_less_than_is_taken_may_be_published_and_stops_new_deals_only(market):
    publish(market, 100)
    market.sell(SELLER, 110, 2_000)
    market.buy(BUYER, 100, 2_000)
    publish(market, 60)
    market.buy(BUYER, 10, 2_000)
    assert len(market.deals()) == 1
    market.confirm_both(1)
    publish(market, 110)
    market.buy(BUYER, 10, 2_000)
    assert len(market.deals()) == 2


def test_only_the_dispatcher_publishes(market):
    assert refused_rule(market.publish_transfer_capacity, SOURCE, {WAY: 1}) == ("NotDispatcher", SOURCE)
    market.consortium.dispatcher = SOURCE
    market.publish_transfer_capacity(SOURCE, {WAY: 1})
    assert market.events[-1] == TransferCapacityPublished(PERIOD, NORTH, CITY, 1)


def test_a_zone_has_no_limit_within_itself(market):
    within = ZonePair(PERIOD, CITY, CITY)
    assert refused_rule(market.publish_transfer_capacity, GRID, {WAY: 1, within: 1}) == ("SameZone", CITY)
    assert market.transfer_capacity(WAY) == TransferCapacity()


def test_every_trader_needs_a_zone(market):
    assert refused_rule(market.register_traders, USER, [b"\x71" * 32, b"\x72" * 32], [NORTH]) == ("LengthsDiffer",)


def test_a_masters_own_trades_take_what_others_leave(market):
    """A master's own pair in two zones took all the capacity, and its money came back to it."""
    publish(market, 100, WAY_BACK)
    ask, bid = market.sell(CITY_SELLER, 100, 2_000), market.buy(3, 100, 2_000)
    assert market.events[-1] == CandidatePassedOver(bid, ask, Reason.OTHERS_FIRST)
    gate = PERIOD * PERIOD_SECONDS - SETTINGS.gate_lead_seconds
    market.match(GRID, bid, gate - PERIOD_SECONDS - 1)
    assert market.transfer_capacity(WAY_BACK).used_wh == 0
    market.match(GRID, bid, gate - PERIOD_SECONDS)
    assert [deal.energy_wh for deal in market.deals()] == [100]
