// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Auction} from "../src/Auction.sol";
import {
    ClearedSide,
    Fault,
    IAuction,
    NewOrder,
    Rationing,
    Session,
    SessionState,
    TieRule
} from "../src/interfaces/IAuction.sol";
import {NO_PRICE} from "../src/libraries/ClearingCheck.sol";
import {AuctionOrder} from "../src/types/AuctionOrder.sol";
import {AuctionLedger} from "./support/AuctionLedger.sol";
import {SimpleClearing} from "./support/SimpleClearing.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

contract AuctionTest is Test {
    uint24 private constant PERIOD = 1_888_992;
    uint256 private constant GATE_LEAD = 3_600;
    uint256 private constant CLEARING = 1_800;
    uint256 private constant GATE = uint256(PERIOD) * 900 - GATE_LEAD;
    uint32 private constant TRADERS = 6;
    uint128 private constant DEPOSIT = 1_000_000;
    uint64 private constant QUOTA = 10_000;
    address private constant STRANGER = address(0xbad);

    AuctionLedger private _ledger;
    Auction private _auction;

    function setUp() public {
        _open(TieRule.Middle, Rationing.ProRata);
    }

    /// @notice The paper's ten orders: 680 kWh at 0.37, as in the reference.
    function test_thePapersBook() public {
        uint16[6] memory asks = [4_100, 3_900, 4_300, 3_700, 3_700, 3_600];
        uint24[6] memory askWh = [240, 280, 700, 230, 150, uint24(300)];
        uint16[4] memory bids = [3_700, 4_000, 4_100, uint16(3_300)];
        uint24[4] memory bidWh = [600, 360, 240, uint24(350)];
        for (uint32 i; i < TRADERS; ++i) {
            _ledger.open(i + 1, address(this), 10_000_000_000);
        }
        for (uint32 i; i < 6; ++i) {
            _place(i + 1, true, int24(uint24(asks[i])), uint40(askWh[i]));
        }
        for (uint32 i; i < 4; ++i) {
            _place(i + 1, false, int24(uint24(bids[i])), uint40(bidWh[i]));
        }
        vm.warp(GATE);
        ClearedSide memory sold = _cleared(380, 380);
        sold.entries = bytes.concat(_entry(5, 300), _entry(3, 230), _entry(4, 150));
        sold.entries = bytes.concat(sold.entries, _entry(1, 0), _entry(0, 0), _entry(2, 0));
        ClearedSide memory bought = _cleared(600, 80);
        bought.entries = bytes.concat(_entry(2, 240), _entry(1, 360), _entry(0, 80), _entry(3, 0));
        vm.expectEmit(address(_auction));
        emit IAuction.SessionCleared(PERIOD, 3_700, 680, STRANGER);
        vm.prank(STRANGER);
        _auction.submitClearing(PERIOD, 3_700, sold, bought);
        (,,, uint256 boughtWh) = _ledger.claims(2, PERIOD);
        assertEq(boughtWh, 360, "User 2");
        (uint256 money,) = _ledger.money(6);
        assertEq(money, 10_000_000_000 + 300 * 3_700, "User 10 is paid the clearing price");
        uint24[] memory turns = new uint24[](1);
        for (uint24 i = 3; i < 6; ++i) {
            turns[0] = i;
            vm.expectRevert(abi.encodeWithSelector(IAuction.NothingToRelease.selector, i));
            _auction.releaseOrders(PERIOD, true, turns);
        }
        turns[0] = 1;
        _auction.releaseOrders(PERIOD, true, turns);
    }

    function test_aWrongClearingIsRefusedWithTheReasonAndChangesNothing() public {
        _place(1, true, 5, 10);
        _place(2, false, 7, 10);
        vm.warp(GATE);
        ClearedSide memory sold = _one(0);
        ClearedSide memory bought = _one(0);
        _refused(NO_PRICE, sold, bought, Fault.MoreCanBeTraded);
        sold = _one(10);
        _refused(6, sold, bought, Fault.BidAbovePriceRejected);
        bought = _one(10);
        _refused(5, sold, bought, Fault.WronglyRationed);
        sold = _one(11);
        _refused(6, sold, bought, Fault.MoreThanOrdered);
        assertEq(uint256(_auction.session(PERIOD).state), uint256(SessionState.Open), "still open");
        sold = _one(10);
        _auction.submitClearing(PERIOD, 6, sold, bought);
        Session memory session = _auction.session(PERIOD);
        assertEq(uint256(session.state), uint256(SessionState.Cleared), "cleared");
        assertEq(session.volumeWh, 10, "volume");
        vm.expectRevert(abi.encodeWithSelector(IAuction.WrongState.selector, PERIOD, SessionState.Cleared));
        _auction.submitClearing(PERIOD, 6, sold, bought);
    }

    function test_nothingEntersOrLeavesBetweenGateAndResult() public {
        _place(1, true, 5, 10);
        NewOrder[] memory late = _orders(2, false, 7, 10);
        ClearedSide memory none = _cleared(0, 0);
        vm.expectRevert(abi.encodeWithSelector(IAuction.GateOpen.selector, PERIOD));
        _auction.submitClearing(PERIOD, NO_PRICE, none, none);
        vm.warp(GATE);
        vm.expectRevert(abi.encodeWithSelector(IAuction.GateClosed.selector, PERIOD));
        _auction.placeOrders(late);
        vm.expectRevert(abi.encodeWithSelector(IAuction.GateClosed.selector, PERIOD));
        _auction.cancelOrder(PERIOD, true, 0);
        uint24[] memory turns = new uint24[](1);
        vm.expectRevert(abi.encodeWithSelector(IAuction.WrongState.selector, PERIOD, SessionState.Open));
        _auction.releaseOrders(PERIOD, true, turns);
        vm.expectRevert(abi.encodeWithSelector(IAuction.NotOverdue.selector, PERIOD));
        _auction.voidSession(PERIOD);
    }

    function test_aSessionWithoutAClearingIsVoidedAndEverybodyGetsBackWhatItHeld() public {
        _place(1, true, -5, 10);
        _place(2, false, 7, 10);
        vm.warp(GATE + CLEARING);
        vm.prank(STRANGER);
        _auction.voidSession(PERIOD);
        ClearedSide memory one = _one(0);
        vm.expectRevert(abi.encodeWithSelector(IAuction.WrongState.selector, PERIOD, SessionState.Voided));
        _auction.submitClearing(PERIOD, 6, one, one);
        uint24[] memory turns = new uint24[](1);
        _auction.releaseOrders(PERIOD, true, turns);
        _auction.releaseOrders(PERIOD, false, turns);
        _assertNothingHeld();
        vm.expectRevert(abi.encodeWithSelector(IAuction.NothingToRelease.selector, 0));
        _auction.releaseOrders(PERIOD, false, turns);
    }

    function test_ordersOutsideTheMarketsBoundsAreRefused() public {
        NewOrder[] memory orders = _orders(1, true, 65_536, 10);
        vm.expectRevert(abi.encodeWithSelector(IAuction.PriceOutOfBounds.selector, int24(65_536)));
        _auction.placeOrders(orders);
        orders[0].priceTicks = -65_536;
        vm.expectRevert(abi.encodeWithSelector(IAuction.PriceOutOfBounds.selector, int24(-65_536)));
        _auction.placeOrders(orders);
        (orders[0].priceTicks, orders[0].energyWh) = (5, 0);
        vm.expectRevert(abi.encodeWithSelector(IAuction.EnergyZero.selector));
        _auction.placeOrders(orders);
        orders[0].energyWh = 10;
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(AuctionLedger.NotYours.selector, STRANGER, 1));
        _auction.placeOrders(orders);
    }

    function test_onlyWhoMayTradeForItWithdrawsAnOrder() public {
        _place(1, true, 5, 10);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IAuction.NotYourOrder.selector, STRANGER, 0));
        _auction.cancelOrder(PERIOD, true, 0);
        _auction.cancelOrder(PERIOD, true, 0);
        _assertNothingHeld();
        vm.expectRevert(abi.encodeWithSelector(IAuction.NothingToRelease.selector, 0));
        _auction.cancelOrder(PERIOD, true, 0);
    }

    /// @notice Whatever the orders are: a right clearing is taken, money and energy are conserved, and after all orders
    /// that were not served are released nothing is held.
    function testFuzz_moneyAndEnergyAreConserved(uint256 seed) public {
        TieRule tieRule = TieRule(random(seed, 0) % 3);
        Rationing rationing = Rationing(random(seed, 1) % 2);
        _open(tieRule, rationing);
        uint256 count = random(seed, 2) % 14;
        for (uint256 i; i < count; ++i) {
            uint256 drawn = random(seed, 10 + i);
            int24 priceTicks = int24(int256(drawn >> 8) % 8);
            _place(uint32(drawn % TRADERS) + 1, drawn >> 16 & 1 == 0, priceTicks, uint40(drawn >> 24 & 15) + 1);
        }
        if (_auction.orderCount(PERIOD, true) != 0) _auction.cancelOrder(PERIOD, true, 0);
        vm.warp(GATE);
        (int24 price, ClearedSide memory asks, ClearedSide memory bids) =
            SimpleClearing.clear(_side(true), _side(false), tieRule, rationing);
        _auction.submitClearing(PERIOD, price, asks, bids);
        _releaseAll(true);
        _releaseAll(false);
        _assertNothingHeld();
        uint256 money;
        uint256 soldWh;
        uint256 boughtWh;
        for (uint32 i = 1; i <= TRADERS; ++i) {
            (uint256 own,) = _ledger.money(i);
            (,, uint256 ownSold, uint256 ownBought) = _ledger.claims(i, PERIOD);
            (money, soldWh, boughtWh) = (money + own, soldWh + ownSold, boughtWh + ownBought);
        }
        assertEq(money, uint256(DEPOSIT) * TRADERS, "money");
        assertEq(soldWh, boughtWh, "energy");
        assertEq(soldWh, _auction.session(PERIOD).volumeWh, "volume");
    }

    function _open(TieRule tieRule, Rationing rationing) private {
        vm.warp(GATE - 1);
        _ledger = new AuctionLedger();
        _auction = new Auction(_ledger, tieRule, rationing, GATE_LEAD, CLEARING);
        _ledger.trust(address(_auction));
        for (uint32 i = 1; i <= TRADERS; ++i) {
            _ledger.open(i, address(this), DEPOSIT);
            _ledger.grant(i, PERIOD, QUOTA);
        }
    }

    function _place(uint32 trader, bool sells, int24 priceTicks, uint40 energyWh) private {
        _auction.placeOrders(_orders(trader, sells, priceTicks, energyWh));
    }

    function _orders(uint32 trader, bool sells, int24 priceTicks, uint40 energyWh)
        private
        pure
        returns (NewOrder[] memory orders)
    {
        orders = new NewOrder[](1);
        orders[0] = NewOrder(PERIOD, trader, sells, priceTicks, energyWh, bytes32(uint256(1)));
    }

    function _refused(int24 priceTicks, ClearedSide memory asks, ClearedSide memory bids, Fault fault) private {
        vm.expectRevert(abi.encodeWithSelector(IAuction.WrongClearing.selector, fault));
        _auction.submitClearing(PERIOD, priceTicks, asks, bids);
    }

    function _cleared(uint64 energyWh, uint64 acceptedWh) private pure returns (ClearedSide memory side) {
        (side.margin.energyWh, side.margin.acceptedWh) = (energyWh, acceptedWh);
    }

    /// @dev A side of one order, none of it at the price.
    function _one(uint64 acceptedWh) private pure returns (ClearedSide memory side) {
        side.entries = bytes.concat(_entry(0, acceptedWh));
    }

    function _entry(uint64 turn, uint64 acceptedWh) private pure returns (bytes8) {
        return bytes8(turn << 40 | acceptedWh);
    }

    function _side(bool sells) private view returns (AuctionOrder[] memory orders) {
        orders = new AuctionOrder[](_auction.orderCount(PERIOD, sells));
        for (uint24 i; i < orders.length; ++i) {
            orders[i] = _auction.order(PERIOD, sells, i);
        }
    }

    function _releaseAll(bool sells) private {
        uint24[] memory turns = new uint24[](1);
        for (uint24 i; i < _auction.orderCount(PERIOD, sells); ++i) {
            turns[0] = i;
            try _auction.releaseOrders(PERIOD, sells, turns) {} catch {}
        }
    }

    function _assertNothingHeld() private view {
        for (uint32 i = 1; i <= TRADERS; ++i) {
            (, uint256 held) = _ledger.money(i);
            (, uint256 heldWh,,) = _ledger.claims(i, PERIOD);
            assertEq(held + heldWh, 0, "nothing is held");
        }
    }
}
