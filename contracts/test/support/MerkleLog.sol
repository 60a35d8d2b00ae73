// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A Merkle log by the definitions of RFC 9162, sections 2.1.1 and 2.1.3.1
/// @notice Written down as the standard defines it, recursively, so that it shares no step with what it tests.
library MerkleLog {
    /// @notice Root of the tree over leaves `begin` to `end - 1`; at least one leaf.
    function root(bytes32[] memory leaves, uint256 begin, uint256 end) internal pure returns (bytes32) {
        if (end - begin == 1) return leaves[begin];
        uint256 middle = begin + _split(end - begin);
        return parent(root(leaves, begin, middle), root(leaves, middle, end));
    }

    /// @notice Inclusion proof of leaf `index` in the tree over leaves `begin` to `end - 1`, lowest node first.
    function proof(bytes32[] memory leaves, uint256 index, uint256 begin, uint256 end)
        internal
        pure
        returns (bytes32[] memory)
    {
        if (end - begin == 1) return new bytes32[](0);
        uint256 middle = begin + _split(end - begin);
        return index < middle
            ? _append(proof(leaves, index, begin, middle), root(leaves, middle, end))
            : _append(proof(leaves, index, middle, end), root(leaves, begin, middle));
    }

    function parent(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }

    /// @dev The largest power of two below `count`.
    function _split(uint256 count) private pure returns (uint256 power) {
        power = 1;
        while (power * 2 < count) power *= 2;
    }

    function _append(bytes32[] memory nodes, bytes32 last) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](nodes.length + 1);
        for (uint256 i; i < nodes.length; ++i) {
            longer[i] = nodes[i];
        }
        longer[nodes.length] = last;
    }
}
