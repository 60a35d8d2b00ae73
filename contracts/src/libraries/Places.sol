// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "./Bitmap.sol";
import {LATER_TURNS, WAITING_GROUPS, WAITING_PLACES, load, store} from "./Slots.sol";

/// @title Ordered sets of places
/// @notice Few queues ever give out more than 15 turns: sixteen neighbouring ranks, a group, share one word, sixteen
/// bits each. The lower fifteen are the first turns of the rank; the highest says that later ones wait, which are a
/// `Bitmap` of their own. Another `Bitmap` holds the groups whose word is not zero.
library Places {
    uint256 private constant LATER = 15;

    /// @notice Add a place to a set.
    /// @return first True if the set was empty.
    function add(uint256 set, uint256 place) internal returns (bool first) {
        uint256 turn = place & type(uint16).max;
        if (turn >= LATER && !Bitmap.add(_laterTurns(set, place >> 16), turn)) return false;
        uint256 slot = _group(set, place >> 20);
        uint256 word = load(slot);
        store(slot, word | 1 << _bit(place));
        if (word == 0) first = Bitmap.add(_groups(set), place >> 20);
    }

    /// @notice Remove a place from a set.
    /// @return empty True if the set has no place left.
    function remove(uint256 set, uint256 place) internal returns (bool empty) {
        uint256 turn = place & type(uint16).max;
        if (turn >= LATER && !Bitmap.remove(_laterTurns(set, place >> 16), turn)) return false;
        uint256 slot = _group(set, place >> 20);
        uint256 word = load(slot) & ~(1 << _bit(place));
        store(slot, word);
        if (word == 0) empty = Bitmap.remove(_groups(set), place >> 20);
    }

    /// @notice The smallest place of a set that is at least `from` and of a rank up to `lastRank`, or `Bitmap.NONE`.
    function next(uint256 set, uint256 from, uint256 lastRank) internal view returns (uint256 place) {
        if (from >> 16 > lastRank) return Bitmap.NONE;
        uint256 group = from >> 20;
        unchecked {
            if (from & 0xfffff != 0) {
                // A search that goes on mostly stays in its group.
                uint256 bit = _bit(from);
                uint256 word = load(_group(set, group)) >> bit << bit;
                uint256 turn = from & type(uint16).max;
                if (turn > LATER && word >> bit & 1 != 0) {
                    turn = Bitmap.next(_laterTurns(set, from >> 16), turn);
                    if (turn != Bitmap.NONE) return from >> 16 << 16 | turn;
                    word ^= 1 << bit;
                }
                if (word != 0) return _place(set, group, Bitmap.lowest(word), lastRank);
                ++group;
            }
            group = Bitmap.next(_groups(set), group);
            if (group > lastRank >> 4) return Bitmap.NONE;
            return _place(set, group, Bitmap.lowest(load(_group(set, group))), lastRank);
        }
    }

    /// @dev The first place that a bit of a group's word stands for, or `Bitmap.NONE` if its rank is beyond `lastRank`.
    function _place(uint256 set, uint256 group, uint256 bit, uint256 lastRank) private view returns (uint256) {
        uint256 rank = group << 4 | bit >> 4;
        if (rank > lastRank) return Bitmap.NONE;
        uint256 turn = bit & 15;
        return rank << 16 | (turn == LATER ? Bitmap.next(_laterTurns(set, rank), 0) : turn);
    }

    function _bit(uint256 place) private pure returns (uint256) {
        uint256 turn = place & type(uint16).max;
        return place >> 12 & 0xf0 | (turn < LATER ? turn : LATER);
    }

    function _group(uint256 set, uint256 group) private pure returns (uint256) {
        return WAITING_PLACES | set << 12 | group;
    }

    function _groups(uint256 set) private pure returns (uint256) {
        return WAITING_GROUPS | set << 9;
    }

    function _laterTurns(uint256 set, uint256 rank) private pure returns (uint256) {
        return LATER_TURNS | (set << 16 | rank) << 9;
    }
}
