// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What a master states about its slave chain: after block `lastBlock` the chain's Merkle log had
/// `leafCount` leaves and this root.
struct Anchor {
    uint64 firstBlock;
    uint64 lastBlock;
    uint64 leafCount;
    bytes32 root;
}

/// @title Anchors of the slave chains on the main chain
/// @notice A master anchors its slave chain block range after block range, without gaps or overlaps, and can never
/// anchor a range again with another content. Sending the last anchor again changes nothing, so that a master that
/// does not know whether its anchor arrived may simply repeat it.
interface ISlaveAnchors {
    /// @notice A master anchored a range of its slave chain's blocks.
    event Anchored(
        uint16 indexed masterId,
        uint256 indexed index,
        uint64 firstBlock,
        uint64 lastBlock,
        uint64 leafCount,
        bytes32 root
    );

    /// @notice The master has not registered a slave chain with the consortium.
    error SlaveNotRegistered(uint16 masterId);
    /// @notice The range does not begin right after the last one, or ends before it begins.
    error RangeNotNext(uint64 firstBlock, uint64 expectedFirstBlock);
    /// @notice The range is anchored already, with another content.
    error AnchoredOtherwise(uint256 index);
    /// @notice A log only grows: fewer leaves than before, or another root for as many.
    error LogShrinks(uint64 leafCount, uint64 anchoredLeafCount);
    /// @notice There is no such anchor.
    error UnknownAnchor(uint16 masterId, uint256 index);

    /// @notice Anchor the caller's slave chain.
    /// @return index Number of the anchor, from 0.
    function anchor(uint64 firstBlock, uint64 lastBlock, uint64 leafCount, bytes32 root)
        external
        returns (uint256 index);

    /// @notice How many anchors a master has.
    function anchorCount(uint16 masterId) external view returns (uint256);

    /// @notice An anchor by its number.
    function anchorAt(uint16 masterId, uint256 index) external view returns (Anchor memory);

    /// @notice True if `leaf` is number `leafIndex` of the log that an anchor states (RFC 9162, section 2.1.3.2).
    function includes(uint16 masterId, uint256 index, uint64 leafIndex, bytes32 leaf, bytes32[] calldata proof)
        external
        view
        returns (bool);
}
