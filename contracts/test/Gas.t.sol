// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OrderId, Side, toOrderId} from "../src/types/OrderId.sol";
import {toRequest} from "../src/types/Request.sol";
import {BookHarness} from "./support/BookHarness.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @title Gas of the order book alone
/// @notice Every call is a transaction of its own (`isolate`): storage is cold, the 21,000 of a transaction and its
/// calldata are counted, refunds are taken. Figures go to `snapshots/book.json`.
/// forge-config: default.isolate = true
contract BookGasTest is Test {
    uint24 private constant PERIOD = 2_000_000;
    uint8 private constant SOLAR = 1;
    uint8 private constant WIND = 2;
    uint16 private constant TICKS = 3_700;
    uint40 private constant WH = 1_000;

    BookHarness private _book;

    function setUp() public {
        _book = new BookHarness();
    }

    function test_placing() public {
        _rest(PERIOD, Side.Ask, TICKS);
        vm.snapshotGasLastCall("book", "place, first order of a period");
        _rest(PERIOD, Side.Ask, TICKS + 16);
        vm.snapshotGasLastCall("book", "place, first order at its 16 prices");
        _rest(PERIOD, Side.Ask, TICKS);
        vm.snapshotGasLastCall("book", "place, others wait at its price");
    }

    function test_anExtraFillCosts8000() public {
        _restAsks(PERIOD, 11, 0);
        _restAsks(PERIOD + 1, 11, 0);
        uint256 one = _buy(PERIOD, 1, "one fill");
        uint256 ten = _buy(PERIOD + 1, 10, "ten fills");
        vm.snapshotValue("book", "extra fill", (ten - one) / 9);
        assertLe((ten - one) / 9, 8_000, "an extra fill");
        assertLe(ten, 153_999, "ten fills in one order");
    }

    function test_anExtraFillAtItsOwnPrice() public {
        _restAsks(PERIOD, 11, 1);
        _restAsks(PERIOD + 1, 11, 1);
        uint256 one = _buy(PERIOD, 1, "one fill, which empties its price");
        uint256 ten = _buy(PERIOD + 1, 10, "ten fills, which empty ten prices");
        vm.snapshotValue("book", "extra fill, which empties its price", (ten - one) / 9);
    }

    function test_tenFillsOfTheFirstBidAtIts16Prices() public {
        for (uint256 i; i <= 10; ++i) {
            _rest(PERIOD, Side.Ask, TICKS);
        }
        _trade(PERIOD, 10);
        vm.snapshotGasLastCall("book", "ten fills, first order at its 16 prices");
    }

    function test_aCancellationCosts28000() public {
        OrderId[3] memory ids;
        for (uint256 i; i < 3; ++i) {
            ids[i] = _rest(PERIOD, Side.Ask, TICKS);
        }
        OrderId lastAtItsPrice = _rest(PERIOD, Side.Ask, TICKS + 1);
        _book.remove(ids[1]);
        assertLe(vm.snapshotGasLastCall("book", "cancel, others wait at its price"), 28_000, "a cancellation");
        _book.remove(lastAtItsPrice);
        vm.snapshotGasLastCall("book", "cancel, the last at its price");
        _book.remove(ids[0]);
        _book.remove(ids[2]);
        vm.snapshotGasLastCall("book", "cancel, the last of its side");
    }

    /// @dev A bid of another type takes a turn where the measured one will enter: that queue is in use.
    function _restAsks(uint24 period, uint16 count, uint16 step) private {
        for (uint16 i; i < count; ++i) {
            _rest(period, Side.Ask, TICKS + step * i);
        }
        _book.rest(toRequest(toOrderId(period, Side.Bid, TICKS + count, 0), WIND, 1, WH));
    }

    function _rest(uint24 period, Side side, uint16 ticks) private returns (OrderId) {
        return _book.rest(toRequest(toOrderId(period, side, ticks, 0), SOLAR, 1, WH));
    }

    function _buy(uint24 period, uint40 fills, string memory name) private returns (uint256) {
        _trade(period, fills);
        return vm.snapshotGasLastCall("book", name);
    }

    function _trade(uint24 period, uint40 fills) private {
        _book.trade(toRequest(toOrderId(period, Side.Bid, TICKS + 11, 0), SOLAR, 2, fills * WH));
    }
}
