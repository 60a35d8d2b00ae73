// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {POSITIONS, TRADERS} from "../libraries/Slots.sol";

/// @notice A trader's money, in 1e-7 yuan, the master that answers for it, and where it is.
/// @dev All money of all traders together stays below 2^96 (see `IAccounts.deposit`), so no sum of it overflows.
/// @param masterId The master below which the trader is.
/// @param freeMoney Deposit that may be spent or withdrawn.
/// @param heldMoney Deposit that open deals hold.
/// @param zone The zone of the grid it is in (see `ITransfers`); 0 in a region without zones.
struct Trader {
    uint16 masterId;
    uint96 freeMoney;
    uint96 heldMoney;
    uint8 zone;
}

/// @notice A trader's energy claims in one delivery period, in Wh.
/// @dev What it may sell, holds and sold are below 2^48. What it bought is the sum of what others sold, of at most 2^32
/// sellers, and stays below 2^80: no sum overflows, and nothing that was agreed can fail for the width of a number.
/// @param quotaWh What it may sell.
/// @param heldWh What open deals hold of the quota.
/// @param soldWh What settled deals have sold.
/// @param boughtWh What settled deals have bought.
struct Position {
    uint48 quotaWh;
    uint48 heldWh;
    uint48 soldWh;
    uint112 boughtWh;
}

/// @notice Where a trader lies in storage.
function traderAt(uint32 number) pure returns (Trader storage trader) {
    uint256 slot = TRADERS | number;
    assembly ("memory-safe") {
        trader.slot := slot
    }
}

/// @notice Where a trader's energy claims in a delivery period lie in storage.
function positionAt(uint32 number, uint24 period) pure returns (Position storage position) {
    uint256 slot = POSITIONS | uint256(number) << 24 | period;
    assembly ("memory-safe") {
        position.slot := slot
    }
}
