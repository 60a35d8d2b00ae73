// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Line, OrderBook} from "../../src/libraries/OrderBook.sol";
import {Order, OrderWord, orderAt} from "../../src/types/Order.sol";
import {MAX_TICKS, OrderId, Side, halfBookOf} from "../../src/types/OrderId.sol";
import {Request} from "../../src/types/Request.sol";
import {NEXT_TURNS, store} from "../../src/libraries/Slots.sol";

/// @title The order book alone: no members, no legality, no deals, no money, no events
contract BookHarness {
    using OrderBook for Line;

    uint16 private constant MASTER = 1;

    error QueueFull();

    /// @notice Match an order against the other side; what finds no counterpart waits.
    function trade(Request request) external returns (OrderId id) {
        id = _issue(request);
        uint256 openWh = request.energyWh();
        Line memory line = OrderBook.line(id.halfBook() ^ 1, request.energyTypes(), 0, MAX_TICKS ^ id.rank());
        while (openWh != 0 && line.first != OrderBook.NONE) {
            OrderId candidateId = line.firstId();
            OrderWord candidate = orderAt(candidateId);
            uint256 energyWh = candidate.openWh();
            if (openWh < energyWh) energyWh = openWh;
            OrderBook.take(candidateId, candidate, energyWh);
            unchecked {
                openWh -= energyWh;
            }
            if (openWh != 0) line.advance();
        }
        OrderBook.put(id, request, openWh);
    }

    function rest(Request request) external returns (OrderId id) {
        id = _issue(request);
        OrderBook.put(id, request, request.energyWh());
    }

    function take(OrderId id, uint256 energyWh) external {
        OrderBook.take(id, orderAt(id), energyWh);
    }

    function giveBack(OrderId id, uint256 energyWh) external returns (bool returned) {
        return OrderWord.unwrap(OrderBook.giveBack(id, energyWh)) != 0;
    }

    function remove(OrderId id) external {
        OrderBook.remove(id, orderAt(id));
    }

    /// @notice The place of the first waiting order at or after `from`.
    function next(uint24 period, Side side, uint8 energyTypes, uint256 from) external view returns (uint256) {
        uint256 first = OrderBook.line(halfBookOf(period, side), energyTypes, from, MAX_TICKS).first;
        return first == OrderBook.NONE ? first : first >> 8;
    }

    /// @notice The places of all waiting orders, first served first.
    function all(uint24 period, Side side, uint8 energyTypes) external view returns (uint256[] memory places) {
        places = new uint256[](100);
        uint256 count;
        Line memory line = OrderBook.line(halfBookOf(period, side), energyTypes, 0, MAX_TICKS);
        for (; line.first != OrderBook.NONE; line.advance()) {
            places[count++] = line.firstPlace();
        }
        assembly ("memory-safe") {
            mstore(places, count)
        }
    }

    function order(OrderId id) external view returns (Order memory) {
        return orderAt(id).unpack();
    }

    /// @notice Pretend that a queue has given out all turns before `turn`.
    function skipTurns(uint24 period, Side side, uint16 ticks, uint16 turn) external {
        store(NEXT_TURNS | halfBookOf(period, side) << 12 | ticks >> 4, uint256(turn) << ((ticks & 15) << 4));
    }

    function _issue(Request request) private returns (OrderId id) {
        bool full;
        (id, full) = OrderBook.issue(request, MASTER);
        if (full) revert QueueFull();
    }
}
