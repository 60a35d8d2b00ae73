// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "./Bitmap.sol";
import {MAX_TICKS, OrderId, Side, toOrderId} from "./OrderId.sol";

/// @notice One order, in one word.
/// @param trader Number of the trader.
/// @param energyTypes Bit `1 << type` for each energy type it offers or accepts.
/// @param energyWh Energy offered or asked for.
/// @param openWh What is neither traded nor held by a deal: the part that waits in the book.
struct Order {
    uint32 trader;
    uint16 energyTypes;
    uint40 energyWh;
    uint40 openWh;
}

/// @title Price-time order book
/// @notice One queue per delivery period, side and price. An order's turn in its queue never changes, so energy that
/// comes back from an abandoned deal has its old priority without any search. Which prices have orders, and which
/// turns of a queue are waiting, is kept in two-level bitmaps per energy type; best price, place, fill and cancel
/// therefore take a constant number of storage words. An order that accepts several energy types is marked in the
/// bitmaps of each of them, under the same turn, so that equal prices of different types are still served first
/// come, first served.
library OrderBook {
    using Bitmap for Bitmap.Sets;

    /// @notice What `next` returns when no order is left.
    uint256 internal constant NONE = Bitmap.NONE;

    /// @dev The last value of a 16-bit counter is never given out, so that it cannot run over into its neighbour.
    uint256 private constant MAX_TURNS = type(uint16).max;

    /// @notice One queue takes 65,535 orders; later ones need another price or period.
    error QueueFull(uint256 period, Side side, uint256 priceTicks);

    struct Book {
        /// @dev Ranks with waiting orders; one set per period, side and energy type.
        Bitmap.Sets ranks;
        /// @dev Waiting turns; one set per period, side, energy type and rank.
        Bitmap.Sets turns;
        mapping(OrderId id => Order) orders;
        /// @dev Next turn of a queue; sixteen neighbouring prices share a word.
        mapping(uint256 queues => uint256) nextTurns;
    }

    /// @notice True if the queue for a period, side and price gives out no more turns.
    function isFull(Book storage self, uint256 period, Side side, uint256 priceTicks) internal view returns (bool) {
        return _nextTurn(self.nextTurns[_queues(period, side, priceTicks)], priceTicks) == MAX_TURNS;
    }

    /// @notice Take the next turn in the queue for a period, side and price.
    function issue(Book storage self, uint256 period, Side side, uint256 priceTicks) internal returns (OrderId id) {
        uint256 queues = _queues(period, side, priceTicks);
        uint256 word = self.nextTurns[queues];
        uint256 turn = _nextTurn(word, priceTicks);
        if (turn == MAX_TURNS) revert QueueFull(period, side, priceTicks);
        self.nextTurns[queues] = word + (1 << ((priceTicks & 15) << 4));
        return toOrderId(period, side, priceTicks, turn);
    }

    /// @notice Store an order and, if part of it is open, let that part wait.
    function put(Book storage self, OrderId id, Order memory order) internal {
        self.orders[id] = order;
        if (order.openWh != 0) _mark(self, id, order.energyTypes);
    }

    /// @notice The place of the first waiting order at or after `from` that offers or accepts one of `energyTypes`.
    /// @param from A place (see `OrderId.place`); 0 begins at the best price.
    /// @return first The place, or `NONE`.
    function next(Book storage self, uint256 period, Side side, uint256 energyTypes, uint256 from)
        internal
        view
        returns (uint256 first)
    {
        first = NONE;
        uint256 halfBook = period << 8 | uint256(side);
        unchecked {
            for (; energyTypes != 0; energyTypes &= energyTypes - 1) {
                uint256 candidate = _next(self, halfBook << 8 | Bitmap.lowest(energyTypes), from);
                if (candidate < first) first = candidate;
            }
        }
    }

    /// @notice Take `energyWh` out of the open part of an order.
    function take(Book storage self, OrderId id, uint256 energyWh) internal {
        Order storage order = self.orders[id];
        (uint40 openWh, uint16 energyTypes) = (order.openWh - uint40(energyWh), order.energyTypes);
        order.openWh = openWh;
        if (openWh == 0) _unmark(self, id, energyTypes);
    }

    /// @notice Give `energyWh` back to an order, at its old turn. An order that was removed gets nothing back.
    /// @return returned True if the order still stands.
    function giveBack(Book storage self, OrderId id, uint256 energyWh) internal returns (bool returned) {
        Order storage order = self.orders[id];
        uint16 energyTypes = order.energyTypes;
        if (energyTypes == 0) return false;
        uint40 openWh = order.openWh;
        order.openWh = openWh + uint40(energyWh);
        if (openWh == 0) _mark(self, id, energyTypes);
        return true;
    }

    /// @notice Remove an order for good.
    function remove(Book storage self, OrderId id) internal {
        Order storage order = self.orders[id];
        (uint40 openWh, uint16 energyTypes) = (order.openWh, order.energyTypes);
        delete self.orders[id];
        if (openWh != 0) _unmark(self, id, energyTypes);
    }

    function _next(Book storage self, uint256 key, uint256 from) private view returns (uint256) {
        uint256 rank = from >> 16;
        if (rank > MAX_TICKS) return NONE;
        if (from != 0) {
            // A search that goes on mostly stays in its queue.
            uint256 turn = self.turns.next(key << 16 | rank, from & 0xffff);
            if (turn != NONE) return rank << 16 | turn;
            ++rank;
        }
        rank = self.ranks.next(key, rank);
        return rank == NONE ? NONE : rank << 16 | self.turns.next(key << 16 | rank, 0);
    }

    function _mark(Book storage self, OrderId id, uint256 energyTypes) private {
        (uint256 rank, uint256 turn) = (id.place() >> 16, id.turn());
        unchecked {
            for (; energyTypes != 0; energyTypes &= energyTypes - 1) {
                uint256 key = id.halfBook() << 8 | Bitmap.lowest(energyTypes);
                if (self.turns.add(key << 16 | rank, turn)) self.ranks.add(key, rank);
            }
        }
    }

    function _unmark(Book storage self, OrderId id, uint256 energyTypes) private {
        (uint256 rank, uint256 turn) = (id.place() >> 16, id.turn());
        unchecked {
            for (; energyTypes != 0; energyTypes &= energyTypes - 1) {
                uint256 key = id.halfBook() << 8 | Bitmap.lowest(energyTypes);
                if (self.turns.remove(key << 16 | rank, turn)) self.ranks.remove(key, rank);
            }
        }
    }

    function _queues(uint256 period, Side side, uint256 priceTicks) private pure returns (uint256) {
        return period << 20 | uint256(side) << 12 | priceTicks >> 4;
    }

    function _nextTurn(uint256 word, uint256 priceTicks) private pure returns (uint256) {
        return word >> ((priceTicks & 15) << 4) & 0xffff;
    }
}
