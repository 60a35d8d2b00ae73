// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {load, store} from "./Slots.sol";

/// @title Ordered sets of 16-bit numbers
/// @notice A set is a root word and up to 256 leaf words: bit `i` of the root says that leaf `i` is not empty, bit
/// `j` of leaf `i` says that `256 * i + j` is a member. Every operation reads and writes at most two words.
/// A set is named by its first slot, a multiple of 512: leaf `i` lies at `set | i`, the root at `set | 256`.
library Bitmap {
    /// @notice What `next` returns when no member is left.
    uint256 internal constant NONE = type(uint256).max;

    /// @notice Add `member` to `set`.
    /// @return first True if the set was empty.
    function add(uint256 set, uint256 member) internal returns (bool first) {
        uint256 place = set | member >> 8;
        uint256 leaf = load(place);
        store(place, leaf | 1 << (member & 255));
        if (leaf == 0) {
            uint256 root = load(set | 256);
            store(set | 256, root | 1 << (member >> 8));
            first = root == 0;
        }
    }

    /// @notice Remove `member` from `set`.
    /// @return empty True if the set has no member left.
    function remove(uint256 set, uint256 member) internal returns (bool empty) {
        uint256 place = set | member >> 8;
        uint256 leaf = load(place) & ~(1 << (member & 255));
        store(place, leaf);
        if (leaf == 0) {
            uint256 root = load(set | 256) & ~(1 << (member >> 8));
            store(set | 256, root);
            empty = root == 0;
        }
    }

    /// @notice The smallest member of `set` that is at least `from`, or `NONE`.
    function next(uint256 set, uint256 from) internal view returns (uint256) {
        if (from > type(uint16).max) return NONE;
        unchecked {
            uint256 index = from >> 8;
            if (from & 255 != 0) {
                // A search that goes on mostly stays in its leaf, and then needs no root.
                uint256 leaf = load(set | index) >> (from & 255);
                if (leaf != 0) return from + lowest(leaf);
                ++index;
            }
            uint256 root = load(set | 256) >> index;
            if (root == 0) return NONE;
            index += lowest(root);
            return index << 8 | lowest(load(set | index));
        }
    }

    /// @notice Index of the lowest set bit of a word that is not zero.
    function lowest(uint256 word) internal pure returns (uint256 index) {
        assembly ("memory-safe") {
            word := and(word, sub(0, word))
            // Folded onto its last 32 bits, the word is a power of two there; a de Bruijn sequence turns it into its
            // exponent.
            let folded := or(word, shr(128, word))
            folded := or(folded, shr(64, folded))
            folded := or(folded, shr(32, folded))
            let slot := shr(251, mul(folded, 0x077cb53100000000000000000000000000000000000000000000000000000000))
            index := byte(slot, 0x00011c021d0e18031e16140f191104081f1b0d17151310071a0c12060b050a09)
            // The word without these five bits of the index is `2^(32 i)`, which moves the number `i` to the top.
            index := or(
                index,
                shr(248, mul(shr(index, word), 0x0000000020000000400000006000000080000000a0000000c0000000e0000000))
            )
        }
    }
}
