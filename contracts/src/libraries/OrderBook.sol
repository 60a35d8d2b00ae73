// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "./Bitmap.sol";
import {OPEN_SHIFT, OrderWord, orderAt} from "../types/Order.sol";
import {OrderId, Side, orderIdAt} from "../types/OrderId.sol";
import {Places} from "./Places.sol";
import {Request} from "../types/Request.sol";
import {NEXT_TURNS, ORDERS, RESERVED_TURNS, WAITING_MASKS, load, store} from "./Slots.sol";

/// @notice The waiting orders that a search meets, first served first.
/// @param halfBook Where they wait.
/// @param lastRank Orders of a higher rank do not belong to it.
/// @param first The smallest of the heads, or `OrderBook.NONE`.
/// @param heads `place << 8 | mask` of the first order of each set that is left.
struct Line {
    uint256 halfBook;
    uint256 lastRank;
    uint256 first;
    uint256[] heads;
}

/// @title Price-time order book
/// @notice One queue per delivery period, side and price. An order's turn in its queue never changes, so energy that
/// comes back from an abandoned deal has its old priority without any search.
///
/// Every waiting order is in exactly one set: that of its period, side and mask, the energy types it names. A set keeps
/// the places of its orders, best price and earliest turn first; one word per half book says which masks have a set.
/// Best price, place, fill and cancel therefore take a constant number of storage words.
/// A search keeps the first order of every set whose mask shares a type with its own, and takes the best of these:
/// sets share the turns of a price, so equal prices of different types are served first come, first served.
library OrderBook {
    /// @notice What stands for "no order".
    uint256 internal constant NONE = Bitmap.NONE;

    /// @dev One queue takes 65,535 orders; later ones need another price or period. The last value of a 16-bit counter is
    /// never given out, so that it cannot run over into its neighbour.
    uint256 private constant MAX_TURNS = type(uint16).max;

    /// @dev So many turns of every queue are each master's own: the last 255 times 128, a share for each of as many
    /// masters as there can be. So nobody, and not all others together, can use up what a master may need.
    uint256 private constant OWN_TURNS = 128;
    uint256 private constant COMMON_TURNS = MAX_TURNS - 255 * OWN_TURNS;

    /// @notice Take the next turn in the queue for a request.
    /// @return id What the order is named, unless the queue is full.
    /// @return full True if the queue gives out no more turns to this master.
    function issue(Request request, uint16 masterId) internal returns (OrderId id, bool full) {
        (uint256 slot, uint256 shift) = (_turnsSlot(request), _turnsShift(request));
        uint256 turns = load(slot);
        uint256 turn = turns >> shift & MAX_TURNS;
        if (turn >= COMMON_TURNS && !_takeOwn(request, masterId)) return (id, true);
        unchecked {
            store(slot, turns + (1 << shift));
        }
        return (request.withTurn(turn), false);
    }

    /// @notice Store a request as an order and, if part of it is open, let that part wait.
    function put(OrderId id, Request request, uint256 openWh) internal {
        store(ORDERS | OrderId.unwrap(id), openWh << 80 | Request.unwrap(request) >> 48);
        if (openWh != 0) _mark(id, request.energyTypes());
    }

    /// @notice Take `energyWh`, at most what is open, out of an order.
    /// @param order The order as it is in storage.
    function take(OrderId id, OrderWord order, uint256 energyWh) internal {
        unchecked {
            store(ORDERS | OrderId.unwrap(id), OrderWord.unwrap(order) - (energyWh << OPEN_SHIFT));
        }
        if (order.openWh() == energyWh) _unmark(id, order.energyTypes());
    }

    /// @notice Give `energyWh` back to an order, at its old turn. An order that was removed gets nothing back.
    /// @return order What it was before; zero if it does not stand any more.
    function giveBack(OrderId id, uint256 energyWh) internal returns (OrderWord order) {
        order = orderAt(id);
        if (OrderWord.unwrap(order) == 0) return order;
        unchecked {
            store(ORDERS | OrderId.unwrap(id), OrderWord.unwrap(order) + (energyWh << OPEN_SHIFT));
        }
        if (order.openWh() == 0) _mark(id, order.energyTypes());
    }

    /// @notice Remove an order for good.
    /// @param order The order as it is in storage.
    function remove(OrderId id, OrderWord order) internal {
        store(ORDERS | OrderId.unwrap(id), 0);
        if (order.openWh() != 0) _unmark(id, order.energyTypes());
    }

    /// @notice The orders of a half book that wait and offer or accept one of `energyTypes`.
    /// @param from Place at which the line begins; 0 is the best.
    /// @param lastRank Rank at which it ends.
    function line(uint256 halfBook, uint256 energyTypes, uint256 from, uint256 lastRank)
        internal
        view
        returns (Line memory self)
    {
        uint256 waiting = load(WAITING_MASKS | halfBook);
        (self.halfBook, self.lastRank, self.first) = (halfBook, lastRank, NONE);
        // Grows as heads are found, which it can: it is the last thing in memory, and `_open` puts nothing else there.
        self.heads = new uint256[](0);
        if (halfBook & 1 == uint256(Side.Ask)) {
            // An ask names one type: its mask is the bit of that type.
            for (; energyTypes != 0; energyTypes &= energyTypes - 1) {
                uint256 mask = energyTypes & (~energyTypes + 1);
                if (waiting >> mask & 1 != 0) _open(self, mask, from);
            }
        } else {
            for (waiting &= _sharing(energyTypes); waiting != 0; waiting &= waiting - 1) {
                _open(self, Bitmap.lowest(waiting), from);
            }
        }
    }

    /// @dev Counts against a master's own turns of a queue whose common ones are used up.
    function _takeOwn(Request request, uint16 masterId) private returns (bool taken) {
        uint256 slot =
            RESERVED_TURNS | uint256(request.halfBook()) << 32 | uint256(request.priceTicks()) << 16 | masterId;
        uint256 used = load(slot);
        taken = used < OWN_TURNS;
        if (taken) store(slot, used + 1);
    }

    function _open(Line memory self, uint256 mask, uint256 from) private view {
        uint256 head = _head(self.halfBook << 8 | mask, from, self.lastRank);
        if (head == NONE) return;
        if (head < self.first) self.first = head;
        uint256[] memory heads = self.heads;
        assembly ("memory-safe") {
            let end := mload(0x40)
            mstore(end, head)
            mstore(0x40, add(end, 32))
            mstore(heads, add(mload(heads), 1))
        }
    }

    /// @notice Place of the first order of a line that has one.
    function firstPlace(Line memory self) internal pure returns (uint256) {
        return self.first >> 8;
    }

    /// @notice The first order of a line that has one.
    function firstId(Line memory self) internal pure returns (OrderId) {
        return orderIdAt(self.halfBook, self.first >> 8);
    }

    /// @notice Step behind the first order of a line that has one.
    function advance(Line memory self) internal view {
        uint256 passed = self.first;
        uint256 first = NONE;
        uint256[] memory heads = self.heads;
        unchecked {
            for (uint256 i; i < heads.length; ++i) {
                uint256 head = heads[i];
                if (head == passed) {
                    head = _head(self.halfBook << 8 | head & 255, (head >> 8) + 1, self.lastRank);
                    heads[i] = head;
                }
                if (head < first) first = head;
            }
        }
        self.first = first;
    }

    /// @dev `place << 8 | mask` of the first order of set `halfBook << 8 | mask` at or after `from`, or `NONE`.
    function _head(uint256 set, uint256 from, uint256 lastRank) private view returns (uint256) {
        uint256 place = Places.next(set, from, lastRank);
        return place == NONE ? NONE : place << 8 | set & 255;
    }

    function _mark(OrderId id, uint256 mask) private {
        uint256 halfBook = id.halfBook();
        if (Places.add(halfBook << 8 | mask, id.place())) {
            store(WAITING_MASKS | halfBook, load(WAITING_MASKS | halfBook) | 1 << mask);
        }
    }

    function _unmark(OrderId id, uint256 mask) private {
        uint256 halfBook = id.halfBook();
        if (Places.remove(halfBook << 8 | mask, id.place())) {
            store(WAITING_MASKS | halfBook, load(WAITING_MASKS | halfBook) & ~(1 << mask));
        }
    }

    /// @dev Bit `1 << mask` for every mask that shares an energy type with `energyTypes`. The masks that have the type
    /// with bit `b` come in runs of `b`, every other one.
    function _sharing(uint256 energyTypes) private pure returns (uint256 masks) {
        unchecked {
            for (; energyTypes != 0; energyTypes &= energyTypes - 1) {
                uint256 b = energyTypes & (0 - energyTypes);
                masks |= type(uint256).max / ((1 << b) + 1) << b;
            }
        }
    }

    /// @dev Sixteen neighbouring prices share the word that counts their turns.
    function _turnsSlot(Request request) private pure returns (uint256) {
        return NEXT_TURNS | request.halfBook() << 12 | request.priceTicks() >> 4;
    }

    function _turnsShift(Request request) private pure returns (uint256) {
        return (uint256(request.priceTicks()) & 15) << 4;
    }
}
