// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Order, OrderBook} from "../../src/libraries/OrderBook.sol";
import {MAX_TICKS, OrderId, Side, orderAt} from "../../src/libraries/OrderId.sol";

/// @title The order book alone: no members, no legality, no deals, no money, no events
contract BookHarness {
    using OrderBook for OrderBook.Book;

    OrderBook.Book private _book;

    /// @notice Match an order against the other side; what finds no counterpart waits.
    function trade(uint24 period, Side side, uint16 ticks, Order memory incoming) external returns (OrderId id) {
        id = _book.issue(period, side, ticks);
        Side opposite = side == Side.Ask ? Side.Bid : Side.Ask;
        uint256 worstRank = side == Side.Ask ? MAX_TICKS - ticks : ticks;
        uint256 place;
        while (incoming.openWh != 0) {
            place = _book.next(period, opposite, incoming.energyTypes, place);
            if (place == OrderBook.NONE || place >> 16 > worstRank) break;
            OrderId candidateId = orderAt(period, opposite, place);
            uint40 openWh = _book.orders[candidateId].openWh;
            uint40 energyWh = incoming.openWh < openWh ? incoming.openWh : openWh;
            _book.take(candidateId, energyWh);
            incoming.openWh -= energyWh;
        }
        _book.put(id, incoming);
    }

    function rest(uint24 period, Side side, uint16 ticks, Order memory incoming) external returns (OrderId id) {
        id = _book.issue(period, side, ticks);
        _book.put(id, incoming);
    }

    function take(OrderId id, uint256 energyWh) external {
        _book.take(id, energyWh);
    }

    function giveBack(OrderId id, uint256 energyWh) external returns (bool returned) {
        return _book.giveBack(id, energyWh);
    }

    function remove(OrderId id) external {
        _book.remove(id);
    }

    function next(uint24 period, Side side, uint16 energyTypes, uint256 from) external view returns (uint256) {
        return _book.next(period, side, energyTypes, from);
    }

    function isFull(uint24 period, Side side, uint16 ticks) external view returns (bool) {
        return _book.isFull(period, side, ticks);
    }

    function order(OrderId id) external view returns (Order memory) {
        return _book.orders[id];
    }

    /// @notice Pretend that a queue has given out all turns before `turn`.
    function skipTurns(uint24 period, Side side, uint16 ticks, uint16 turn) external {
        _book.nextTurns[uint256(period) << 20 | uint256(side) << 12 | ticks >> 4] = uint256(turn) << ((ticks & 15) << 4);
    }
}
