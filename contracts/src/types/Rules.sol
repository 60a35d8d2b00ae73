// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice The market settings in one word, the fields of `Settings` from the lowest up, as a contract stores them.
type Rules is uint256;

using {
    coolingOffSeconds,
    gateLeadSeconds,
    maxCandidates,
    apartSeconds,
    leastWh,
    bidMultiple,
    allowPrice
} for Rules global;

function coolingOffSeconds(Rules rules) pure returns (uint256) {
    return uint32(Rules.unwrap(rules));
}

function gateLeadSeconds(Rules rules) pure returns (uint256) {
    return uint32(Rules.unwrap(rules) >> 64);
}

function maxCandidates(Rules rules) pure returns (uint256) {
    return uint16(Rules.unwrap(rules) >> 96);
}

function apartSeconds(Rules rules) pure returns (uint256) {
    return uint32(Rules.unwrap(rules) >> 184);
}

function leastWh(Rules rules) pure returns (uint256) {
    return uint16(Rules.unwrap(rules) >> 216);
}

function bidMultiple(Rules rules) pure returns (uint256) {
    return uint8(Rules.unwrap(rules) >> 232);
}

/// @notice True if a price is neither below the floor nor above the cap.
function allowPrice(Rules rules, uint256 priceTicks) pure returns (bool) {
    return priceTicks >= uint16(Rules.unwrap(rules) >> 32) && priceTicks <= uint16(Rules.unwrap(rules) >> 48);
}
