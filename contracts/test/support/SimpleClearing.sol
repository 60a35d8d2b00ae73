// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ClearedSide, Rationing, TieRule} from "../../src/interfaces/IAuction.sol";
import {NO_PRICE} from "../../src/libraries/ClearingCheck.sol";
import {AuctionOrder} from "../../src/types/AuctionOrder.sol";

/// @title A call auction cleared the long way: every price is tried
/// @notice Written without anything in common with the check, which it is compared with.
library SimpleClearing {
    int24 internal constant LOWEST = -20;
    int24 internal constant HIGHEST = 20;

    function clear(AuctionOrder[] memory asks, AuctionOrder[] memory bids, TieRule tieRule, Rationing rationing)
        internal
        pure
        returns (int24 priceTicks, ClearedSide memory askSide, ClearedSide memory bidSide)
    {
        uint256 volumeWh;
        for (int24 p = LOWEST; p <= HIGHEST; ++p) {
            uint256 both = least(offered(asks, true, p, true), offered(bids, false, p, true));
            if (both > volumeWh) volumeWh = both;
        }
        priceTicks = volumeWh == 0 ? NO_PRICE : priceOf(asks, bids, volumeWh, tieRule);
        askSide = accepted(asks, true, priceTicks, volumeWh, rationing);
        bidSide = accepted(bids, false, priceTicks, volumeWh, rationing);
    }

    /// @dev Energy of orders that are better than a price, or as good if `orEqual`.
    function offered(AuctionOrder[] memory orders, bool sells, int24 p, bool orEqual)
        internal
        pure
        returns (uint256 energyWh)
    {
        for (uint256 i; i < orders.length; ++i) {
            int24 own = orders[i].priceTicks();
            if (sells ? own < p : own > p) energyWh += orders[i].energyWh();
            else if (orEqual && own == p) energyWh += orders[i].energyWh();
        }
    }

    function priceOf(AuctionOrder[] memory asks, AuctionOrder[] memory bids, uint256 volumeWh, TieRule tieRule)
        private
        pure
        returns (int24)
    {
        int24 first = NO_PRICE;
        int24 last;
        for (int24 p = LOWEST; p <= HIGHEST; ++p) {
            bool fair = offered(asks, true, p, false) <= volumeWh && offered(bids, false, p, false) <= volumeWh;
            if (fair && least(offered(asks, true, p, true), offered(bids, false, p, true)) >= volumeWh) {
                if (first == NO_PRICE) first = p;
                last = p;
            }
        }
        if (tieRule == TieRule.Lowest) return first;
        if (tieRule == TieRule.Highest) return last;
        int24 middle = first;
        while (middle - first < last - middle) ++middle;
        return middle;
    }

    function accepted(AuctionOrder[] memory orders, bool sells, int24 p, uint256 volumeWh, Rationing rationing)
        private
        pure
        returns (ClearedSide memory side)
    {
        uint256[] memory parts = new uint256[](orders.length);
        if (volumeWh != 0) {
            uint256 better = offered(orders, sells, p, false);
            side.margin.energyWh = uint64(offered(orders, sells, p, true) - better);
            side.margin.acceptedWh = side.margin.energyWh == 0 ? 0 : uint64(volumeWh - better);
            for (uint256 i; i < orders.length; ++i) {
                int24 own = orders[i].priceTicks();
                if (sells ? own < p : own > p) parts[i] = orders[i].energyWh();
            }
            ration(orders, parts, p, side.margin.energyWh, side.margin.acceptedWh, rationing);
        }
        side.entries = sorted(orders, parts, sells);
    }

    function ration(
        AuctionOrder[] memory orders,
        uint256[] memory parts,
        int24 p,
        uint256 ofAll,
        uint256 available,
        Rationing rationing
    ) private pure {
        uint256 left = available;
        for (uint256 i; i < orders.length; ++i) {
            if (orders[i].priceTicks() != p || ofAll == 0) continue;
            uint256 own = orders[i].energyWh();
            parts[i] = rationing == Rationing.ByTime ? least(own, left) : available * own / ofAll;
            left -= parts[i];
        }
        bool[] memory up = new bool[](orders.length);
        for (; left != 0 && rationing == Rationing.ProRata; --left) {
            uint256 best = type(uint256).max;
            uint256 most;
            for (uint256 i; i < orders.length; ++i) {
                if (orders[i].priceTicks() != p || up[i]) continue;
                uint256 remainder = available * orders[i].energyWh() % ofAll;
                if (best == type(uint256).max || remainder > most) (best, most) = (i, remainder);
            }
            up[best] = true;
            ++parts[best];
        }
    }

    function sorted(AuctionOrder[] memory orders, uint256[] memory parts, bool sells)
        private
        pure
        returns (bytes memory entries)
    {
        for (int24 step; step <= HIGHEST - LOWEST; ++step) {
            int24 p = sells ? LOWEST + step : HIGHEST - step;
            for (uint256 i; i < orders.length; ++i) {
                if (orders[i].priceTicks() == p) entries = bytes.concat(entries, bytes8(uint64(i << 40 | parts[i])));
            }
        }
    }

    function least(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }
}
