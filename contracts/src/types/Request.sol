// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OrderId, Side} from "./OrderId.sol";

/// @notice What a user asks the market for, in one word:
/// `energyWh (40 bits) | trader (32) | energyTypes (8) | period (24) | side (8) | priceTicks (16)`, lowest field last.
/// @dev Without its turn an order's id is the last three fields, and without what is open its word in the book the
/// first three: placing an order shifts the request and takes nothing apart.
type Request is uint256;

using {isWellFormed, energyWh, trader, energyTypes, period, side, priceTicks, halfBook, withTurn} for Request global;

function toRequest(OrderId id, uint256 energyTypes_, uint256 trader_, uint256 energyWh_) pure returns (Request) {
    return Request.wrap(energyWh_ << 88 | trader_ << 56 | energyTypes_ << 48 | OrderId.unwrap(id) >> 16);
}

/// @notice True if all higher bits are zero and there is such a side.
function isWellFormed(Request request) pure returns (bool) {
    return Request.unwrap(request) >> 128 == 0 && request.side() <= uint8(Side.Bid);
}

function energyWh(Request request) pure returns (uint40) {
    return uint40(Request.unwrap(request) >> 88);
}

function trader(Request request) pure returns (uint32) {
    return uint32(Request.unwrap(request) >> 56);
}

function energyTypes(Request request) pure returns (uint8) {
    return uint8(Request.unwrap(request) >> 48);
}

function period(Request request) pure returns (uint24) {
    return uint24(Request.unwrap(request) >> 24);
}

/// @dev A number: a malformed request names no `Side`.
function side(Request request) pure returns (uint8) {
    return uint8(Request.unwrap(request) >> 16);
}

function priceTicks(Request request) pure returns (uint16) {
    return uint16(Request.unwrap(request));
}

/// @notice The half of a period's book that the order is for (see `OrderId.halfBook`).
function halfBook(Request request) pure returns (uint256) {
    return uint32(Request.unwrap(request) >> 16);
}

/// @notice The id of the order that the request becomes.
function withTurn(Request request, uint256 turn) pure returns (OrderId) {
    return OrderId.wrap(uint64(Request.unwrap(request) << 16 | turn));
}
