"""Steps 1 to 4 of the paper's section 3.4: application, counterpart, legality, intent."""

import pytest
from examples import GRID, NOW, PERIOD, RECORD, SOURCE, USER

from gridbourse.errors import MarketError, OrderRefused
from gridbourse.market.book import COMMON_TURNS, OWN_TURNS
from gridbourse.market.events import (
    CandidatePassedOver,
    DealConfirmed,
    IntentRecorded,
    MatchingStopped,
    OrderPlaced,
    TurnLost,
)
from gridbourse.market.events import OrderRefused as OrderRefusedInBatch
from gridbourse.market.types import DealState, EnergyType, OrderId, OrderRequest, Position, Reason, Role, Side
from gridbourse.units import PERIOD_SECONDS

PV, WIND, HYDRO = EnergyType.PV, EnergyType.WIND, EnergyType.HYDRO


def refusal(call, *arguments, **more):
    with pytest.raises(OrderRefused) as refused:
        call(*arguments, **more)
    return refused.value.reason


class TestPriceTimePriority:
    def test_the_cheapest_ask_comes_first(self, market):
        dear, cheap = market.sell(1, 100, 3_000), market.sell(2, 100, 2_000)
        market.buy(5, 150, 4_000)
        assert market.asks_of_deals() == [cheap, dear]

    def test_the_highest_bid_comes_first(self, market):
        low, high = market.buy(1, 100, 2_000), market.buy(2, 100, 3_000)
        market.sell(5, 150, 1_500)
        assert [deal.bid for deal in market.deals()] == [high, low]

    def test_at_one_price_the_earlier_order_comes_first(self, market):
        earlier, later = market.sell(1, 100, 2_000), market.sell(2, 100, 2_000)
        market.buy(5, 150, 2_000)
        assert market.asks_of_deals() == [earlier, later]

    def test_the_buyer_pays_the_sellers_price_whoever_came_first(self, market):
        market.sell(1, 100, 2_000)
        market.buy(5, 100, 3_000)
        market.buy(5, 100, 3_000)
        market.sell(1, 100, 2_500)
        assert [deal.price_ticks for deal in market.deals()] == [2_000, 2_500]

    def test_no_deal_above_the_bid(self, market):
        market.sell(1, 100, 2_001)
        bid = market.buy(5, 100, 2_000)
        assert market.deal_count == 0
        assert market.book[bid].open_wh == 100

    def test_what_finds_no_counterpart_waits(self, market):
        market.sell(1, 100, 2_000)
        bid = market.buy(5, 250, 2_000)
        assert list(market.book.waiting(PERIOD, Side.BID, PV)) == [bid]
        assert market.book[bid].open_wh == 150

    def test_orders_of_another_period_are_no_candidates(self, market):
        market.set_quotas(SOURCE, {(1, PERIOD + 1): 1_000})
        market.sell(1, 100, 2_000, period=PERIOD + 1)
        market.buy(5, 100, 2_000)
        assert market.deal_count == 0

    def test_an_amended_order_goes_to_the_end_of_the_new_queue(self, market):
        first, second = market.sell(1, 100, 2_000), market.sell(2, 100, 2_000)
        amended = market.amend(SOURCE, first, 100, 2_000, RECORD, NOW)
        market.buy(5, 150, 2_000)
        assert market.asks_of_deals() == [second, amended]


class TestEnergyTypes:
    def test_among_several_types_the_cheapest_ask_wins(self, market):
        market.sell(1, 100, 2_000, WIND)
        cheap = market.sell(2, 100, 1_900, PV)
        market.buy(5, 100, 3_000, WIND | PV)
        assert market.asks_of_deals() == [cheap]

    def test_at_equal_prices_of_several_types_the_earlier_ask_wins(self, market):
        earlier = market.sell(1, 100, 2_000, WIND)
        market.sell(2, 100, 2_000, PV)
        market.buy(5, 100, 3_000, WIND | PV)
        assert market.asks_of_deals() == [earlier]

    def test_a_type_the_buyer_did_not_name_is_no_candidate(self, market):
        market.sell(1, 100, 1_000, HYDRO)
        market.buy(5, 100, 3_000, WIND | PV)
        assert market.deal_count == 0

    def test_a_waiting_bid_meets_asks_of_each_type_it_names_and_is_used_up_once(self, market):
        market.buy(5, 100, 3_000, WIND | PV)
        market.sell(1, 60, 2_000, PV)
        market.sell(2, 60, 2_000, WIND)
        assert [deal.energy_wh for deal in market.deals()] == [60, 40]
        assert not list(market.book.waiting(PERIOD, Side.BID, WIND | PV))


class TestRefusedOrders:
    def test_trader_below_another_master(self, market):
        request = OrderRequest(1, Side.ASK, PV, PERIOD, 2_000, 100)
        assert refusal(market.place, USER, request, RECORD, NOW) is Reason.NOT_YOUR_TRADER

    def test_unknown_trader(self, market):
        request = OrderRequest(77, Side.ASK, PV, PERIOD, 2_000, 100)
        assert refusal(market.place, USER, request, RECORD, NOW) is Reason.NOT_YOUR_TRADER

    def test_role_that_may_not_trade(self, market):
        market.change_settings(trading_roles=frozenset({Role.SOURCE}))
        assert refusal(market.buy, 5, 100, 2_000) is Reason.PARTY_SUSPENDED

    @pytest.mark.parametrize(("seconds_before_the_gate", "closed"), [(1, False), (0, True), (-1, True)])
    def test_gate_closes_its_lead_before_the_period_begins(self, market, seconds_before_the_gate, closed):
        gate = PERIOD * PERIOD_SECONDS - market.consortium.settings.gate_lead_seconds
        now = gate - seconds_before_the_gate
        if closed:
            assert refusal(market.buy, 5, 100, 2_000, now=now) is Reason.GATE_CLOSED
        else:
            market.buy(5, 100, 2_000, now=now)

    @pytest.mark.parametrize("price_ticks", [999, 6_001])
    def test_price_outside_the_bounds(self, market, price_ticks):
        assert refusal(market.buy, 5, 100, price_ticks) is Reason.PRICE_OUT_OF_BOUNDS

    @pytest.mark.parametrize("price_ticks", [1_000, 6_000])
    def test_the_bounds_themselves_are_prices(self, market, price_ticks):
        assert market.buy(5, 100, price_ticks).price_ticks == price_ticks

    def test_no_energy(self, market):
        assert refusal(market.buy, 5, 0, 2_000) is Reason.ENERGY_TOO_SMALL

    def test_ask_of_two_types(self, market):
        assert refusal(market.sell, 1, 100, 2_000, PV | WIND) is Reason.ENERGY_TYPES_INVALID

    @pytest.mark.parametrize("side", Side)
    def test_no_type_at_all(self, market, side):
        request = OrderRequest(5, side, EnergyType(0), PERIOD, 2_000, 100)
        assert refusal(market.place, USER, request, RECORD, NOW) is Reason.ENERGY_TYPES_INVALID

    def test_full_queue_refuses_newcomers_and_matches_those_in_it(self, market):
        bid = market.buy(5, 100, 2_000)
        for _ in range(COMMON_TURNS + OWN_TURNS - 1):
            market.book.issue(PERIOD, Side.BID, 2_000, USER)
        assert refusal(market.buy, 6, 100, 2_000) is Reason.QUEUE_FULL
        market.match(USER, bid, NOW)

    def test_one_member_does_not_use_up_the_turns_of_another(self, market):
        for _ in range(COMMON_TURNS + OWN_TURNS):
            market.book.issue(PERIOD, Side.BID, 2_000, USER)
        assert refusal(market.buy, 5, 100, 2_000) is Reason.QUEUE_FULL
        for _ in range(OWN_TURNS):
            market.buy(1, 100, 2_000)
        assert refusal(market.buy, 1, 100, 2_000) is Reason.QUEUE_FULL

    def test_dust(self, market):
        market.change_settings(least_wh=100)
        assert refusal(market.buy, 5, 99, 2_000) is Reason.ENERGY_TOO_SMALL
        ask = market.sell(1, 150, 2_000)
        market.buy(5, 100, 2_000)
        market.buy(5, 100, 2_000)
        assert [deal.energy_wh for deal in market.deals()] == [100, 50]
        assert market.book[ask].open_wh == 0

    def test_a_bid_for_85_million_of_a_household_with_a_hundred_thousand(self, market):
        assert refusal(market.buy, 5, 10**9, 6_000) is Reason.DEPOSIT_TOO_SMALL
        market.buy(5, 333_333, 6_000)
        assert refusal(market.buy, 5, 333_334, 6_000) is Reason.DEPOSIT_TOO_SMALL

    def test_one_refused_order_of_a_batch_does_not_stop_the_others(self, market):
        good = OrderRequest(5, Side.BID, PV, PERIOD, 2_000, 100)
        bad = OrderRequest(5, Side.BID, PV, PERIOD, 2_000, 0)
        records = [bytes([turn]) * 32 for turn in range(3)]
        first, refused, last = market.place_many(USER, [good, bad, good], records, NOW)
        assert (first.turn, refused, last.turn) == (0, None, 1)
        assert market.happened(OrderRefusedInBatch) == [
            OrderRefusedInBatch(USER, 1, records[1], Reason.ENERGY_TOO_SMALL)
        ]

    def test_each_order_of_a_batch_needs_its_record(self, market):
        with pytest.raises(MarketError, match="LengthsDiffer"):
            market.place_many(USER, [OrderRequest(5, Side.BID, PV, PERIOD, 2_000, 100)], [], NOW)

    def test_a_suspended_master_places_nothing(self, market):
        market.consortium.suspend(USER)
        with pytest.raises(MarketError, match="NotActiveMaster"):
            market.buy(5, 100, 2_000)

    def test_an_amendment_that_is_refused_leaves_the_order_as_it_was(self, market):
        bid = market.buy(5, 100, 2_000)
        assert market.amend(USER, bid, 0, 2_000, RECORD, NOW) is None
        assert market.events[-1] == OrderRefusedInBatch(USER, 0, RECORD, Reason.ENERGY_TOO_SMALL)
        assert market.book[bid].open_wh == 100


class TestLegality:
    """An illegal candidate is passed over and the search goes on (paper, section 3.4, step 3)."""

    def expect_passed_over(self, market, illegal, reason):
        legal = market.sell(4, 100, 5_000)
        bid = market.buy(5, 100, 5_000)
        assert market.happened(CandidatePassedOver) == [CandidatePassedOver(bid, illegal, reason)]
        assert market.asks_of_deals() == [legal]
        assert (illegal in market.book) is (reason is not Reason.BEYOND_QUOTA)

    def test_own_order_is_passed_over(self, market):
        self.expect_passed_over(market, market.sell(5, 100, 2_000), Reason.SAME_USER)

    def test_price_that_a_later_vote_put_out_of_bounds_is_passed_over(self, market):
        ask = market.sell(1, 100, 2_000)
        market.change_settings(floor_ticks=2_001)
        self.expect_passed_over(market, ask, Reason.PRICE_OUT_OF_BOUNDS)

    def test_suspended_party_is_passed_over(self, market):
        ask = market.sell(1, 100, 2_000)
        market.consortium.suspend(SOURCE)
        self.expect_passed_over(market, ask, Reason.PARTY_SUSPENDED)

    def test_seller_beyond_its_quota_is_passed_over(self, market):
        ask = market.sell(1, 100, 2_000)
        market.set_quotas(SOURCE, {(1, PERIOD): 0})
        self.expect_passed_over(market, ask, Reason.BEYOND_QUOTA)

    def test_buyer_with_too_small_a_deposit_is_passed_over(self, market):
        poor, rich = market.buy(5, 100, 3_000), market.buy(6, 100, 2_500)
        market.withdraw(GRID, 5, market.trader(5).free_money - 1_999, RECORD)
        ask = market.sell(1, 100, 2_000)
        assert market.happened(CandidatePassedOver) == [CandidatePassedOver(ask, poor, Reason.DEPOSIT_TOO_SMALL)]
        assert [deal.bid for deal in market.deals()] == [rich]

    def test_who_has_no_means_left_loses_the_turn(self, market):
        poor = market.buy(5, 100, 3_000)
        market.withdraw(GRID, 5, market.trader(5).free_money - 2_999, RECORD)
        market.sell(1, 100, 3_000)
        assert market.happened(TurnLost) == [TurnLost(poor)]
        market.deposit(GRID, {5: 10**9}, RECORD)
        market.sell(1, 100, 2_000)
        assert market.deals() == []

    def test_means_that_deals_hold_are_not_lost(self, market):
        market.withdraw(GRID, 5, market.trader(5).free_money - 100 * 2_000, RECORD)
        market.buy(5, 100, 2_000)
        other = market.buy(5, 100, 2_000)
        market.sell(1, 100, 2_000)
        market.sell(1, 100, 2_000)
        assert market.book[other].open_wh == 100

    def test_a_deposit_that_just_covers_the_sellers_price_is_enough(self, market):
        market.withdraw(GRID, 5, market.trader(5).free_money - 100 * 2_000, RECORD)
        market.sell(1, 100, 2_000)
        market.buy(5, 100, 3_000)
        assert market.trader(5).free_money == 0
        assert market.trader(5).held_money == 100 * 2_000

    def test_a_bid_stops_at_the_first_ask_that_its_own_deposit_does_not_cover(self, market):
        market.sell(1, 100, 2_000)
        market.withdraw(GRID, 5, market.trader(5).free_money - 99 * 2_000, RECORD)
        bid = market.buy(5, 100, 3_000)
        assert market.happened(MatchingStopped) == [MatchingStopped(bid, Reason.DEPOSIT_TOO_SMALL)]
        assert market.book[bid].open_wh == 1

    def test_an_ask_stops_when_its_own_quota_is_used_up(self, market):
        market.buy(5, 100, 2_000)
        market.buy(6, 100, 2_000)
        market.set_quotas(SOURCE, {(1, PERIOD): 150})
        ask = market.sell(1, 200, 2_000)
        assert market.happened(MatchingStopped) == [MatchingStopped(ask, Reason.BEYOND_QUOTA)]
        assert [deal.energy_wh for deal in market.deals()] == [100, 50]

    def test_money_for_six_of_ten_buys_six(self, market):
        market.withdraw(GRID, 5, market.trader(5).free_money - 6 * 2_000 - 1_000, RECORD)
        ask, bid = market.sell(1, 10, 2_000), market.buy(5, 10, 2_000)
        assert [deal.energy_wh for deal in market.deals()] == [6]
        assert market.happened(MatchingStopped) == [MatchingStopped(bid, Reason.DEPOSIT_TOO_SMALL)]
        assert market.book[ask].open_wh == 4

    def test_what_open_deals_hold_counts_against_quota_and_deposit(self, market):
        market.set_quotas(SOURCE, {(1, PERIOD): 100})
        market.sell(1, 100, 2_000)
        market.buy(5, 60, 2_000)
        market.buy(6, 60, 2_000)
        assert [deal.energy_wh for deal in market.deals()] == [60, 40]
        assert market.position(1, PERIOD) == Position(quota_wh=100, held_wh=100)


class TestCandidateLimit:
    @pytest.fixture(autouse=True)
    def _two_candidates(self, market):
        market.change_settings(max_candidates=2)

    def test_search_stops_at_the_limit_and_match_goes_on_behind_it(self, market):
        asks = [market.sell(1 + turn % 2, 10, 2_000 + turn) for turn in range(5)]
        bid = market.buy(5, 50, 3_000)
        assert market.asks_of_deals() == asks[:2]
        market.match(SOURCE, bid, NOW)
        assert market.asks_of_deals() == asks[:4]
        market.match(SOURCE, bid, NOW)
        assert market.asks_of_deals() == asks
        assert market.happened(MatchingStopped) == [MatchingStopped(bid, Reason.CANDIDATE_LIMIT)] * 2

    def test_candidates_passed_over_count_so_that_no_book_can_block_the_search_for_good(self, market):
        for _ in range(3):
            market.sell(5, 10, 2_000)
        legal = market.sell(1, 10, 2_500)
        bid = market.buy(5, 10, 3_000)
        assert market.deal_count == 0
        market.match(GRID, bid, NOW)
        assert market.asks_of_deals() == [legal]

    def test_after_a_search_has_come_to_its_end_the_next_begins_at_the_best_price(self, market):
        for _ in range(3):
            market.sell(5, 10, 2_000)
        bid = market.buy(5, 10, 3_000)
        market.match(USER, bid, NOW)
        market.change_settings(max_candidates=9)
        passed_over = len(market.happened(CandidatePassedOver))
        market.match(USER, bid, NOW)
        assert len(market.happened(CandidatePassedOver)) == passed_over + 3

    def test_an_order_just_filled_by_its_last_allowed_candidate_has_not_met_the_limit(self, market):
        market.sell(1, 10, 2_000)
        market.sell(2, 10, 2_000)
        market.sell(1, 10, 2_000)
        market.buy(5, 20, 2_000)
        assert not market.happened(MatchingStopped)

    def test_nothing_is_matched_for_an_order_that_has_nothing_open(self, market):
        bid = market.buy(5, 10, 2_000)
        market.sell(1, 10, 2_000)
        assert refusal(market.match, USER, bid, NOW) is Reason.ENERGY_TOO_SMALL

    def test_an_order_that_never_was_is_nobodys(self, market):
        with pytest.raises(MarketError, match="NotYourOrder"):
            market.match(USER, OrderId(PERIOD, Side.BID, 2_000, 0), NOW)


class TestIntent:
    def test_an_intent_holds_money_and_energy_until_the_parties_decide(self, market):
        market.sell(1, 100, 2_000)
        before = market.trader(5)
        market.buy(5, 80, 3_000)
        assert market.trader(5).free_money == before.free_money - 80 * 2_000
        assert market.trader(5).held_money == 80 * 2_000
        assert market.position(1, PERIOD).held_wh == 80
        assert market.trader(1).held_money == 0

    def test_placing_tells_the_order_and_then_its_intents(self, market):
        ask = market.sell(1, 100, 2_000)
        told = len(market.events)
        bid = market.buy(5, 80, 3_000)
        assert market.events[told:] == [
            OrderPlaced(bid, 5, PV, 80, RECORD),
            IntentRecorded(1, ask, bid, 80, 2_000, NOW + 600),
        ]

    def test_without_cooling_off_time_a_deal_is_binding_at_once(self, market):
        market.change_settings(cooling_off_seconds=0)
        market.sell(1, 100, 2_000)
        market.buy(5, 100, 2_000)
        assert market.deal(1).state is DealState.CONFIRMED
        assert market.events[-1] == DealConfirmed(1)
        market.settle(GRID, [1])
        assert market.position(5, PERIOD).bought_wh == 100
