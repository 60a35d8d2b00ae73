// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBatches} from "../src/interfaces/IBatches.sol";
import {IConsortium, Settings} from "../src/interfaces/IConsortium.sol";
import {DealState, IEnergyMarket, Reason} from "../src/interfaces/IEnergyMarket.sol";
import {Order} from "../src/types/Order.sol";
import {OrderId, Side, halfBookOf, toOrderId} from "../src/types/OrderId.sol";
import {Request} from "../src/types/Request.sol";
import {NEXT_TURNS, RESERVED_TURNS} from "../src/libraries/Slots.sol";
import {MarketTest, toRequest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/// @title Orders: application, the search for a counterpart, legality
contract EnergyMarketTest is MarketTest {
    uint256 private constant OWN_TURNS = 128;

    // Matching

    function test_anOrderWithoutACounterpartWaits() public {
        vm.expectEmit(address(market));
        emit IEnergyMarket.OrderPlaced(toOrderId(PERIOD, Side.Ask, TICKS, 0), SELLER, SOLAR, WH, "record");
        OrderId id = _ask(SELLER, TICKS, WH);
        Order memory waiting = market.order(id);
        assertEq(waiting.trader, SELLER, "trader");
        assertEq(waiting.energyTypes, SOLAR, "energy type");
        assertEq(waiting.energyWh, WH, "energy");
        assertEq(waiting.openWh, WH, "open energy");
        assertEq(market.dealCount(), 0, "no deal");
        _assertFirstWaiting(Side.Ask, id);
    }

    function test_aBidBuysAtTheAsksPrice() public {
        OrderId ask = _ask(SELLER, TICKS - 100, WH);
        OrderId bid = _bid(BUYER, TICKS, WH);
        assertEq(market.dealCount(), 1, "one deal");
        _assertDeal(1, ask, bid, WH);
        assertEq(market.trader(BUYER).heldMoney, uint96(WH) * (TICKS - 100), "the ask's price is held");
        _assertNobodyWaits(Side.Ask);
        _assertNobodyWaits(Side.Bid);
    }

    function test_anIncomingAskAlsoSellsAtItsOwnPrice() public {
        OrderId bid = _bid(BUYER, TICKS, WH);
        vm.expectEmit(address(market));
        emit IEnergyMarket.IntentRecorded(
            1, toOrderId(PERIOD, Side.Ask, TICKS - 100, 0), bid, WH, TICKS - 100, uint40(block.timestamp) + COOLING_OFF
        );
        OrderId ask = _ask(SELLER, TICKS - 100, WH);
        _assertDeal(1, ask, bid, WH);
        assertEq(market.trader(BUYER).heldMoney, uint96(WH) * (TICKS - 100), "the ask's price is held");
    }

    function test_pricesThatDoNotCrossDoNotTrade() public {
        _ask(SELLER, TICKS + 1, WH);
        _bid(BUYER, TICKS, WH);
        assertEq(market.dealCount(), 0, "no deal");
    }

    function test_otherTypesAndOtherPeriodsDoNotTrade() public {
        _ask(SELLER, TICKS, WH);
        _place(toRequest(BUYER, Side.Bid, WIND, PERIOD, TICKS, WH));
        _place(toRequest(BUYER, Side.Bid, SOLAR, PERIOD + 1, TICKS, WH));
        assertEq(market.dealCount(), 0, "no deal");
    }

    function test_theBestPriceTradesFirstAndEqualPricesFirstComeFirstServed() public {
        OrderId dear = _ask(SELLER, TICKS, WH);
        OrderId early = _ask(OTHER_SELLER, TICKS - 1, WH);
        OrderId late = _ask(SELLER, TICKS - 1, WH);
        OrderId bid = _bid(BUYER, TICKS, 3 * WH - 1);
        _assertDeal(1, early, bid, WH);
        _assertDeal(2, late, bid, WH);
        _assertDeal(3, dear, bid, WH - 1);
        _assertOpen(dear, 1);
    }

    function test_anIncomingAskMeetsTheDearestBidFirst() public {
        OrderId low = _bid(BUYER, TICKS, WH);
        OrderId high = _bid(OTHER_BUYER, TICKS + 1, WH);
        OrderId ask = _ask(SELLER, TICKS, 2 * WH);
        _assertDeal(1, ask, high, WH);
        _assertDeal(2, ask, low, WH);
    }

    function test_aBidForSeveralTypesTakesTheCheapestThenTheEarliest() public {
        OrderId solar = _ask(SELLER, TICKS, WH);
        OrderId wind = _place(toRequest(OTHER_SELLER, Side.Ask, WIND, PERIOD, TICKS - 1, WH));
        OrderId lateWind = _place(toRequest(OTHER_SELLER, Side.Ask, WIND, PERIOD, TICKS, WH));
        OrderId bid = _place(toRequest(BUYER, Side.Bid, SOLAR | WIND, PERIOD, TICKS, 3 * WH));
        _assertDeal(1, wind, bid, WH);
        _assertDeal(2, solar, bid, WH);
        _assertDeal(3, lateWind, bid, WH);
    }

    function test_energyThatCostsNothingIsDealtToo() public {
        Settings memory settings = _settings();
        settings.floorTicks = 0;
        _change(settings);
        OrderId ask = _ask(SELLER, 0, 2 * WH);
        OrderId bid = _bid(BUYER, TICKS, WH);
        OrderId later = _bid(BUYER, TICKS, WH);
        assertEq(market.dealCount(), 2, "two deals");
        _assertDeal(1, ask, bid, WH);
        _assertDeal(2, ask, later, WH);
        assertEq(market.position(SELLER, PERIOD).heldWh, 2 * WH, "energy is held");
    }

    function test_ordersOfManyMasksAreServedInOneLine() public {
        uint8[4] memory masks = [SOLAR, SOLAR | WIND, SOLAR | 4, SOLAR | WIND | 128];
        OrderId[4] memory bids;
        for (uint16 i; i < 4; ++i) {
            bids[i] = _place(toRequest(BUYER, Side.Bid, masks[i], PERIOD, TICKS + (i == 3 ? 1 : 0), WH));
        }
        _place(toRequest(BUYER, Side.Bid, WIND, PERIOD, TICKS + 2, WH));
        OrderId ask = _ask(SELLER, TICKS, 4 * WH);
        _assertDeal(1, ask, bids[3], WH);
        _assertDeal(2, ask, bids[0], WH);
        _assertDeal(3, ask, bids[1], WH);
        _assertDeal(4, ask, bids[2], WH);
    }

    // Refusals

    function test_refusesAMalformedRequest() public {
        Request sound = toRequest(SELLER, Side.Ask, SOLAR, PERIOD, TICKS, WH);
        _expectRefused(Reason.MalformedRequest);
        _place(Request.wrap(Request.unwrap(sound) | 1 << 128));
        _expectRefused(Reason.MalformedRequest);
        _place(Request.wrap(Request.unwrap(sound) | 2 << 16));
    }

    function test_refusesAnOrderForATraderOfAnotherMaster() public {
        Request request = toRequest(SELLER, Side.Ask, SOLAR, PERIOD, TICKS, WH);
        _expectRefused(Reason.NotYourTrader);
        vm.prank(USER);
        market.placeOrder(request, "record");
    }

    function test_refusesAnUnknownTrader() public {
        Request request = toRequest(TRADERS + 1, Side.Ask, SOLAR, PERIOD, TICKS, WH);
        _expectRefused(Reason.NotYourTrader);
        vm.prank(USER);
        market.placeOrder(request, "record");
    }

    function test_refusesARoleThatMayNotTrade() public {
        Settings memory settings = _settings();
        settings.tradingRoles = 0x1c;
        _change(settings);
        _expectRefused(Reason.PartySuspended);
        _ask(SELLER, TICKS, WH);
    }

    function test_refusesOrdersOnceTheGateIsClosed() public {
        uint256 closure = uint256(PERIOD) * 900 - GATE_LEAD;
        vm.warp(closure - 1);
        _ask(SELLER, TICKS, WH);
        vm.warp(closure);
        _expectRefused(Reason.GateClosed);
        _ask(SELLER, TICKS, WH);
    }

    function test_refusesPricesOutOfBounds() public {
        _ask(SELLER, FLOOR, WH);
        _ask(SELLER, CAP, WH);
        _expectRefused(Reason.PriceOutOfBounds);
        _ask(SELLER, FLOOR - 1, WH);
        _expectRefused(Reason.PriceOutOfBounds);
        _ask(SELLER, CAP + 1, WH);
    }

    function test_refusesAnOrderWithoutEnergy() public {
        _expectRefused(Reason.EnergyTooSmall);
        _ask(SELLER, TICKS, 0);
    }

    function test_refusesAnOrderWithoutATypeAndAnAskWithTwo() public {
        _expectRefused(Reason.EnergyTypesInvalid);
        _place(toRequest(BUYER, Side.Bid, 0, PERIOD, TICKS, WH));
        _expectRefused(Reason.EnergyTypesInvalid);
        _place(toRequest(SELLER, Side.Ask, SOLAR | WIND, PERIOD, TICKS, WH));
    }

    function test_refusesAnOrderWhoseQueueIsFull() public {
        _fillQueue(Side.Ask, TICKS);
        _expectRefused(Reason.QueueFull);
        _ask(SELLER, TICKS, WH);
        _ask(SELLER, TICKS + 1, WH);
    }

    function test_aBadOrderDoesNotStopTheOthersOfItsBatch() public {
        (Request[] memory requests, bytes32[] memory records) = (new Request[](3), new bytes32[](3));
        requests[0] = toRequest(SELLER, Side.Ask, SOLAR, PERIOD, TICKS, WH);
        requests[1] = toRequest(SELLER, Side.Ask, SOLAR, PERIOD, TICKS, 0);
        requests[2] = toRequest(SELLER, Side.Ask, SOLAR, PERIOD, TICKS, 2 * WH);
        records[1] = "bad record";
        vm.expectEmit(address(market));
        emit IEnergyMarket.OrderRefused(1, 1, "bad record", Reason.EnergyTooSmall);
        vm.prank(SOURCE);
        market.placeOrders(requests, records);
        (OrderId[] memory ids,) = market.waitingOrders(PERIOD, Side.Ask, SOLAR, 0, 3);
        assertEq(ids.length, 2, "one was refused");
        _assertOpen(ids[0], WH);
        _assertOpen(ids[1], 2 * WH);
    }

    function test_aBatchNeedsARecordForEachRequest() public {
        vm.expectRevert(abi.encodeWithSelector(IBatches.LengthsDiffer.selector));
        vm.prank(SOURCE);
        market.placeOrders(new Request[](2), new bytes32[](1));
    }

    function test_onlyActiveMastersPlaceOrders() public {
        Request request = toRequest(SELLER, Side.Ask, SOLAR, PERIOD, TICKS, WH);
        _suspendAggregator();
        address[3] memory outsiders = [STRANGER, REGULATOR, AGGREGATOR];
        for (uint256 i; i < outsiders.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IConsortium.NotActiveMaster.selector, outsiders[i]));
            vm.prank(outsiders[i]);
            market.placeOrder(request, "record");
        }
    }

    // Candidates that are passed over

    function test_passesOverAnOrderOfTheSameTrader() public {
        OrderId own = _ask(BUYER, TICKS - 1, WH);
        OrderId ask = _ask(SELLER, TICKS, WH);
        _expectPassedOver(toOrderId(PERIOD, Side.Bid, TICKS, 0), own, Reason.SameUser);
        OrderId bid = _bid(BUYER, TICKS, WH);
        _assertDeal(1, ask, bid, WH);
        _assertOpen(own, WH);
    }

    function test_passesOverACandidateOutsideNewPriceBounds() public {
        OrderId cheap = _ask(OTHER_SELLER, TICKS - 1, WH);
        OrderId ask = _ask(SELLER, TICKS, WH);
        Settings memory settings = _settings();
        settings.floorTicks = TICKS;
        _change(settings);
        _expectPassedOver(toOrderId(PERIOD, Side.Bid, TICKS, 0), cheap, Reason.PriceOutOfBounds);
        _assertDeal(1, ask, _bid(BUYER, TICKS, WH), WH);
    }

    function test_passesOverASuspendedParty() public {
        OrderId suspended = _ask(OTHER_SELLER, TICKS - 1, WH);
        OrderId ask = _ask(SELLER, TICKS, WH);
        _suspendAggregator();
        _expectPassedOver(toOrderId(PERIOD, Side.Bid, TICKS, 0), suspended, Reason.PartySuspended);
        _assertDeal(1, ask, _bid(BUYER, TICKS, WH), WH);
    }

    function test_passesOverASellerBeyondItsQuota() public {
        OrderId poor = _ask(OTHER_SELLER, TICKS - 1, WH);
        OrderId ask = _ask(SELLER, TICKS, WH);
        _setQuota(OTHER_SELLER, 0);
        _expectPassedOver(toOrderId(PERIOD, Side.Bid, TICKS, 0), poor, Reason.BeyondQuota);
        _assertDeal(1, ask, _bid(BUYER, TICKS, WH), WH);
    }

    function test_passesOverABuyerWhoseDepositIsTooSmall() public {
        OrderId poor = _bid(OTHER_BUYER, TICKS + 1, WH);
        OrderId bid = _bid(BUYER, TICKS, WH);
        _leaveMoney(OTHER_BUYER, TICKS - 1);
        _expectPassedOver(toOrderId(PERIOD, Side.Ask, TICKS, 0), poor, Reason.DepositTooSmall);
        _assertDeal(1, _ask(SELLER, TICKS, WH), bid, WH);
    }

    function test_quotaAndDepositMayBeUsedToTheLast() public {
        _setQuota(SELLER, WH);
        _leaveMoney(BUYER, uint96(WH) * TICKS);
        OrderId ask = _ask(SELLER, TICKS, WH);
        _assertDeal(1, ask, _bid(BUYER, TICKS, WH), WH);
        assertEq(market.trader(BUYER).freeMoney, 0, "nothing free");
    }

    function test_whatOpenDealsHoldCountsAgainstTheQuota() public {
        _setQuota(SELLER, 2 * WH - 1);
        OrderId ask = _ask(SELLER, TICKS, 2 * WH);
        _bid(BUYER, TICKS, WH);
        _expectPassedOver(toOrderId(PERIOD, Side.Bid, TICKS, 1), ask, Reason.BeyondQuota);
        _bid(BUYER, TICKS, WH);
        assertEq(market.deal(2).energyWh, WH - 1, "what is left of it");
    }

    function test_moneyForAPartBuysThatPart() public {
        _leaveMoney(BUYER, 6 * TICKS + TICKS / 2);
        OrderId ask = _ask(SELLER, TICKS, 10);
        _assertDeal(1, ask, _bid(BUYER, TICKS, 10), 6);
        _assertOpen(ask, 4);
    }

    function test_theSearchStopsWhenTheIncomingSellerIsBeyondItsQuota() public {
        _bid(BUYER, TICKS, WH);
        _setQuota(SELLER, WH - 1);
        _expectStopped(toOrderId(PERIOD, Side.Ask, TICKS, 0), Reason.BeyondQuota);
        _assertOpen(_ask(SELLER, TICKS, WH), 1);
        assertEq(market.dealCount(), 1, "what the quota allows");
    }

    function test_theSearchStopsWhenTheIncomingBuyersDepositIsTooSmall() public {
        _ask(SELLER, TICKS, WH);
        _ask(SELLER, TICKS, WH);
        _leaveMoney(BUYER, 2 * uint96(WH) * TICKS - 1);
        _expectStopped(toOrderId(PERIOD, Side.Bid, TICKS, 0), Reason.DepositTooSmall);
        _assertOpen(_bid(BUYER, TICKS, 2 * WH), 1);
        assertEq(market.dealCount(), 2, "what the deposit paid for");
    }

    // The candidate limit

    function test_aSearchStopsAtTheCandidateLimitAndMatchOrderGoesOn() public {
        for (uint256 i; i < 2 * CANDIDATES; ++i) {
            _ask(OTHER_SELLER, TICKS, WH);
        }
        OrderId ask = _ask(SELLER, TICKS, WH);
        _suspendAggregator();

        _expectStopped(toOrderId(PERIOD, Side.Bid, TICKS, 0), Reason.CandidateLimit);
        OrderId bid = _bid(BUYER, TICKS, WH);
        _expectStopped(bid, Reason.CandidateLimit);
        vm.prank(GRID);
        market.matchOrder(bid);
        assertEq(market.dealCount(), 0, "only suspended sellers so far");

        vm.prank(GRID);
        market.matchOrder(bid);
        _assertDeal(1, ask, bid, WH);
        _assertOpen(bid, 0);
    }

    function test_aSearchThatWentThroughBeginsAgainAtTheBestPrice() public {
        OrderId ask = _ask(OTHER_SELLER, TICKS, WH);
        _setQuota(OTHER_SELLER, 1);
        OrderId bid = _bid(BUYER, TICKS, WH);
        assertEq(market.deal(1).energyWh, 1, "no more quota yet");
        _setQuota(OTHER_SELLER, QUOTA);
        vm.prank(GRID);
        market.matchOrder(bid);
        _assertDeal(2, ask, bid, WH - 1);
    }

    function test_legalCandidatesCountTowardsTheLimit() public {
        for (uint256 i; i <= CANDIDATES; ++i) {
            _ask(SELLER, TICKS, WH);
        }
        OrderId bid = _bid(BUYER, TICKS, (CANDIDATES + 1) * WH);
        assertEq(market.dealCount(), CANDIDATES, "deals within the limit");
        vm.prank(GRID);
        market.matchOrder(bid);
        assertEq(market.dealCount(), CANDIDATES + 1, "the rest");
    }

    function test_matchOrderRefusesWhatMayNotTradeAnyMore() public {
        OrderId id = _ask(OTHER_SELLER, TICKS, WH);
        OrderId unknown = toOrderId(PERIOD, Side.Ask, TICKS, 1);
        vm.expectRevert(abi.encodeWithSelector(IEnergyMarket.NotYourOrder.selector, unknown));
        vm.prank(GRID);
        market.matchOrder(unknown);

        _suspendAggregator();
        _expectRefused(Reason.PartySuspended);
        vm.prank(GRID);
        market.matchOrder(id);

        vm.warp(uint256(PERIOD) * 900 - GATE_LEAD);
        OrderId other = _placeInNextPeriod();
        vm.warp(uint256(PERIOD + 1) * 900 - GATE_LEAD);
        _expectRefused(Reason.GateClosed);
        vm.prank(GRID);
        market.matchOrder(other);
    }

    function test_matchOrderRefusesAnOrderThatIsAllTaken() public {
        OrderId id = _ask(SELLER, TICKS, WH);
        _bid(BUYER, TICKS, WH);
        _expectRefused(Reason.EnergyTooSmall);
        vm.prank(GRID);
        market.matchOrder(id);
    }

    function test_matchOrderServesAWaitingOrderOfAFullQueue() public {
        OrderId bid = _bid(BUYER, TICKS, WH);
        _leaveMoney(BUYER, TICKS);
        OrderId ask = _ask(SELLER, TICKS, WH);
        _fillQueue(Side.Bid, TICKS);
        vm.prank(USER);
        market.moveDeposit(BUYER + 4, BUYER, DEPOSIT);
        vm.prank(GRID);
        market.matchOrder(bid);
        _assertDeal(2, ask, bid, WH - 1);
    }

    // Amending and cancelling

    function test_anAmendedOrderGoesToTheEndOfItsNewQueueAndMatches() public {
        OrderId old = _ask(SELLER, TICKS + 1, WH);
        OrderId bid = _bid(BUYER, TICKS, WH);
        vm.expectEmit(address(market));
        emit IEnergyMarket.OrderCancelled(old);
        vm.prank(SOURCE);
        OrderId amended = market.amendOrder(old, 2 * WH, TICKS, "new record");
        assertEq(market.order(old).energyTypes, 0, "the old order is gone");
        _assertDeal(1, amended, bid, WH);
        _assertOpen(amended, WH);
    }

    function test_amendingAtTheSamePriceLosesTheTurn() public {
        OrderId first = _ask(SELLER, TICKS, WH);
        OrderId second = _ask(OTHER_SELLER, TICKS, WH);
        vm.prank(SOURCE);
        market.amendOrder(first, WH, TICKS, "new record");
        _assertFirstWaiting(Side.Ask, second);
    }

    function test_dealsOfAnAmendedOrderStandAndWhatComesBackStaysOut() public {
        OrderId old = _ask(SELLER, TICKS, 2 * WH);
        _bid(BUYER, TICKS, WH);
        vm.prank(SOURCE);
        OrderId amended = market.amendOrder(old, WH, TICKS, "new record");
        _assertState(1, DealState.Intent);
        _abandon(USER, 1, Side.Bid);
        _assertOpen(old, 0);
        _assertOpen(amended, WH);
    }

    function test_aRefusedAmendmentLeavesTheOrderAsItWas() public {
        OrderId id = _ask(SELLER, TICKS, WH);
        vm.expectEmit(address(market));
        emit IEnergyMarket.OrderRefused(1, 0, "new record", Reason.PriceOutOfBounds);
        vm.prank(SOURCE);
        OrderId amended = market.amendOrder(id, WH, CAP + 1, "new record");
        assertEq(OrderId.unwrap(amended), 0, "no new order");
        _assertFirstWaiting(Side.Ask, id);
    }

    function test_onlyItsMasterAmendsOrCancelsAnOrder() public {
        OrderId[] memory ids = new OrderId[](1);
        ids[0] = _ask(SELLER, TICKS, WH);
        vm.expectRevert(abi.encodeWithSelector(IEnergyMarket.NotYourOrder.selector, ids[0]));
        vm.prank(USER);
        market.amendOrder(ids[0], WH, TICKS, "new record");
        _expectOrderPassedOver(ids[0]);
        vm.prank(USER);
        market.cancelOrders(ids);
        _assertOpen(ids[0], WH);
    }

    function test_aCancelledOrderDoesNotTradeAndCannotBeCancelledAgain() public {
        OrderId id = _ask(SELLER, TICKS, WH);
        _cancel(id);
        _bid(BUYER, TICKS, WH);
        assertEq(market.dealCount(), 0, "no deal");
        OrderId[] memory ids = new OrderId[](1);
        ids[0] = id;
        _expectOrderPassedOver(id);
        vm.prank(SOURCE);
        market.cancelOrders(ids);
    }

    // Looking at the book

    function test_waitingOrdersAreListedPageByPage() public {
        OrderId third = _ask(SELLER, TICKS + 300, WH);
        OrderId first = _ask(SELLER, TICKS, WH);
        OrderId second = _ask(OTHER_SELLER, TICKS, WH);
        (OrderId[] memory ids, uint256 nextFrom) = market.waitingOrders(PERIOD, Side.Ask, SOLAR, 0, 2);
        assertEq(ids.length, 2, "one page");
        assertEq(ids[0], first, "best price, first come");
        assertEq(ids[1], second, "best price, second come");
        (ids, nextFrom) = market.waitingOrders(PERIOD, Side.Ask, SOLAR, nextFrom, 2);
        assertEq(ids.length, 1, "the last page");
        assertEq(ids[0], third, "the dearest");
        assertEq(nextFrom, type(uint256).max, "no more");
        (ids,) = market.waitingOrders(PERIOD, Side.Ask, SOLAR, nextFrom, 2);
        assertEq(ids.length, 0, "nothing after the end");
    }

    function _placeInNextPeriod() private returns (OrderId) {
        return _place(toRequest(SELLER, Side.Ask, SOLAR, PERIOD + 1, TICKS, WH));
    }

    /// @dev Pretends that the queue gave out all its turns.
    function _fillQueue(Side side, uint16 ticks) private {
        uint256 slot = NEXT_TURNS | halfBookOf(PERIOD, side) << 12 | ticks >> 4;
        uint256 word = uint256(type(uint16).max - 255 * OWN_TURNS) << ((ticks & 15) << 4);
        vm.store(address(market), bytes32(slot), bytes32(word));
        for (uint256 masterId = 1; masterId <= 4; ++masterId) {
            slot = RESERVED_TURNS | halfBookOf(PERIOD, side) << 32 | uint256(ticks) << 16 | masterId;
            vm.store(address(market), bytes32(slot), bytes32(OWN_TURNS));
        }
    }
}
