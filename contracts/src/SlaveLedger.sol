// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISlaveLedger} from "./interfaces/ISlaveLedger.sol";

/// @title The record of a slave chain
contract SlaveLedger is ISlaveLedger {
    address public master;
    uint64 public leafCount;
    mapping(address writer => bool) public mayWrite;

    /// @param master_ The master, which may write from the start.
    constructor(address master_) {
        _setMaster(master_);
    }

    function changeMaster(address master_) external {
        _requireMaster();
        if (master_ == address(0)) revert MasterMissing();
        _setWriter(master, false);
        _setMaster(master_);
    }

    function setWriters(address[] calldata writers, bool allowed) external {
        _requireMaster();
        for (uint256 i; i < writers.length; ++i) {
            _setWriter(writers[i], allowed);
        }
    }

    function append(uint8 kind, bytes calldata content) external returns (uint64 index) {
        _requireWriter();
        index = leafCount;
        _append(index, kind, content);
        leafCount = index + 1;
    }

    function appendMany(uint8[] calldata kinds, bytes[] calldata contents) external returns (uint64 first) {
        _requireWriter();
        if (kinds.length != contents.length) revert LengthsDiffer();
        first = leafCount;
        for (uint256 i; i < kinds.length; ++i) {
            _append(first + uint64(i), kinds[i], contents[i]);
        }
        leafCount = first + uint64(kinds.length);
    }

    function _append(uint64 index, uint8 kind, bytes calldata content) private {
        bytes32 leaf = sha256(abi.encodePacked(bytes1(0x00), msg.sender, kind, content));
        emit RecordAppended(index, msg.sender, kind, leaf, content);
    }

    function _setMaster(address master_) private {
        master = master_;
        emit MasterChanged(master_);
        _setWriter(master_, true);
    }

    function _setWriter(address writer, bool allowed) private {
        mayWrite[writer] = allowed;
        emit WriterChanged(writer, allowed);
    }

    function _requireMaster() private view {
        if (msg.sender != master) revert NotMaster(msg.sender);
    }

    function _requireWriter() private view {
        if (!mayWrite[msg.sender]) revert NotWriter(msg.sender);
    }
}
