"""Step 5 of the paper's section 3.4: cooling-off, settlement, and what comes back."""

import pytest
from examples import GRID, NOW, PERIOD, RECORD, SETTINGS, SOURCE, USER
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import MarketError
from gridbourse.market.events import (
    CandidatePassedOver,
    DealAbandoned,
    DealConfirmed,
    DealExpired,
    DealPassedOver,
    DealSettled,
    OrderCancelled,
    OrderPassedOver,
    PartyConfirmed,
    TurnLost,
)
from gridbourse.market.types import DealState, EnergyType, OrderId, Position, Reason, Side
from gridbourse.units import PERIOD_SECONDS

LAST_MOMENT = NOW + 600
TOO_LATE = LAST_MOMENT + 1


@pytest.fixture
def deal(market):
    """Trader 1 (below SOURCE) sells 100 Wh to trader 5 (below USER) at 2000 ticks."""
    market.sell(1, 100, 2_000)
    market.buy(5, 100, 3_000)
    return 1


def broken_rule(call, *arguments):
    with pytest.raises(MarketError) as error:
        call(*arguments)
    return error.value.rule


def passed_over(market, call, *arguments):
    """Why a call left anything that it names as it was."""
    told = len(market.events)
    call(*arguments)
    passed = (event for event in market.events[told:] if isinstance(event, DealPassedOver | OrderPassedOver))
    return [event.reason for event in passed]


class TestConfirming:
    def test_the_second_confirmation_makes_the_deal_binding(self, market, deal):
        told = len(market.events)
        market.confirm(USER, [deal], Side.BID, NOW)
        assert market.deal(deal).state is DealState.INTENT
        market.confirm(SOURCE, [deal], Side.ASK, LAST_MOMENT)
        assert market.deal(deal).state is DealState.CONFIRMED
        assert market.events[told:] == [
            PartyConfirmed(deal, Side.BID),
            PartyConfirmed(deal, Side.ASK),
            DealConfirmed(deal),
        ]

    def test_too_late_after_the_cooling_off_time(self, market, deal):
        assert passed_over(market, market.confirm, SOURCE, [deal], Side.ASK, TOO_LATE) == [Reason.WRONG_STATE]

    def test_only_once(self, market, deal):
        market.confirm(SOURCE, [deal], Side.ASK, NOW)
        assert passed_over(market, market.confirm, SOURCE, [deal], Side.ASK, NOW) == [Reason.CONFIRMED_ALREADY]

    def test_only_by_the_partys_own_master(self, market, deal):
        assert passed_over(market, market.confirm, SOURCE, [deal], Side.BID, NOW) == [Reason.NOT_YOUR_DEAL]

    def test_a_batch_that_names_a_deal_twice_confirms_it_once(self, market, deal):
        assert passed_over(market, market.confirm, SOURCE, [deal, deal], Side.ASK, NOW) == [Reason.CONFIRMED_ALREADY]
        assert market.happened(PartyConfirmed) == [PartyConfirmed(deal, Side.ASK)]

    def test_one_that_cannot_be_confirmed_keeps_no_other_from_it(self, market, deal):
        assert passed_over(market, market.confirm, SOURCE, [7, deal], Side.ASK, NOW) == [Reason.WRONG_STATE]
        assert market.deal(deal).seller_confirmed

    def test_a_deal_that_never_was(self, market):
        assert passed_over(market, market.confirm, SOURCE, [7], Side.ASK, NOW) == [Reason.WRONG_STATE]


class TestSettling:
    def test_money_and_energy_claims_move(self, market, deal):
        market.confirm_both(deal)
        buyer, seller = market.trader(5), market.trader(1)
        market.settle(GRID, [deal])
        assert market.trader(5).held_money == buyer.held_money - 200_000 == 0
        assert market.trader(1).free_money == seller.free_money + 200_000
        assert market.position(1, PERIOD) == Position(quota_wh=10_000, sold_wh=100)
        assert market.position(5, PERIOD) == Position(quota_wh=10_000, bought_wh=100)
        assert market.events[-1] == DealSettled(deal, 200_000)

    def test_not_before_both_have_confirmed(self, market, deal):
        market.confirm(SOURCE, [deal], Side.ASK, NOW)
        assert passed_over(market, market.settle, GRID, [deal]) == [Reason.WRONG_STATE]

    def test_only_once(self, market, deal):
        market.confirm_both(deal)
        assert passed_over(market, market.settle, GRID, [deal, deal]) == [Reason.WRONG_STATE]
        assert market.happened(DealSettled) == [DealSettled(deal, 200_000)]
        assert passed_over(market, market.settle, GRID, [deal]) == [Reason.WRONG_STATE]

    def test_not_with_a_suspended_party(self, market, deal):
        market.confirm_both(deal)
        market.consortium.suspend(SOURCE)
        assert passed_over(market, market.settle, GRID, [deal]) == [Reason.PARTY_SUSPENDED]


class TestComingBack:
    def abandon(self, market, deal):
        market.abandon(USER, [deal], Side.BID, NOW)

    def expire(self, market, deal):
        """The seller has confirmed, the buyer has not."""
        market.confirm(SOURCE, [deal], Side.ASK, NOW)
        market.expire(GRID, [deal], TOO_LATE)

    @pytest.mark.parametrize("end", [abandon, expire])
    def test_all_that_was_held_is_free_again_and_the_order_that_was_let_down_waits(self, market, deal, end):
        end(self, market, deal)
        assert market.trader(5).held_money == 0
        assert market.position(1, PERIOD).held_wh == 0
        assert market.book[market.deal(deal).ask].open_wh == 100

    @pytest.mark.parametrize("end", [abandon, expire])
    def test_who_lets_it_end_loses_the_turn(self, market, deal, end):
        end(self, market, deal)
        assert market.deal(deal).bid not in market.book
        assert market.events[-1] == TurnLost(market.deal(deal).bid)

    @pytest.mark.parametrize("end", [abandon, expire])
    def test_the_other_order_has_its_old_priority(self, market, deal, end):
        first = market.deal(deal).ask
        later = market.sell(2, 100, 2_000)
        end(self, market, deal)
        assert list(market.book.waiting(PERIOD, Side.ASK, EnergyType.PV)) == [first, later]
        market.buy(3, 100, 2_000, now=TOO_LATE)
        assert market.deal(2).ask == first

    @pytest.mark.parametrize("end", [abandon, expire])
    def test_it_is_not_brought_together_with_the_same_master_again_for_a_while(self, market, deal, end):
        market.change_settings(apart_seconds=1_200)
        end(self, market, deal)
        again = market.buy(6, 100, 2_000, now=TOO_LATE)
        assert market.happened(CandidatePassedOver) == [
            CandidatePassedOver(again, market.deal(deal).ask, Reason.LET_DOWN)
        ]
        market.match(GRID, again, TOO_LATE + 1_200)
        assert market.deal(2).ask == market.deal(deal).ask

    def test_a_vote_may_let_them_be_brought_together_at_once(self, market, deal):
        market.change_settings(apart_seconds=0)
        self.abandon(market, deal)
        market.buy(6, 100, 2_000)
        assert market.deal_count == 2

    def test_both_who_are_silent_lose_their_turns(self, market, deal):
        market.expire(GRID, [deal], TOO_LATE)
        assert market.deal(deal).ask not in market.book
        assert market.deal(deal).bid not in market.book

    def test_nobody_let_it_end_where_a_party_is_suspended(self, market, deal):
        market.consortium.suspend(SOURCE)
        market.expire(GRID, [deal], NOW)
        assert market.book[market.deal(deal).ask].open_wh == market.book[market.deal(deal).bid].open_wh == 100

    @pytest.mark.parametrize("end", [abandon, expire])
    def test_a_cancelled_order_gets_nothing_back(self, market, deal, end):
        agreed = market.deal(deal)
        market.cancel(SOURCE, [agreed.ask])
        end(self, market, deal)
        assert agreed.ask not in market.book
        assert market.position(1, PERIOD).held_wh == 0

    def test_part_of_an_order_that_still_waits_is_joined(self, market):
        ask = market.sell(1, 100, 2_000)
        market.buy(5, 30, 2_000)
        market.abandon(USER, [1], Side.BID, NOW)
        assert market.book[ask].open_wh == 100
        assert list(market.book.waiting(PERIOD, Side.ASK, EnergyType.PV)) == [ask]

    def test_an_order_waits_until_somebody_matches_it_again(self, market, deal):
        bid = market.buy(3, 100, 2_000)
        self.abandon(market, deal)
        assert market.deal_count == 1
        market.match(GRID, bid, NOW)
        assert market.deal_count == 2

    def test_bids_at_the_cap_that_are_all_abandoned_block_an_ask_once(self, market):
        """Seventeen bids of one master, each abandoned in its last second, blocked it for as many cooling-off times."""
        market.change_settings(max_candidates=16)
        for _ in range(17):
            market.buy(5, 100, SETTINGS.cap_ticks)
        honest = market.buy(3, 100, 2_000)
        ask = market.sell(1, 100, 2_000)
        market.abandon(USER, [1], Side.BID, LAST_MOMENT)
        while market.deal_count == 1:
            market.match(GRID, ask, LAST_MOMENT)
        assert (market.deal(2).ask, market.deal(2).bid) == (ask, honest)


class TestCoolingOff:
    @pytest.mark.parametrize("lead_seconds", [60, 3_600])
    def test_it_ends_when_the_gate_closes_at_the_latest(self, market, lead_seconds):
        market.change_settings(cooling_off_seconds=3_600, gate_lead_seconds=lead_seconds)
        gate = PERIOD * PERIOD_SECONDS - lead_seconds
        market.sell(1, 100, 2_000, now=gate - 1)
        market.buy(5, 100, 2_000, now=gate - 1)
        assert market.deal(1).confirm_before == gate
        assert passed_over(market, market.confirm, SOURCE, [1], Side.ASK, gate + 1) == [Reason.WRONG_STATE]


class TestAbandoning:
    def test_one_party_is_enough(self, market, deal):
        market.confirm(SOURCE, [deal], Side.ASK, NOW)
        market.abandon(USER, [deal], Side.BID, NOW)
        assert market.deal(deal).state is DealState.ABANDONED
        assert market.happened(DealAbandoned) == [DealAbandoned(deal, Side.BID)]

    def test_not_after_ones_own_confirmation(self, market, deal):
        market.confirm(SOURCE, [deal], Side.ASK, NOW)
        assert passed_over(market, market.abandon, SOURCE, [deal], Side.ASK, NOW) == [Reason.CONFIRMED_ALREADY]

    def test_not_once_it_is_binding(self, market, deal):
        market.confirm_both(deal)
        assert passed_over(market, market.abandon, USER, [deal], Side.BID, NOW) == [Reason.WRONG_STATE]

    def test_not_twice(self, market, deal):
        assert passed_over(market, market.abandon, USER, [deal, deal], Side.BID, NOW) == [Reason.WRONG_STATE]
        assert market.happened(DealAbandoned) == [DealAbandoned(deal, Side.BID)]


class TestExpiring:
    def test_not_within_the_cooling_off_time(self, market, deal):
        assert passed_over(market, market.expire, GRID, [deal], LAST_MOMENT) == [Reason.WRONG_STATE]

    def test_any_active_master_may_when_it_is_over(self, market, deal):
        market.expire(GRID, [deal], TOO_LATE)
        assert market.deal(deal).state is DealState.EXPIRED
        assert market.happened(DealExpired) == [DealExpired(deal)]

    def test_a_binding_deal_does_not_expire(self, market, deal):
        market.confirm_both(deal)
        assert passed_over(market, market.expire, GRID, [deal], TOO_LATE) == [Reason.WRONG_STATE]

    def test_a_deal_with_a_suspended_party_may_end_at_any_time_even_if_binding(self, market, deal):
        market.confirm_both(deal)
        market.consortium.suspend(SOURCE)
        market.expire(GRID, [deal], NOW)
        assert market.deal(deal).state is DealState.EXPIRED
        assert market.trader(5).held_money == 0


class TestCancelling:
    def test_deals_of_a_cancelled_order_stand(self, market, deal):
        market.cancel(SOURCE, [market.deal(deal).ask])
        market.confirm_both(deal)
        market.settle(GRID, [deal])
        assert market.position(1, PERIOD).sold_wh == 100

    def test_a_cancelled_order_never_trades(self, market):
        ask = market.sell(1, 100, 2_000)
        market.cancel(SOURCE, [ask])
        market.buy(5, 100, 2_000)
        assert market.deal_count == 0

    def test_another_masters_order_is_not_ones_own(self, market):
        ask = market.sell(1, 100, 2_000)
        assert passed_over(market, market.cancel, USER, [ask]) == [Reason.NOT_YOUR_ORDER]

    def test_a_batch_that_names_an_order_twice_cancels_it_once(self, market):
        ask = market.sell(1, 100, 2_000)
        assert passed_over(market, market.cancel, SOURCE, [ask, ask]) == [Reason.NOT_YOUR_ORDER]
        assert market.happened(OrderCancelled) == [OrderCancelled(ask)]

    def test_an_amended_order_gives_up_its_name(self, market):
        ask = market.sell(1, 100, 2_000)
        market.amend(SOURCE, ask, 50, 2_500, RECORD, NOW)
        assert broken_rule(market.amend, SOURCE, ask, 50, 2_500, RECORD, NOW) == "NotYourOrder"


def test_every_number_of_a_reason_or_state_is_one_the_contract_has():
    assert [*Reason] == [*range(20)]
    assert [*DealState] == [*range(6)]


@given(st.integers(0, 2**24 - 1), st.sampled_from(Side), st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1))
def test_an_order_id_packs_into_the_contracts_word_and_back(period, side, price_ticks, turn):
    order_id = OrderId(period, side, price_ticks, turn)
    assert OrderId.unpack(order_id.pack()) == order_id
    assert order_id.pack() < 2**64
