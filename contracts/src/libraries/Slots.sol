// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Where the market's words lie in storage.
//
// A Solidity mapping hashes its key at every access; a search touches dozens of words, and the hashes would cost more
// than all else it does. Everything the market keeps has a number of its own, so here that number is the slot, below a
// mark that tells the kinds apart. No two things share a slot: every number fits into the 72 bits below its mark,
// Solidity's own variables lie at the first few slots, and its hashed slots (mappings, at random in 2^256) meet one of
// these with a chance below 2^-176 each.

uint256 constant TRADERS = 1 << 72;
uint256 constant POSITIONS = 2 << 72;
uint256 constant DEALS = 3 << 72;
uint256 constant ORDERS = 4 << 72;
uint256 constant NEXT_TURNS = 5 << 72;
uint256 constant WAITING_MASKS = 6 << 72;
uint256 constant WAITING_GROUPS = 7 << 72;
uint256 constant WAITING_PLACES = 8 << 72;
uint256 constant LATER_TURNS = 9 << 72;
uint256 constant TRANSFERS = 10 << 72;
uint256 constant APART = 11 << 72;
uint256 constant RESERVED_TURNS = 12 << 72;

function load(uint256 slot) view returns (uint256 word) {
    assembly ("memory-safe") {
        word := sload(slot)
    }
}

function store(uint256 slot, uint256 word) {
    assembly ("memory-safe") {
        sstore(slot, word)
    }
}
