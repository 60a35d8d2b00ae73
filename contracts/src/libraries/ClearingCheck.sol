// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ClearedSide, Fault, IAuction, Margin, Rationing, TieRule} from "../interfaces/IAuction.sol";
import {AuctionOrder} from "../types/AuctionOrder.sol";

/// @dev Price of a session in which nothing is traded.
int24 constant NO_PRICE = type(int24).min;

/// @title Checking a clearing in one pass over the sorted orders
/// @notice Nothing is cleared again: that a result is right is seen from the orders around its price. The rules, reason
/// for reason, are those of `gridbourse.market.auction_check`.
/// @dev Ranks are prices, negated for bids: on both sides the better order has the lower rank.
library ClearingCheck {
    int256 private constant FAR = 2 ** 31;
    uint256 private constant MAX_TURN = type(uint24).max;

    /// @notice What is known of a side after its orders have gone by.
    struct Side {
        uint256 volumeWh;
        int256 lastAccepted;
        int256 firstUnmet;
    }

    /// @dev What the orders at the price have shown so far.
    struct AtPrice {
        uint256 energyWh;
        uint256 acceptedWh;
        uint256 leastUp;
        uint256 mostDown;
    }

    /// @notice Check a clearing; reverts with the first fault, asks first and in the sequence of the orders.
    /// @return volumeWh Energy that is traded.
    function check(
        AuctionOrder[] storage asks,
        AuctionOrder[] storage bids,
        int24 priceTicks,
        ClearedSide calldata askSide,
        ClearedSide calldata bidSide,
        TieRule tieRule,
        Rationing rationing
    ) internal view returns (uint256 volumeWh) {
        bool none = priceTicks == NO_PRICE;
        Side memory sold = walk(asks, askSide, true, none ? -FAR : int256(priceTicks), rationing);
        Side memory bought = walk(bids, bidSide, false, none ? -FAR : -int256(priceTicks), rationing);
        volumeWh = sold.volumeWh;
        if (volumeWh != bought.volumeWh) refuse(Fault.VolumesDiffer);
        if (sold.firstUnmet <= -bought.firstUnmet) refuse(Fault.MoreCanBeTraded);
        if (none) return volumeWh;
        int256 lowest = sold.lastAccepted > -bought.firstUnmet ? sold.lastAccepted : -bought.firstUnmet;
        int256 highest = -bought.lastAccepted < sold.firstUnmet ? -bought.lastAccepted : sold.firstUnmet;
        if (volumeWh == 0 || priceTicks != choose(tieRule, lowest, highest)) refuse(Fault.PriceAgainstTieRule);
    }

    /// @notice Look at all orders of a side, best first.
    /// @param rank The price's.
    function walk(
        AuctionOrder[] storage orders,
        ClearedSide calldata submitted,
        bool sells,
        int256 rank,
        Rationing rationing
    ) internal view returns (Side memory side) {
        uint256 count = orders.length;
        bytes calldata entries = submitted.entries;
        if (entries.length != 8 * count) refuse(Fault.OrdersMissing);
        uint256 first = firstOf(orders);
        (side.lastAccepted, side.firstUnmet) = (-FAR, FAR);
        AtPrice memory seen = AtPrice(0, 0, type(uint256).max, 0);
        int256 previous = type(int256).min;
        uint256 volumeWh;
        for (uint256 i; i < count; ++i) {
            (uint256 turn, uint256 acceptedWh) = entryAt(entries, i);
            if (turn >= count) refuse(Fault.OrdersMissing);
            AuctionOrder order = orderAt(first, turn);
            int256 own = sells ? int256(order.priceTicks()) : -int256(order.priceTicks());
            unchecked {
                int256 key = own * int256(MAX_TURN + 1) + int256(turn);
                if (key <= previous) refuse(Fault.NotSorted);
                previous = key;
                uint256 energyWh = order.energyWh();
                if (acceptedWh > energyWh) refuse(Fault.MoreThanOrdered);
                if (own > rank && acceptedWh != 0) {
                    refuse(sells ? Fault.AskAbovePriceAccepted : Fault.BidBelowPriceAccepted);
                }
                if (own < rank && acceptedWh < energyWh) {
                    refuse(sells ? Fault.AskBelowPriceRejected : Fault.BidAbovePriceRejected);
                }
                if (own == rank && energyWh != 0) {
                    ration(seen, submitted.margin, turn, energyWh, acceptedWh, rationing);
                }
                volumeWh += acceptedWh;
                if (acceptedWh != 0) side.lastAccepted = own;
                if (acceptedWh < energyWh && own < side.firstUnmet) side.firstUnmet = own;
            }
        }
        side.volumeWh = volumeWh;
        if (seen.energyWh != submitted.margin.energyWh || seen.acceptedWh != submitted.margin.acceptedWh) {
            refuse(Fault.MarginMisstated);
        }
        // Those that got the Wh left over have the larger remainders, and of equal ones the earlier turns.
        if (seen.leastUp < seen.mostDown) refuse(Fault.WronglyRationed);
    }

    /// @dev Check the part of an order at the price, as far as it can be told before the end.
    function ration(
        AtPrice memory seen,
        Margin calldata margin,
        uint256 turn,
        uint256 energyWh,
        uint256 acceptedWh,
        Rationing rationing
    ) private pure {
        uint256 ofAll = margin.energyWh;
        uint256 available = margin.acceptedWh;
        unchecked {
            if (rationing == Rationing.ByTime) {
                uint256 left = available > seen.acceptedWh ? available - seen.acceptedWh : 0;
                if (acceptedWh != (energyWh < left ? energyWh : left)) refuse(Fault.WronglyRationed);
            } else {
                if (ofAll == 0) refuse(Fault.WronglyRationed);
                uint256 exact = available * energyWh;
                uint256 part = exact / ofAll;
                uint256 key = (exact % ofAll << 24 | MAX_TURN - turn) + 1;
                if (acceptedWh == part) {
                    if (key > seen.mostDown) seen.mostDown = key;
                } else if (acceptedWh == part + 1) {
                    if (key < seen.leastUp) seen.leastUp = key;
                } else {
                    refuse(Fault.WronglyRationed);
                }
            }
            seen.energyWh += energyWh;
            seen.acceptedWh += acceptedWh;
        }
    }

    /// @dev One price of an interval of whole ticks; half a tick goes up, also below zero.
    function choose(TieRule tieRule, int256 lowest, int256 highest) private pure returns (int256) {
        if (tieRule == TieRule.Lowest) return lowest;
        if (tieRule == TieRule.Highest) return highest;
        return (lowest + highest + 1) >> 1;
    }

    /// @notice Entry `i` of a side that is known to be long enough: an order's turn, and what of it is accepted.
    function entryAt(bytes calldata entries, uint256 i) internal pure returns (uint256 turn, uint256 acceptedWh) {
        uint256 entry;
        assembly ("memory-safe") {
            entry := shr(192, calldataload(add(entries.offset, shl(3, i))))
        }
        return (entry >> 40, uint40(entry));
    }

    /// @notice Slot of the first order of an array; turn by turn the others follow.
    function firstOf(AuctionOrder[] storage orders) internal pure returns (uint256 first) {
        assembly ("memory-safe") {
            mstore(0, orders.slot)
            first := keccak256(0, 32)
        }
    }

    /// @notice An order of an array that is known to be long enough.
    function orderAt(uint256 first, uint256 turn) internal view returns (AuctionOrder order) {
        assembly ("memory-safe") {
            order := sload(add(first, turn))
        }
    }

    function refuse(Fault fault) private pure {
        revert IAuction.WrongClearing(fault);
    }
}
