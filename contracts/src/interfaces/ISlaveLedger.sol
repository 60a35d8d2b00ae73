// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The record of a slave chain
/// @notice A master's private ledger of details. Every record is the next leaf of the chain's Merkle log; the record
/// itself, encrypted by its author, lies in the event. The master decides who may write.
interface ISlaveLedger {
    /// @notice A record was appended. `leaf = SHA-256(0x00 || author (20 bytes) || kind (1 byte) || content)`.
    event RecordAppended(uint64 indexed index, address indexed author, uint8 indexed kind, bytes32 leaf, bytes content);
    /// @notice An address may write from now on, or no longer may.
    event WriterChanged(address indexed writer, bool allowed);
    /// @notice Another address is now the master, also the first.
    event MasterChanged(address indexed master);

    /// @notice Only the master decides who writes, and who is master after it.
    error NotMaster(address caller);
    /// @notice The caller may not write here.
    error NotWriter(address caller);
    /// @notice A ledger cannot be without a master.
    error MasterMissing();
    /// @notice The lists of a batch have different lengths.
    error LengthsDiffer();

    /// @notice Hand the ledger over to the master's next key, which may write from now on; the caller no longer may.
    function changeMaster(address master_) external;

    /// @notice Let an address write, or stop it; master only.
    function setWriters(address[] calldata writers, bool allowed) external;

    /// @notice Append one record.
    /// @return index Its number in the log, from 0.
    function append(uint8 kind, bytes calldata content) external returns (uint64 index);

    /// @notice Append many records.
    /// @return first Number of the first of them.
    function appendMany(uint8[] calldata kinds, bytes[] calldata contents) external returns (uint64 first);

    /// @notice The master of this chain.
    function master() external view returns (address);

    /// @notice True if an address may write.
    function mayWrite(address writer) external view returns (bool);

    /// @notice How many records there are.
    function leafCount() external view returns (uint64);
}
