// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice An order of a call auction in one word: `energyWh (40 bits) | trader (32) | priceTicks (24, signed)`, lowest
/// field last. A cancelled one keeps its turn and has no energy.
type AuctionOrder is uint256;

using {energyWh, trader, priceTicks, withoutEnergy} for AuctionOrder global;

function toAuctionOrder(int24 priceTicks_, uint32 trader_, uint40 energyWh_) pure returns (AuctionOrder) {
    return AuctionOrder.wrap(uint256(energyWh_) << 56 | uint256(trader_) << 24 | uint24(priceTicks_));
}

function energyWh(AuctionOrder order) pure returns (uint40) {
    return uint40(AuctionOrder.unwrap(order) >> 56);
}

function trader(AuctionOrder order) pure returns (uint32) {
    return uint32(AuctionOrder.unwrap(order) >> 24);
}

function priceTicks(AuctionOrder order) pure returns (int24) {
    return int24(uint24(AuctionOrder.unwrap(order)));
}

function withoutEnergy(AuctionOrder order) pure returns (AuctionOrder) {
    return AuctionOrder.wrap(AuctionOrder.unwrap(order) & (1 << 56) - 1);
}
