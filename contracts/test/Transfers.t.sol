// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IConsortium} from "../src/interfaces/IConsortium.sol";
import {DealState, Reason} from "../src/interfaces/IEnergyMarket.sol";
import {FreeCapacity, ITransfers, TransferCapacity} from "../src/interfaces/ITransfers.sol";
import {OrderId, Side} from "../src/types/OrderId.sol";
import {MarketTest, toRequest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/// @title Deals between the zones of the grid
contract TransfersTest is MarketTest {
    uint8 private constant NORTH = 0;
    uint8 private constant CITY = 7;

    /// @dev The buyers are in the city, the sellers in the north, and so is everybody else.
    function _zoneOf(uint32 trader) internal pure override returns (uint8) {
        return trader == BUYER || trader == OTHER_BUYER ? CITY : NORTH;
    }

    function test_nothingGoesBetweenZonesBeforeACapacityIsPublished() public {
        OrderId ask = _ask(SELLER, TICKS, WH);
        _expectPassedOver(_nextBid(TICKS), ask, Reason.NoTransferCapacity);
        OrderId bid = _bid(BUYER, TICKS, WH);
        assertEq(market.dealCount(), 0, "no deal");
        _assertFirstWaiting(Side.Ask, ask);
        _assertFirstWaiting(Side.Bid, bid);
    }

    function test_dealsTakeWhatIsPublishedAndNoMore() public {
        _publish(NORTH, CITY, 1_500);
        OrderId ask = _ask(SELLER, TICKS, 3 * WH);
        OrderId bid = _bid(BUYER, TICKS, WH);
        _assertDeal(1, ask, bid, WH);
        _assertTransfer(1_500, WH);
        _expectPassedOver(_nextBid(TICKS), ask, Reason.NoTransferCapacity);
        _assertDeal(2, ask, _bid(BUYER, TICKS, 501), 500);
        _assertTransfer(1_500, 1_500);
    }

    function test_anIncomingAskNeedsTheSameWay() public {
        _publish(NORTH, CITY, WH);
        OrderId bid = _bid(BUYER, TICKS, 2 * WH);
        OrderId ask = _ask(SELLER, TICKS, WH);
        _assertDeal(1, ask, bid, WH);
        _assertTransfer(WH, WH);
        _ask(SELLER, TICKS, 1);
        assertEq(market.dealCount(), 1, "the way is taken");
    }

    function test_theWayBackIsAnotherOne() public {
        _publish(CITY, NORTH, WH);
        _ask(SELLER, TICKS, WH);
        _bid(BUYER, TICKS, WH);
        assertEq(market.dealCount(), 0, "from the north to the city nothing was published");
        _ask(BUYER, TICKS - 1, WH);
        _bid(OTHER_SELLER, TICKS - 1, WH);
        assertEq(market.dealCount(), 1, "from the city to the north it was");
    }

    function test_withinAZoneThereIsNoLimit() public {
        OrderId ask = _ask(SELLER, TICKS, WH);
        OrderId bid = _bid(OTHER_SELLER, TICKS, WH);
        _assertDeal(1, ask, bid, WH);
    }

    function test_theSearchGoesOnToACandidateThatCanBeReached() public {
        OrderId far = _ask(SELLER, TICKS - 1, WH);
        OrderId near = _ask(OTHER_BUYER, TICKS, WH);
        _expectPassedOver(_nextBid(TICKS), far, Reason.NoTransferCapacity);
        OrderId bid = _bid(BUYER, TICKS, WH);
        _assertDeal(1, near, bid, WH);
    }

    function test_everyPeriodHasACapacityOfItsOwn() public {
        _publish(NORTH, CITY, WH);
        _setQuota(SELLER, PERIOD + 1, QUOTA);
        _place(toRequest(SELLER, Side.Ask, SOLAR, PERIOD + 1, TICKS, WH));
        _place(toRequest(BUYER, Side.Bid, SOLAR, PERIOD + 1, TICKS, WH));
        assertEq(market.dealCount(), 0, "nothing was published for the next period");
    }

    function test_anAbandonedDealGivesBack() public {
        _dealBetweenZones();
        _abandon(USER, 1, Side.Bid);
        _assertTransfer(WH, 0);
    }

    function test_anExpiredDealGivesBack() public {
        _dealBetweenZones();
        vm.warp(block.timestamp + COOLING_OFF + 1);
        _expire(1);
        _assertTransfer(WH, 0);
    }

    function test_aSettledDealKeepsItsWay() public {
        _dealBetweenZones();
        _confirmBoth(1);
        _settle(1);
        _assertTransfer(WH, WH);
    }

    function test_lessThanIsTakenEndsNoDealAndAllowsNone() public {
        _dealBetweenZones();
        _publish(NORTH, CITY, WH - 1);
        _assertTransfer(WH - 1, WH);
        _ask(SELLER, TICKS, 1);
        _bid(BUYER, TICKS, 1);
        assertEq(market.dealCount(), 1, "no further deal");
        _confirmBoth(1);
        _settle(1);
        _assertState(1, DealState.Settled);
        _publish(NORTH, CITY, WH + 1);
        _bid(BUYER, TICKS, 1);
        assertEq(market.dealCount(), 2, "until enough is free again");
    }

    function test_onlyTheDispatcherPublishes() public {
        FreeCapacity[] memory capacities = new FreeCapacity[](1);
        capacities[0] = FreeCapacity(PERIOD, NORTH, CITY, WH);
        vm.expectRevert(abi.encodeWithSelector(ITransfers.NotDispatcher.selector, SOURCE));
        vm.prank(SOURCE);
        market.publishTransferCapacity(capacities);
        vm.expectRevert(abi.encodeWithSelector(IConsortium.NotActiveMaster.selector, STRANGER));
        vm.prank(STRANGER);
        market.publishTransferCapacity(capacities);
        _carry(abi.encodeCall(IConsortium.changeDispatcher, (1)));
        vm.expectEmit(address(market));
        emit ITransfers.TransferCapacityPublished(PERIOD, NORTH, CITY, WH);
        vm.prank(SOURCE);
        market.publishTransferCapacity(capacities);
    }

    function test_aZoneHasNoLimitWithinItself() public {
        FreeCapacity[] memory capacities = new FreeCapacity[](1);
        capacities[0] = FreeCapacity(PERIOD, CITY, CITY, WH);
        vm.expectRevert(abi.encodeWithSelector(ITransfers.SameZone.selector, CITY));
        vm.prank(GRID);
        market.publishTransferCapacity(capacities);
    }

    function _dealBetweenZones() private {
        _publish(NORTH, CITY, WH);
        _ask(SELLER, TICKS, WH);
        _bid(BUYER, TICKS, WH);
        _assertTransfer(WH, WH);
    }

    /// @dev The id of the next bid that is placed at a price.
    function _nextBid(uint16 ticks) private view returns (OrderId) {
        (OrderId[] memory ids,) = market.waitingOrders(PERIOD, Side.Bid, type(uint8).max, 0, 10);
        uint16 turn;
        for (uint256 i; i < ids.length; ++i) {
            if (ids[i].priceTicks() == ticks) ++turn;
        }
        return OrderId.wrap(uint64(PERIOD) << 40 | 1 << 32 | uint64(ticks) << 16 | turn + uint64(market.dealCount()));
    }

    function _publish(uint8 fromZone, uint8 toZone, uint64 capacityWh) private {
        FreeCapacity[] memory capacities = new FreeCapacity[](1);
        capacities[0] = FreeCapacity(PERIOD, fromZone, toZone, capacityWh);
        vm.prank(GRID);
        market.publishTransferCapacity(capacities);
    }

    function _assertTransfer(uint64 capacityWh, uint64 usedWh) private view {
        TransferCapacity memory known = market.transferCapacity(PERIOD, NORTH, CITY);
        assertEq(known.capacityWh, capacityWh, "what was published");
        assertEq(known.usedWh, usedWh, "what deals have taken");
    }
}
