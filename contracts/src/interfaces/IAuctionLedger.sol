// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Fill} from "../types/Fill.sol";

/// @title What a call auction needs of the ledger of balances
/// @notice The ledger knows who may trade for whom, and keeps money and claims to energy; only an auction that it trusts
/// may call it. Prices are in ticks of 0.0001 yuan/kWh and may be negative, money is in 1e-7 yuan.
interface IAuctionLedger {
    /// @notice Hold what an order may need at worst: a seller's energy, and its money where its price is negative; a
    /// buyer's money at its limit. Reverts unless `caller` may trade for `trader` and there is enough.
    function hold(address caller, uint32 trader, uint24 period, bool sells, uint256 energyWh, int256 priceTicks)
        external;

    /// @notice End the holds of orders of one side: move what was traded at the auction's price, and let go the rest.
    function settle(uint24 period, bool sells, int24 priceTicks, Fill[] calldata fills) external;

    /// @notice True if `caller` may trade for `trader`.
    function mayTrade(address caller, uint32 trader) external view returns (bool);
}
