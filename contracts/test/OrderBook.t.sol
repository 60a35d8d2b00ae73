// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OrderBook} from "../src/libraries/OrderBook.sol";
import {OrderId, Side, halfBookOf, orderIdAt, toOrderId} from "../src/types/OrderId.sol";
import {Request, toRequest} from "../src/types/Request.sol";
import {BookHarness} from "./support/BookHarness.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @title The order book with orders of several masters
contract SharedBook is BookHarness {
    function restBelow(uint16 masterId, Request request) external returns (OrderId id) {
        bool full;
        (id, full) = OrderBook.issue(request, masterId);
        if (full) revert QueueFull();
        OrderBook.put(id, request, request.energyWh());
    }
}

contract OrderBookTest is Test {
    uint24 private constant PERIOD = 2_000_000;
    uint8 private constant SOLAR = 1;
    uint8 private constant WIND = 2;
    uint8 private constant HYDRO = 1 << 7;
    uint16 private constant TICKS = 3_700;
    uint256 private constant OPERATIONS = 60;
    uint16 private constant OWN_TURNS = 128;
    uint16 private constant COMMON_TURNS = type(uint16).max - 255 * OWN_TURNS;

    /// @dev What the naive model knows of an order; its number in the list is the order of arrival.
    struct Known {
        OrderId id;
        Side side;
        uint16 ticks;
        uint8 energyTypes;
        uint40 openWh;
        uint40 takenWh;
        bool removed;
    }

    SharedBook private _book;
    Known[] private _known;

    function setUp() public {
        _book = new SharedBook();
    }

    function test_anEmptyBookHasNoNextOrder() public view {
        assertEq(_book.next(PERIOD, Side.Ask, type(uint8).max, 0), OrderBook.NONE, "no order");
    }

    function test_equalPricesOfDifferentTypesAreServedFirstComeFirstServed() public {
        OrderId wind = _rest(Side.Ask, WIND, TICKS, 10);
        OrderId solar = _rest(Side.Ask, SOLAR, TICKS, 10);
        assertEq(_first(Side.Ask, SOLAR | WIND), wind, "the earlier");
        assertEq(_first(Side.Ask, SOLAR), solar, "the only one of its type");
        _book.take(wind, 10);
        assertEq(_first(Side.Ask, SOLAR | WIND), solar, "the later");
    }

    function test_aBidForSeveralTypesIsFoundUnderEachAndLeavesAll() public {
        OrderId id = _rest(Side.Bid, SOLAR | WIND | HYDRO, TICKS, 10);
        assertEq(_first(Side.Bid, SOLAR), id, "under the first type");
        assertEq(_first(Side.Bid, HYDRO), id, "under the last type");
        _book.take(id, 10);
        assertEq(_book.next(PERIOD, Side.Bid, SOLAR | WIND | HYDRO, 0), OrderBook.NONE, "gone from all");
        assertTrue(_book.giveBack(id, 4), "still stands");
        assertEq(_first(Side.Bid, WIND), id, "back under each type");
        _book.remove(id);
        assertEq(_book.next(PERIOD, Side.Bid, SOLAR | WIND | HYDRO, 0), OrderBook.NONE, "removed from all");
    }

    function test_whatComesBackHasItsOldTurn() public {
        OrderId early = _rest(Side.Ask, SOLAR, TICKS, 10);
        OrderId late = _rest(Side.Ask, SOLAR, TICKS, 10);
        _book.take(early, 10);
        assertEq(_first(Side.Ask, SOLAR), late, "the later while the earlier is taken");
        _book.giveBack(early, 1);
        assertEq(_first(Side.Ask, SOLAR), early, "the earlier again");
    }

    function test_aRemovedOrderGetsNothingBack() public {
        OrderId id = _rest(Side.Ask, SOLAR, TICKS, 10);
        _book.take(id, 6);
        _book.remove(id);
        assertFalse(_book.giveBack(id, 6), "no longer stands");
        assertEq(_book.order(id).openWh, 0, "nothing open");
        assertEq(_book.next(PERIOD, Side.Ask, SOLAR, 0), OrderBook.NONE, "nothing waits");
    }

    function test_periodsAndSidesDoNotMix() public {
        OrderId ask = _rest(Side.Ask, SOLAR, TICKS, 10);
        assertEq(_book.next(PERIOD, Side.Bid, SOLAR, 0), OrderBook.NONE, "other side");
        assertEq(_book.next(PERIOD + 1, Side.Ask, SOLAR, 0), OrderBook.NONE, "other period");
        assertEq(_first(Side.Ask, SOLAR), ask, "own half");
    }

    function testFuzz_nothingIsFoundFromBeyondTheLastPlace(uint256 from) public {
        _rest(Side.Ask, SOLAR, type(uint16).max, 10);
        from = bound(from, uint256(type(uint32).max) + 1, type(uint256).max - 1);
        assertEq(_book.next(PERIOD, Side.Ask, SOLAR, from), OrderBook.NONE, "no order");
    }

    function test_aQueueWhoseCommonTurnsAreUsedUpGivesEachMasterItsOwn() public {
        _book.skipTurns(PERIOD, Side.Ask, TICKS, COMMON_TURNS - 1);
        OrderId last;
        for (uint256 i; i <= OWN_TURNS; ++i) {
            last = _rest(Side.Ask, SOLAR, TICKS, 10);
        }
        assertEq(last.turn(), COMMON_TURNS + OWN_TURNS - 1, "the last turn that is its own");
        vm.expectRevert(abi.encodeWithSelector(BookHarness.QueueFull.selector));
        _rest(Side.Ask, SOLAR, TICKS, 10);
        assertEq(_rest(Side.Bid, SOLAR, TICKS, 10).turn(), 0, "the other side has turns");
        assertEq(_rest(Side.Ask, SOLAR, TICKS + 1, 10).turn(), 0, "the neighbouring price has turns");
    }

    /// @dev Whoever places how much, and takes it away again: the 128 turns of somebody else are still there.
    function testFuzz_nobodyUsesUpTheTurnsOfAnother(uint256 seed) public {
        _book.skipTurns(PERIOD, Side.Ask, TICKS, uint16(COMMON_TURNS - seed % 4));
        uint16 victim = uint16(1 + (seed >> 8) % 255);
        uint256 served;
        for (uint256 i; served < OWN_TURNS; ++i) {
            uint256 entropy = random(seed, i);
            uint16 masterId = entropy & 3 == 0 ? victim : uint16(1 + (entropy >> 8) % 255);
            try _book.restBelow(masterId, toRequest(toOrderId(PERIOD, Side.Ask, TICKS, 0), SOLAR, 1, 10)) returns (
                OrderId id
            ) {
                if (masterId == victim) ++served;
                if (entropy >> 16 & 1 == 0) _book.remove(id);
            } catch {
                assertTrue(masterId != victim, "its own turns are there");
            }
        }
    }

    /// @dev 255 masters take all that is their own: every turn is given out once, and the counter runs over nowhere.
    function test_theTurnsOfAllMastersFitIntoAQueue() public {
        _book.skipTurns(PERIOD, Side.Ask, TICKS, COMMON_TURNS);
        OrderId last;
        for (uint256 i; i < 255 * OWN_TURNS; ++i) {
            last = _book.restBelow(uint16(1 + i % 255), toRequest(toOrderId(PERIOD, Side.Ask, TICKS, 0), SOLAR, 1, 10));
        }
        assertEq(last.turn(), type(uint16).max - 1, "the last turn of all");
        assertEq(_rest(Side.Ask, SOLAR, TICKS + 1, 10).turn(), 0, "the neighbouring price has all its turns");
    }

    function testFuzz_ordersAreFoundInPriceTimeOrder(uint256 seed) public {
        for (uint256 i; i < OPERATIONS; ++i) {
            uint256 entropy = random(seed, i);
            uint256 action = entropy % 6;
            if (action < 3 || _known.length == 0) _restKnown(entropy >> 8);
            else _change(_known[(entropy >> 8) % _known.length], action, entropy >> 16);
            Side side = entropy >> 32 & 1 == 0 ? Side.Ask : Side.Bid;
            uint8 energyTypes = uint8(entropy >> 33 & 7);
            uint256 from = entropy >> 40 & 1 == 0
                ? 0
                : (side == Side.Ask ? TICKS + 5 : type(uint16).max - TICKS - 5) << 16 | entropy >> 41 & 3;
            assertEq(
                _book.next(PERIOD, side, energyTypes, from), _naiveNext(side, energyTypes, from), "next in the book"
            );
        }
    }

    function _restKnown(uint256 entropy) private {
        Side side = entropy & 1 == 0 ? Side.Ask : Side.Bid;
        uint8 energyTypes = uint8(side == Side.Ask ? 1 << (entropy >> 1) % 3 : 1 + (entropy >> 1) % 7);
        uint16 ticks = uint16(TICKS + (entropy >> 8) % 10);
        uint40 energyWh = uint40(1 + (entropy >> 16) % 100);
        _known.push(Known(_rest(side, energyTypes, ticks, energyWh), side, ticks, energyTypes, energyWh, 0, false));
    }

    function _change(Known storage known, uint256 action, uint256 entropy) private {
        if (known.removed) {
            assertFalse(_book.giveBack(known.id, 1), "a removed order gets nothing back");
        } else if (action == 3) {
            _book.remove(known.id);
            known.removed = true;
        } else if (action == 4) {
            uint40 energyWh = entropy & 1 == 0 ? known.openWh : uint40((entropy >> 1) % (uint256(known.openWh) + 1));
            if (energyWh == 0) return;
            _book.take(known.id, energyWh);
            known.openWh -= energyWh;
            known.takenWh += energyWh;
        } else if (known.takenWh != 0) {
            assertTrue(_book.giveBack(known.id, known.takenWh), "a standing order gets it back");
            known.openWh += known.takenWh;
            known.takenWh = 0;
        }
    }

    /// @dev Looks through all orders; equal prices go by arrival, which is the place in the list.
    function _naiveNext(Side side, uint8 energyTypes, uint256 from) private view returns (uint256 best) {
        best = OrderBook.NONE;
        for (uint256 i; i < _known.length; ++i) {
            Known memory known = _known[i];
            bool waits = !known.removed && known.openWh != 0 && known.side == side;
            if (!waits || known.energyTypes & energyTypes == 0 || known.id.place() < from) continue;
            if (best != OrderBook.NONE) {
                uint16 bestTicks = orderIdAt(halfBookOf(PERIOD, side), best).priceTicks();
                if (side == Side.Ask ? known.ticks >= bestTicks : known.ticks <= bestTicks) continue;
            }
            best = known.id.place();
        }
    }

    function _rest(Side side, uint8 energyTypes, uint16 ticks, uint40 energyWh) private returns (OrderId) {
        return _book.rest(toRequest(toOrderId(PERIOD, side, ticks, 0), energyTypes, 1, energyWh));
    }

    function _first(Side side, uint8 energyTypes) private view returns (OrderId) {
        return orderIdAt(halfBookOf(PERIOD, side), _book.next(PERIOD, side, energyTypes, 0));
    }
}
