// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Ordered sets of 16-bit numbers, many in one mapping
/// @notice A set is a root word and up to 256 leaf words: bit `i` of the root says that leaf `i` is not empty, bit
/// `j` of leaf `i` says that `256 * i + j` is a member. Every operation reads and writes at most two words.
library Bitmap {
    /// @notice What `next` returns when no member is left.
    uint256 internal constant NONE = type(uint256).max;

    /// @dev Words of set `key`: leaf `i` at `key << 9 | i`, the root at `key << 9 | 256`.
    struct Sets {
        mapping(uint256 place => uint256) words;
    }

    /// @notice Add `member` to set `key`.
    /// @return first True if the set was empty.
    function add(Sets storage self, uint256 key, uint256 member) internal returns (bool first) {
        uint256 base = key << 9;
        uint256 leaf = self.words[base | member >> 8];
        self.words[base | member >> 8] = leaf | 1 << (member & 255);
        if (leaf == 0) {
            uint256 root = self.words[base | 256];
            self.words[base | 256] = root | 1 << (member >> 8);
            first = root == 0;
        }
    }

    /// @notice Remove `member` from set `key`.
    /// @return empty True if the set has no member left.
    function remove(Sets storage self, uint256 key, uint256 member) internal returns (bool empty) {
        uint256 base = key << 9;
        uint256 leaf = self.words[base | member >> 8] & ~(1 << (member & 255));
        self.words[base | member >> 8] = leaf;
        if (leaf == 0) {
            uint256 root = self.words[base | 256] & ~(1 << (member >> 8));
            self.words[base | 256] = root;
            empty = root == 0;
        }
    }

    /// @notice The smallest member of set `key` that is at least `from`, or `NONE`.
    function next(Sets storage self, uint256 key, uint256 from) internal view returns (uint256) {
        if (from > type(uint16).max) return NONE;
        unchecked {
            uint256 base = key << 9;
            uint256 index = from >> 8;
            if (from & 255 != 0) {
                // A search that goes on mostly stays in its leaf, and then needs no root.
                uint256 leaf = self.words[base | index] >> (from & 255);
                if (leaf != 0) return from + lowest(leaf);
                ++index;
            }
            uint256 root = self.words[base | 256] >> index;
            if (root == 0) return NONE;
            index += lowest(root);
            return index << 8 | lowest(self.words[base | index]);
        }
    }

    /// @notice Index of the lowest set bit of a word that is not zero.
    function lowest(uint256 word) internal pure returns (uint256 index) {
        unchecked {
            word &= 0 - word;
        }
        assembly ("memory-safe") {
            index := shl(7, gt(word, 0xffffffffffffffffffffffffffffffff))
            word := shr(index, word)
            let step := shl(6, gt(word, 0xffffffffffffffff))
            index := or(index, step)
            word := shr(step, word)
            step := shl(5, gt(word, 0xffffffff))
            index := or(index, step)
            word := shr(step, word)
            // What is left is a power of two below 2^32; a de Bruijn sequence turns it into its exponent.
            let slot := and(shr(27, mul(word, 0x077cb531)), 31)
            index := or(index, byte(slot, 0x00011c021d0e18031e16140f191104081f1b0d17151310071a0c12060b050a09))
        }
    }
}
