// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Accounts} from "./Accounts.sol";
import {FreeCapacity, ITransfers, TransferCapacity} from "./interfaces/ITransfers.sol";
import {TRANSFERS} from "./libraries/Slots.sol";

/// @title Transfer capacity between the zones of the grid
abstract contract Transfers is ITransfers, Accounts {
    function publishTransferCapacity(FreeCapacity[] calldata capacities) external {
        if (consortium.activeMasterId(msg.sender) != consortium.dispatcher()) revert NotDispatcher(msg.sender);
        for (uint256 i; i < capacities.length; ++i) {
            FreeCapacity calldata free = capacities[i];
            if (free.fromZone == free.toZone) revert SameZone(free.fromZone);
            _transfer(free.period, free.fromZone, free.toZone).capacityWh = free.capacityWh;
            emit TransferCapacityPublished(free.period, free.fromZone, free.toZone, free.capacityWh);
        }
    }

    function transferCapacity(uint24 period, uint8 fromZone, uint8 toZone)
        external
        view
        returns (TransferCapacity memory)
    {
        TransferCapacity storage known = _transfer(period, fromZone, toZone);
        return TransferCapacity(known.capacityWh, known.usedWh);
    }

    function _transfer(uint24 period, uint8 fromZone, uint8 toZone)
        internal
        pure
        returns (TransferCapacity storage known)
    {
        uint256 slot = TRANSFERS | uint256(period) << 16 | uint256(fromZone) << 8 | toZone;
        assembly ("memory-safe") {
            known.slot := slot
        }
    }
}
