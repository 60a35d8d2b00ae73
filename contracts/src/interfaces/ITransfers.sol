// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccounts} from "./IAccounts.sol";
import {FreeCapacity, TransferCapacity} from "../types/TransferCapacity.sol";

/// @title Transfer capacity between the zones of the grid
/// @notice Energy goes from the seller's zone to the buyer's. Within a zone there is no limit; between two zones the deals
/// of a delivery period may together carry what the dispatcher has published for this ordered pair, and nothing
/// before it has. Deals of a master with itself come last: between zones they are made only in the last period before the
/// gate closes. An intent takes of the capacity, an abandoned or expired deal gives back, a settled one keeps it.
interface ITransfers is IAccounts {
    /// @notice The dispatcher published a capacity.
    event TransferCapacityPublished(
        uint24 indexed period, uint8 indexed fromZone, uint8 indexed toZone, uint64 capacityWh
    );

    /// @notice Only the dispatcher publishes transfer capacity.
    error NotDispatcher(address caller);
    /// @notice A zone has no limit within itself.
    error SameZone(uint8 zone);

    /// @notice Publish capacities, each the whole that the deals of its period may carry; dispatcher only. One may be
    /// smaller than what deals have taken already: none ends by that, and none is made until enough is free again.
    function publishTransferCapacity(FreeCapacity[] calldata capacities) external;

    /// @notice The capacity from one zone to another in a delivery period.
    function transferCapacity(uint24 period, uint8 fromZone, uint8 toZone)
        external
        view
        returns (TransferCapacity memory);
}
