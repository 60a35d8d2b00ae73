// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DEALS} from "../libraries/Slots.sol";

/// @notice Where a deal stands. `Intent -> Confirmed -> Settled`, or `Intent -> Abandoned | Expired`; a confirmed
/// deal with a suspended party may end as `Expired` too.
enum DealState {
    None,
    Intent,
    Confirmed,
    Abandoned,
    Expired,
    Settled
}

/// @notice What two orders agreed, in one word. The price is the ask's.
/// @dev The turn and price of an order are the last two fields of its id.
struct Deal {
    uint16 askTurn;
    uint16 askTicks;
    uint16 bidTurn;
    uint16 bidTicks;
    uint24 period;
    uint40 energyWh;
    uint32 seller;
    uint32 buyer;
    uint40 confirmBefore;
    bool sellerConfirmed;
    bool buyerConfirmed;
    DealState state;
}

/// @notice Where a deal lies in storage.
function dealAt(uint64 dealId) pure returns (Deal storage deal) {
    uint256 slot = DEALS | dealId;
    assembly ("memory-safe") {
        deal.slot := slot
    }
}
