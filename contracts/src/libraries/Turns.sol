// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "./Bitmap.sol";
import {load, store} from "./Slots.sol";

/// @title The waiting turns of a queue
/// @notice Few queues ever give out more than 256 turns: the first 256 are one word, at `queue`. Later ones are a
/// `Bitmap`, whose leaf 0 that word would be; its root lies at `queue | 256`.
library Turns {
    /// @notice Add a turn to a queue.
    /// @return first True if nobody waited in the queue.
    function add(uint256 queue, uint256 turn) internal returns (bool first) {
        if (turn > 255) return Bitmap.add(queue, turn) && load(queue) == 0;
        uint256 word = load(queue);
        store(queue, word | 1 << turn);
        return word == 0 && load(queue | 256) == 0;
    }

    /// @notice Remove a turn from a queue.
    /// @return empty True if nobody waits in the queue any more.
    function remove(uint256 queue, uint256 turn) internal returns (bool empty) {
        if (turn > 255) return Bitmap.remove(queue, turn) && load(queue) == 0;
        uint256 word = load(queue) & ~(1 << turn);
        store(queue, word);
        return word == 0 && load(queue | 256) == 0;
    }

    /// @notice The first waiting turn of a queue that is at least `from`, or `Bitmap.NONE`.
    function next(uint256 queue, uint256 from) internal view returns (uint256) {
        if (from < 256) {
            uint256 word = load(queue) >> from;
            if (word != 0) return from + Bitmap.lowest(word);
            from = 256;
        }
        return Bitmap.next(queue, from);
    }
}
