// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Which side of the book an order is on.
enum Side {
    Ask,
    Bid
}

/// @notice Names an order by its place in the book: `period (24 bits) | side (8) | price ticks (16) | turn (16)`.
/// @dev The turn counts the orders of one period, side and price in the order of their arrival, over all energy
/// types. So the id holds everything that price-time priority asks for.
type OrderId is uint64;

using {period, side, priceTicks, turn, halfBook, rank, place} for OrderId global;

/// @dev Highest price in ticks.
uint256 constant MAX_TICKS = type(uint16).max;

function toOrderId(uint256 period_, Side side_, uint256 priceTicks_, uint256 turn_) pure returns (OrderId) {
    return OrderId.wrap(uint64(period_ << 40 | uint256(side_) << 32 | priceTicks_ << 16 | turn_));
}

/// @notice The order at a place of a half book: the inverse of `place`.
function orderIdAt(uint256 halfBook_, uint256 place_) pure returns (OrderId) {
    // `halfBook` ends in 1 for a bid.
    return OrderId.wrap(uint64(halfBook_ << 32 | place_ ^ (halfBook_ & 1) * (MAX_TICKS << 16)));
}

/// @notice Names one half of a period's book (see `halfBook`).
function halfBookOf(uint256 period_, Side side_) pure returns (uint256) {
    return period_ << 8 | uint256(side_);
}

function period(OrderId id) pure returns (uint24) {
    return uint24(OrderId.unwrap(id) >> 40);
}

function side(OrderId id) pure returns (Side) {
    return Side(uint8(OrderId.unwrap(id) >> 32));
}

function priceTicks(OrderId id) pure returns (uint16) {
    return uint16(OrderId.unwrap(id) >> 16);
}

function turn(OrderId id) pure returns (uint16) {
    return uint16(OrderId.unwrap(id));
}

/// @notice `period << 8 | side`: names the half of a period's book that the order is in.
function halfBook(OrderId id) pure returns (uint256) {
    return OrderId.unwrap(id) >> 32;
}

/// @notice Of two orders of one side, the one with the smaller rank has the better price.
/// @dev The rank of an ask is its price; the rank of a bid is `MAX_TICKS` minus its price: all its bits turned over.
function rank(OrderId id) pure returns (uint256) {
    uint256 raw = OrderId.unwrap(id);
    return (raw >> 16 ^ (raw >> 32 & 1) * MAX_TICKS) & MAX_TICKS;
}

/// @notice `rank << 16 | turn`: of two orders of one side, the one with the smaller place comes first.
function place(OrderId id) pure returns (uint256) {
    return id.rank() << 16 | id.turn();
}
