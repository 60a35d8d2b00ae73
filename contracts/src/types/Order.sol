// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ORDERS, load} from "../libraries/Slots.sol";
import {OrderId} from "./OrderId.sol";

/// @notice One order.
/// @param energyTypes Bit `1 << type` for each energy type it offers or accepts: its mask.
/// @param trader Number of the trader.
/// @param energyWh Energy offered or asked for.
/// @param openWh What is neither traded nor held by a deal: the part that waits in the book.
/// @param apartUntil Until then it is not brought together with the orders of masters that let it down; 0 if none did.
struct Order {
    uint8 energyTypes;
    uint32 trader;
    uint40 energyWh;
    uint40 openWh;
    uint40 apartUntil;
}

/// @notice An order as it lies in storage: the fields of `Order`, lowest first; zero if it never was or was removed.
/// @dev Taken apart by hand, so that one access to storage gives all of them.
type OrderWord is uint256;

using {energyTypes, trader, openWh, apartUntil, unpack} for OrderWord global;

uint256 constant OPEN_SHIFT = 80;
uint256 constant APART_SHIFT = 120;

function orderAt(OrderId id) view returns (OrderWord) {
    return OrderWord.wrap(load(ORDERS | OrderId.unwrap(id)));
}

function energyTypes(OrderWord word) pure returns (uint256) {
    return uint8(OrderWord.unwrap(word));
}

function trader(OrderWord word) pure returns (uint32) {
    return uint32(OrderWord.unwrap(word) >> 8);
}

function openWh(OrderWord word) pure returns (uint256) {
    return uint40(OrderWord.unwrap(word) >> OPEN_SHIFT);
}

function apartUntil(OrderWord word) pure returns (uint256) {
    return uint40(OrderWord.unwrap(word) >> APART_SHIFT);
}

/// @notice The order as a struct.
function unpack(OrderWord word) pure returns (Order memory order) {
    (order.energyTypes, order.trader) = (uint8(word.energyTypes()), word.trader());
    (order.energyWh, order.openWh) = (uint40(OrderWord.unwrap(word) >> 40), uint40(word.openWh()));
    order.apartUntil = uint40(word.apartUntil());
}
