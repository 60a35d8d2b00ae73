"""A user's node acts by itself: from meters to settlement within its owner's limits, and never beyond them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_region import NOON, PERIOD, SPEC, Clock, Fuse, PowerCut, records_of, write

from gridbourse.crypto.keys import Address, SigningKey
from gridbourse.errors import InvalidValue
from gridbourse.ledger.records import LimitsSet, MeterRegistered, OrderDetails
from gridbourse.market.types import DealState, EnergyType, Offer, Side
from gridbourse.metering.intake import Intake, MeteringPoint
from gridbourse.metering.meter import Meter
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.connections import register_meter
from gridbourse.node.offering import Agent, Obstacle, _allows, consents, decide, expect_from, offer_once
from gridbourse.node.region import Region
from gridbourse.node.relay import PendingConfirmation

SELLER = AutoTradingLimits(
    active=True,
    energy_type=EnergyType.PV,
    accepted_types=EnergyType.any(),
    lowest_sell_ticks=3_000,
    highest_buy_ticks=4_000,
)
BUYER = replace(SELLER, highest_buy_ticks=3_500)
EXPECTED = {"Anna": 2_000, "Arno": 700, "Bert": -1_500, "Bea": None}


def agent(region):
    return Agent(region, lambda node_id, period: EXPECTED[node_id] if period == PERIOD else None)


def states(region):
    market = region.main.market
    return [market.deal(number).state for number in range(1, market.deal_count() + 1)]


@pytest.fixture
def trading(region):
    """Anna has sun to sell, Bert needs some; Arno's owner has set no limits."""
    region.open_day(PERIOD // 96)
    region.deposit({"Bert": 10**9}, PERIOD // 96, b"\x02" * 32)
    region.set_limits({"Anna": SELLER, "Bert": BUYER, "Bea": BUYER})
    return region


def test_offers_deals_and_answers_follow_from_expectations_without_a_hand(trading):
    agent(trading).act(PERIOD)
    trading.settle()
    assert states(trading) == [DealState.SETTLED]
    deal = trading.main.market.deal(1)
    assert (deal.energy_wh, deal.price_ticks) == (1_500, 3_000)


def test_limits_are_a_record_that_the_node_signed_and_the_newest_counts(trading):
    trading.set_limits({"Anna": replace(SELLER, lowest_sell_ticks=3_200)})
    assert [record.limits().lowest_sell_ticks for record in records_of(trading, "roofs", LimitsSet)] == [3_000, 3_200]
    assert dict(agent(trading).proposals(PERIOD))["Anna"].price_ticks == 3_200
    assert trading.regulator.audit() == []


def test_who_set_no_limits_or_expects_nothing_or_is_switched_off_does_not_trade(trading):
    trading.set_limits({"Bert": replace(BUYER, active=False)})
    assert [node for node, _ in agent(trading).proposals(PERIOD)] == ["Anna"]
    assert agent(trading).proposals(PERIOD + 1) == []


def test_a_deal_is_left_to_its_owner_who_switched_the_node_off_meanwhile(trading):
    acting = agent(trading)
    trading.offer(acting.proposals(PERIOD), automatic=True)
    trading.set_limits({"Anna": replace(SELLER, active=False)})
    pending_confirmations = trading.deliver()
    assert {question.side for question in pending_confirmations} == set(Side)
    assert {question.side for question in consents(trading, pending_confirmations)} == {Side.BID}


@given(
    lowest=st.integers(0, 9_000), highest=st.integers(0, 9_000), price=st.integers(0, 9_000), side=st.sampled_from(Side)
)
def test_no_deal_outside_the_limits_is_consented_to(lowest, highest, price, side):
    limits = replace(SELLER, lowest_sell_ticks=lowest, highest_buy_ticks=highest)
    allowed = _allows(limits, PendingConfirmation(None, side, 1, 1_000, price, automatic=True))
    assert allowed == (price >= lowest if side is Side.ASK else price <= highest)
    assert not _allows(limits, PendingConfirmation(None, side, 1, 1_000, price, automatic=False))


def test_what_an_owner_ordered_by_hand_waits_for_the_owner(trading):
    trading.offer([("Anna", Offer(Side.ASK, EnergyType.PV, PERIOD, 1_000, 3_200))])
    agent(trading).act(PERIOD)
    assert states(trading) == [DealState.INTENT]
    deal = trading.main.market.deal(1)
    assert (deal.seller_confirmed, deal.buyer_confirmed) == (False, True)


def test_who_ordered_by_hand_is_left_alone(trading):
    write(trading, "Anna", Offer(Side.ASK, EnergyType.PV, PERIOD, 10, 3_900))
    assert [node for node, _ in agent(trading).proposals(PERIOD)] == ["Bert"]


@pytest.mark.parametrize("after", [False, True])
def test_whenever_the_power_fails_nothing_is_offered_or_answered_twice(tmp_path, after):
    folder, clock = tmp_path / "region", Clock()
    with Region.create(folder, SPEC, clock=clock) as region:
        region.open_day(PERIOD // 96)
        region.deposit({"Bert": 10**9}, PERIOD // 96, b"\x02" * 32)
        region.set_limits({"Anna": SELLER, "Bert": BUYER})
    blows_at = 0
    while True:
        blows_at += 1
        fuse = Fuse(blows_at, after=after)
        with Region.open(folder, clock=clock, observe=fuse.observe) as region:
            try:
                agent(region).act(PERIOD)
            except PowerCut:
                continue
        break
    with Region.open(folder, clock=clock) as region:
        orders = records_of(region, "roofs", OrderDetails) + records_of(region, "grid", OrderDetails)
        assert [order.user_id for order in orders] == ["Anna", "Bert"]
        region.settle()
        assert states(region) == [DealState.SETTLED]


def test_expectations_come_from_the_meters_of_the_days_before():
    sunny, silent = Meter(SigningKey.generate()), Meter(SigningKey.generate())
    intake = Intake([MeteringPoint(meter.address, 20_000) for meter in (sunny, silent)])
    first = NOON // 900 - 2 * 96
    for turn in range(2 * 96):
        sunny.count(exported_wh=turn % 96)
        intake.accept(sunny.read(first + turn).to_bytes())
    last = first + 2 * 96 - 1
    expected_wh = expect_from(intake, {"Anna": sunny.address, "Arno": silent.address})
    assert [expected_wh("Anna", last + ahead) for ahead in (1, 4, 96)] == [0, 3, 95]
    assert [expected_wh("Anna", period) for period in (last, last + 97)] == [None, None]
    assert expected_wh("Arno", last + 4) is expected_wh("Bert", last + 4) is None


@pytest.mark.parametrize(
    ("limits", "surplus_wh", "now", "obstacle"),
    [
        (None, 2_000, NOON, Obstacle.OFF),
        (replace(SELLER, active=False), 2_000, NOON, Obstacle.OFF),
        (SELLER, None, NOON, Obstacle.NO_FORECAST),
        (replace(SELLER, reserve_wh=2_000), 2_000, NOON, Obstacle.NOTHING_LEFT),
        (SELLER, 0, NOON, Obstacle.NOTHING_LEFT),
        (replace(SELLER, lowest_sell_ticks=9_001), 2_000, NOON, Obstacle.PRICE_LIMIT),
        (replace(SELLER, highest_buy_ticks=9_001), -2_000, NOON, Obstacle.PRICE_LIMIT),
        (SELLER, 2_000, PERIOD * 900 - 900, Obstacle.GATE_CLOSED),
    ],
    ids=["never on", "off", "no forecast", "reserve", "nothing", "ask too dear", "bid too dear", "gate"],
)
def test_a_node_that_offers_nothing_says_why(limits, surplus_wh, now, obstacle):
    assert decide(limits, SPEC.settings, PERIOD, now, surplus_wh) is obstacle


def test_a_node_offers_until_the_second_its_gate_closes():
    offer = decide(SELLER, SPEC.settings, PERIOD, PERIOD * 900 - 901, 2_000)
    assert offer == Offer(Side.ASK, EnergyType.PV, PERIOD, 2_000, 3_000)


def test_what_was_decided_is_offered_only_if_nothing_came_in_between(trading):
    sun = Offer(Side.ASK, EnergyType.PV, PERIOD, 2_000, 3_000)
    offers = [("Anna", sun), ("Arno", sun), ("Bert", Offer(Side.BID, EnergyType.any(), PERIOD, 500, 3_500))]
    write(trading, "Bert", Offer(Side.BID, EnergyType.any(), PERIOD, 10, 3_000))
    assert offer_once(trading, [*offers, ("Anna", sun)]) == [True, False, False, True]
    assert offer_once(trading, offers) == [False, False, False]
    assert [order.energy_wh for order in records_of(trading, "roofs", OrderDetails)] == [2_000]
    assert [order.energy_wh for order in records_of(trading, "grid", OrderDetails)] == [10]


def test_a_revoked_node_offers_nothing(trading):
    trading.revoke_node("Anna")
    assert offer_once(trading, [("Anna", Offer(Side.ASK, EnergyType.PV, PERIOD, 2_000, 3_000))]) == [False]


def test_a_meter_is_a_record_of_its_master_and_entered_once(region):
    old, new = Address(b"\x01" * 20), Address(b"\x02" * 20)
    for meter in (old, old, new, old):
        register_meter(region, "Anna", meter, 17_000)
    entered = records_of(region, "roofs", MeterRegistered)
    assert [record.meter_hex for record in entered] == [old.hex(), new.hex(), old.hex()]
    assert entered[0].point == MeteringPoint(old, 17_000)
    region.relays["roofs"].catch_up()
    assert list(region.relays["roofs"].meters) == [new.hex(), old.hex()]
    region.anchor()
    assert region.regulator.audit() == []


def test_a_meter_of_one_node_is_never_another_ones(region):
    register_meter(region, "Anna", Address(b"\x01" * 20), 17_000)
    for other in ("Arno", "Bert"):
        with pytest.raises(InvalidValue, match="no other node"):
            register_meter(region, other, Address(b"\x01" * 20), 17_000)
    with pytest.raises(InvalidValue, match="limit_w"):
        register_meter(region, "Bert", Address(b"\x02" * 20), 0)
