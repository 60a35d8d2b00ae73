// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IConsortium} from "./interfaces/IConsortium.sol";
import {OrderId} from "./types/OrderId.sol";

/// @title What the exchange keeps in Solidity's own variables
/// @notice The market and the ledger run in the same storage: their variables are these, in this order. All that is read
/// often lies at slots of its own (see `Slots`).
abstract contract ExchangeStorage {
    IConsortium internal immutable _consortium;

    uint32 internal _traderCount;
    uint64 internal _dealCount;
    /// @dev A name is its master's: another master that registers the same bytes gets an account of its own.
    mapping(uint16 masterId => mapping(bytes32 pseudonym => uint32 trader)) internal _traderOf;
    uint128 internal _credited;
    uint128 internal _debited;
    /// @dev Where the search of an order that met the candidate limit goes on.
    mapping(OrderId id => uint256 place) internal _cursors;

    constructor(IConsortium consortium_) {
        _consortium = consortium_;
    }
}
