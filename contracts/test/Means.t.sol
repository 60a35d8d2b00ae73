// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Settings} from "../src/interfaces/IConsortium.sol";
import {IEnergyMarket, Reason} from "../src/interfaces/IEnergyMarket.sol";
import {FreeCapacity} from "../src/interfaces/ITransfers.sol";
import {OrderId, Side, toOrderId} from "../src/types/OrderId.sol";
import {MarketTest, toRequest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/// @title Nothing stands for nothing: what an order must be, keep and leave to others
contract MeansTest is MarketTest {
    uint32 private constant SELLERS_NEIGHBOUR = 5;
    uint8 private constant CITY = 7;

    /// @dev The neighbour is below the seller's master, but in another zone; so is the other buyer.
    function _zoneOf(uint32 trader) internal pure override returns (uint8) {
        return trader == SELLERS_NEIGHBOUR || trader == OTHER_BUYER ? CITY : 0;
    }

    // Size

    function test_dustIsRefused() public {
        _setBounds(100, 255);
        _expectRefused(Reason.EnergyTooSmall);
        _ask(SELLER, TICKS, 99);
        _ask(SELLER, TICKS, 100);
    }

    function test_whatIsLeftOfAnOrderMayBeLess() public {
        _setBounds(100, 255);
        OrderId ask = _ask(SELLER, TICKS, 150);
        _bid(BUYER, TICKS, 100);
        _assertOpen(ask, 50);
        _bid(BUYER, TICKS, 100);
        assertEq(market.deal(2).energyWh, 50, "the rest trades");
    }

    function test_anOrderIsNotAmendedToDust() public {
        _setBounds(100, 255);
        OrderId ask = _ask(SELLER, TICKS, 100);
        vm.prank(SOURCE);
        market.amendOrder(ask, 99, TICKS, "record");
        _assertOpen(ask, 100);
    }

    // Money

    /// @dev A household with 100,000 yuan stood in the book as best buyer for 85 million.
    function test_aBidIsWorthNoMoreThanSoManyTimesTheMoney() public {
        _setBounds(1, 2);
        _leaveMoney(BUYER, 100_000 * 1e7);
        _expectRefused(Reason.DepositTooSmall);
        _bid(BUYER, CAP, 94_000_000_000);
        _bid(BUYER, CAP, 2 * 111_111_111);
        _expectRefused(Reason.DepositTooSmall);
        _bid(BUYER, CAP, 2 * 111_111_111 + 2);
    }

    function testFuzz_noBidEntersThatIsWorthMore(uint40 energyWh, uint96 money, uint16 ticks, uint8 multiple) public {
        ticks = uint16(bound(ticks, FLOOR, CAP));
        (energyWh, multiple) = (uint40(bound(energyWh, 1, type(uint40).max)), uint8(bound(multiple, 1, 255)));
        money = uint96(bound(money, 0, DEPOSIT));
        _setBounds(1, multiple);
        _leaveMoney(BUYER, money);
        bool covered = uint256(energyWh) * ticks <= uint256(money) * multiple;
        if (!covered) _expectRefused(Reason.DepositTooSmall);
        OrderId bid = _bid(BUYER, ticks, energyWh);
        if (covered) _assertOpen(bid, energyWh);
    }

    // Turns

    function test_aBidThatLostItsMoneyLosesItsTurn() public {
        OrderId poor = _bid(OTHER_SELLER, TICKS, WH);
        _leaveMoney(OTHER_SELLER, TICKS - 1);
        vm.expectEmit(address(market));
        emit IEnergyMarket.TurnLost(poor);
        _ask(SELLER, TICKS, WH);
        vm.prank(GRID);
        market.deposit(_trader(OTHER_SELLER), _amount(DEPOSIT), "payment");
        _assertOpen(poor, 0);
        assertEq(market.dealCount(), 0, "money that comes back brings back no turn");
    }

    function test_anAskThatLostItsQuotaLosesItsTurn() public {
        OrderId poor = _ask(SELLER, TICKS, WH);
        _setQuota(SELLER, 0);
        vm.expectEmit(address(market));
        emit IEnergyMarket.TurnLost(poor);
        _bid(BUYER, TICKS, WH);
        _assertOpen(poor, 0);
    }

    /// @dev Else who makes a deal with somebody, to abandon it, takes the turns of that party's other orders.
    function test_whatDealsHoldCountsAsMeans() public {
        _leaveMoney(BUYER, uint96(WH) * TICKS);
        OrderId bid = _bid(BUYER, TICKS, WH);
        OrderId other = _bid(BUYER, TICKS, WH);
        _ask(SELLER, TICKS, WH);
        _ask(SELLER, TICKS, WH);
        _assertOpen(bid, 0);
        _assertOpen(other, WH);
    }

    function test_sixteenEmptyBidsHoldNobodyUpTwice() public {
        for (uint256 i; i < CANDIDATES; ++i) {
            _bid(OTHER_SELLER, TICKS + 1, WH);
        }
        _leaveMoney(OTHER_SELLER, 0);
        OrderId bid = _bid(BUYER, TICKS, 2 * WH);
        _expectStopped(toOrderId(PERIOD, Side.Ask, TICKS, 0), Reason.CandidateLimit);
        _ask(SELLER, TICKS, WH);
        _ask(SELLER, TICKS, WH);
        assertEq(market.deal(1).bidTurn, bid.turn(), "the next search meets the bid that has money");
    }

    // Transfer capacity

    /// @dev A master's own pair in two zones took all the capacity, and its money came back to it.
    function test_betweenZonesAMastersOwnTradesComeLast() public {
        _publish(WH);
        OrderId ask = _ask(SELLER, TICKS, WH);
        _expectPassedOver(toOrderId(PERIOD, Side.Bid, TICKS, 0), ask, Reason.OthersFirst);
        OrderId own = _bid(SELLERS_NEIGHBOUR, TICKS, WH);
        assertEq(market.transferCapacity(PERIOD, 0, CITY).usedWh, 0, "nothing is taken");
        vm.warp(uint256(PERIOD) * 900 - GATE_LEAD - 900);
        vm.prank(GRID);
        market.matchOrder(own);
        _assertDeal(1, ask, own, WH);
    }

    function testFuzz_othersFindTheCapacityWhole(uint256 moment, uint40 energyWh) public {
        uint256 last = uint256(PERIOD) * 900 - GATE_LEAD - 901;
        vm.warp(bound(moment, block.timestamp, last));
        energyWh = uint40(bound(energyWh, WH, 1e6));
        _publish(WH);
        _ask(SELLER, TICKS, energyWh);
        _bid(SELLERS_NEIGHBOUR, TICKS, energyWh);
        _ask(OTHER_SELLER, TICKS + 1, WH);
        _bid(OTHER_BUYER, TICKS + 2, WH);
        assertEq(market.dealCount(), 1, "one deal");
        assertEq(market.deal(1).buyer, OTHER_BUYER, "of two masters");
        assertEq(market.deal(1).energyWh, WH, "over all that may be carried");
    }

    function _setBounds(uint16 leastWh, uint8 bidMultiple) private {
        Settings memory settings = _settings();
        (settings.leastWh, settings.bidMultiple) = (leastWh, bidMultiple);
        _change(settings);
    }

    function _publish(uint64 capacityWh) private {
        FreeCapacity[] memory capacities = new FreeCapacity[](1);
        capacities[0] = FreeCapacity(PERIOD, 0, CITY, capacityWh);
        vm.prank(GRID);
        market.publishTransferCapacity(capacities);
    }

    function _trader(uint32 trader) private pure returns (uint32[] memory traders) {
        traders = new uint32[](1);
        traders[0] = trader;
    }

    function _amount(uint96 money) private pure returns (uint96[] memory moneys) {
        moneys = new uint96[](1);
        moneys[0] = money;
    }
}
