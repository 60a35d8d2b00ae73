// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AuctionOrder} from "./AuctionOrder.sol";

/// @notice An order of an auction and what of it was traded, in one word: `tradedWh (40 bits) | order (96)`. Nothing
/// traded lets all go that the order holds.
type Fill is uint256;

using {order, tradedWh} for Fill global;

function toFill(AuctionOrder order_, uint256 tradedWh_) pure returns (Fill) {
    return Fill.wrap(tradedWh_ << 96 | AuctionOrder.unwrap(order_));
}

function order(Fill fill) pure returns (AuctionOrder) {
    return AuctionOrder.wrap(uint96(Fill.unwrap(fill)));
}

function tradedWh(Fill fill) pure returns (uint40) {
    return uint40(Fill.unwrap(fill) >> 96);
}
