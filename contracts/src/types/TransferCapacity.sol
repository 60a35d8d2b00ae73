// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TRANSFERS} from "../libraries/Slots.sol";

/// @notice What the grid can carry from one zone to another in a delivery period, as the dispatcher publishes it.
struct FreeCapacity {
    uint24 period;
    uint8 fromZone;
    uint8 toZone;
    uint64 capacityWh;
}

/// @notice A published capacity, and what deals have taken of it, in Wh.
struct TransferCapacity {
    uint64 capacityWh;
    uint64 usedWh;
}

/// @notice Where a transfer capacity lies in storage.
function transferAt(uint24 period, uint8 fromZone, uint8 toZone) pure returns (TransferCapacity storage transfer) {
    uint256 slot = TRANSFERS | uint256(period) << 16 | uint256(fromZone) << 8 | toZone;
    assembly ("memory-safe") {
        transfer.slot := slot
    }
}
