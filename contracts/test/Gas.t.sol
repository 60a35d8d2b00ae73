// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Order} from "../src/libraries/OrderBook.sol";
import {OrderId, Side} from "../src/libraries/OrderId.sol";
import {BookHarness} from "./support/BookHarness.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @title Gas of the order book alone
/// @notice Every call is a transaction of its own (`isolate`): cold storage, 21,000 and calldata counted, refunds taken.
/// forge-config: default.isolate = true
contract BookGasTest is Test {
    uint24 private constant PERIOD = 2_000_000;
    uint16 private constant SOLAR = 1;
    uint16 private constant TICKS = 3_700;

    BookHarness private _book;
    OrderId private _first;

    function setUp() public {
        _book = new BookHarness();
        _first = _rest(Side.Ask, TICKS);
        // A market in use: waiting orders behind the ones that are measured, and a bid queue that has been used.
        for (uint16 i; i < 20; ++i) {
            _rest(Side.Ask, TICKS);
        }
        for (uint16 i = 1; i < 20; ++i) {
            _rest(Side.Ask, TICKS + 16 * i);
        }
        _rest(Side.Ask, TICKS + 5000);
        _rest(Side.Ask, TICKS + 5000);
        _rest(Side.Bid, TICKS - 1);
        _rest(Side.Bid, TICKS);
    }

    function test_resting() public {
        _book.rest(PERIOD, Side.Ask, TICKS, Order(1, SOLAR, 100, 100));
        vm.snapshotGasLastCall("book", "rest");
    }

    function test_restingFresh() public {
        _book.rest(PERIOD, Side.Ask, 60000, Order(1, SOLAR, 100, 100));
        vm.snapshotGasLastCall("book", "rest new price");
    }

    function test_fill1() public {
        _fill(TICKS, 100, "fill 1");
    }

    function test_fill2() public {
        _fill(TICKS, 200, "fill 2");
    }

    function test_fill10() public {
        _fill(TICKS, 1000, "fill 10");
    }

    function test_fill21() public {
        _fill(TICKS + 6000, 2100, "fill 21");
    }

    function test_fill22() public {
        _fill(TICKS + 6000, 2200, "fill 22, second level");
    }

    function test_fill23() public {
        _fill(TICKS + 6000, 2300, "fill 23, third level");
    }

    function test_fill31() public {
        _fill(TICKS + 6000, 3100, "fill 31, third level");
    }

    function test_cancel() public {
        _book.remove(_first);
        vm.snapshotGasLastCall("book", "cancel");
    }

    function _fill(uint16 ticks, uint40 e, string memory name) private {
        _book.trade(PERIOD, Side.Bid, ticks, Order(1, SOLAR, e, e));
        vm.snapshotGasLastCall("book", name);
    }

    function _rest(Side side, uint16 ticks) private returns (OrderId) {
        if (side == Side.Bid) return _book.rest(PERIOD + 1, side, ticks, Order(1, SOLAR, 100, 100));
        return _book.rest(PERIOD, side, ticks, Order(1, SOLAR, 100, 100));
    }
}
